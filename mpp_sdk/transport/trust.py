"""Which certificate authorities are trusted, and why one is not."""

import os
import ssl

import certifi

from mpp_sdk.transport.errors import TlsFailure

# As OpenSSL numbers them (X509_V_ERR_...).
_FAILURES = {
    9: TlsFailure.NOT_YET_VALID,
    10: TlsFailure.EXPIRED,
    62: TlsFailure.OTHER_NAME,
    64: TlsFailure.OTHER_NAME,
}


def authorities() -> str:
    """Return the file of the trusted authorities: that of SSL_CERT_FILE, else the public ones."""
    return os.environ.get("SSL_CERT_FILE") or certifi.where()


def tls_failure(error: BaseException | None) -> TlsFailure | None:
    """Return what an error, or what has caused it, says of TLS; None when it is of another kind."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ssl.SSLCertVerificationError):
            return _FAILURES.get(error.verify_code, TlsFailure.UNTRUSTED)
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            return TlsFailure.NO_TLS
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        error = inner if isinstance(inner, BaseException) else error.__cause__
    return None

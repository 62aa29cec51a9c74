"""What to do about a server that cannot be tried at all, as exactly as can be told."""

from collections.abc import Mapping

from mpp_sdk.transport import (
    AddressRefused,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    TlsFailure,
    TransportError,
)

_OF_TLS = {
    TlsFailure.EXPIRED: "Renew the certificate, have your server load it, and renew it by a "
    "program from now on.",
    TlsFailure.NOT_YET_VALID: "Check the clock of the machine that made the certificate, or wait "
    "until it is valid.",
    TlsFailure.OTHER_NAME: "State the base URL with the name that the certificate is for, or get "
    "a certificate for the host name of the base URL.",
    TlsFailure.UNTRUSTED: "Use a certificate of a public authority, and have your server send the "
    "authority's intermediate certificates with its own.",
    TlsFailure.NO_TLS: "Have the server speak TLS 1.2 or newer at this port, or state the port at "
    "which it does.",
}
_TIMED_OUT = (
    "See that the server runs and is not overloaded, and that no firewall between swallows the "
    "calls."
)
_NOT_CONNECTED = (
    "See that the server runs, that it listens at this host and port from outside, and that its "
    "firewall lets callers in."
)
_NOT_PUBLIC = (
    "State a host name whose addresses in the DNS are right and can be called from here; outside "
    "of a closed network, public ones."
)
_TOO_LARGE = "Something else answers there: state the base URL of the server."


def of_call(error: TransportError) -> str:
    """Return what to do about a call that got no answer."""
    if isinstance(error, TlsFailed):
        return _OF_TLS[error.why]
    if isinstance(error, TimedOut):
        return _TIMED_OUT
    if isinstance(error, AddressRefused):
        return _NOT_PUBLIC
    if isinstance(error, ResponseTooLarge):
        return _TOO_LARGE
    return _NOT_CONNECTED


def of_status(status: int, headers: Mapping[str, str], base_url: str, base_path: str) -> str:
    """Return what to do about an answer to a right call that is not 200.

    headers have their names in small letters. base_path is the contract's own (`/eu-mp/v1`).
    """
    if 300 <= status < 400:
        where = headers.get("location", "")[:200]
        return (
            f"The server sends callers elsewhere{f', to {where}' if where else ''}, and nobody "
            "follows with a key in hand: state the address where it answers itself."
        )
    if status >= 500:
        return (
            "The server, or the proxy before it, failed: look into its log at the time of this "
            "test."
        )
    if status == 429:
        return "The server takes no more calls: raise its limit."
    return (
        f"Serve the contract below the base URL, at {base_url}{base_path}. State the base URL "
        f"without {base_path}, and see that a proxy in front passes the path on as it is."
    )


def of_body(content_type: str, base_path: str) -> str | None:
    """Return what to do about an answer that comes from something else, else None."""
    if "html" in content_type.lower():
        return (
            "A web page answers there, not an API: state the server's own base URL, or see that a "
            f"proxy in front passes {base_path} on to it."
        )
    return None

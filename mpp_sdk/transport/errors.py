"""What may become of a call that gets no usable answer."""

from enum import StrEnum

from mpp_sdk.errors import Unavailable


class CallFailed(Exception):
    """A call to another side did not bring what it was made for.

    The base of everything that the generated clients raise of a call; of these only those without
    a usable answer are told apart here, the others in `mpp_sdk.client`.
    """


class TransportError(Unavailable, CallFailed):
    """A call got no usable answer."""

    title = "The other side cannot be reached"


class AddressRefused(TransportError):
    """The address is not one that this client may call."""


class TimedOut(TransportError):
    """The whole answer did not arrive in time."""


class ResponseTooLarge(TransportError):
    """The answer's headers or body are larger than what is read."""


class ConnectionFailed(TransportError):
    """The connection could not be made, or broke, or what came back was not HTTP."""


class TlsFailure(StrEnum):
    """Why a connection that is to be encrypted was not made."""

    EXPIRED = "the certificate has expired"
    NOT_YET_VALID = "the certificate is not valid yet"
    OTHER_NAME = "the certificate is for another name"
    UNTRUSTED = "the certificate is not from a trusted authority"
    NO_TLS = "there is no TLS that both sides speak"


class TlsFailed(ConnectionFailed):
    """The other side could not show who it is, or does not speak TLS."""

    def __init__(self, why: TlsFailure) -> None:
        super().__init__(f"The connection failed: {why.value}.")
        self.why = why

"""What may become of a call that gets no usable answer."""

from mpp_sdk.errors import Unavailable


class TransportError(Unavailable):
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

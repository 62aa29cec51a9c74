"""The guarded HTTP clients: call platforms that others have named, and cannot be turned inwards."""

from mpp_sdk.transport.addresses import (
    AddressPolicy,
    IpAddress,
    Resolver,
    check_url,
    resolve_name,
    same_origin,
)
from mpp_sdk.transport.client import GuardedClient, HttpAnswer
from mpp_sdk.transport.errors import (
    AddressRefused,
    CallFailed,
    ConnectionFailed,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    TlsFailure,
    TransportError,
)
from mpp_sdk.transport.session import GuardedSession

__all__ = [
    "AddressPolicy",
    "AddressRefused",
    "CallFailed",
    "ConnectionFailed",
    "GuardedClient",
    "GuardedSession",
    "HttpAnswer",
    "IpAddress",
    "Resolver",
    "ResponseTooLarge",
    "TimedOut",
    "TlsFailed",
    "TlsFailure",
    "TransportError",
    "check_url",
    "resolve_name",
    "same_origin",
]

"""What the marketplace sends to platforms, and under which path."""

from enum import StrEnum


class PlatformRole(StrEnum):
    """The role that a platform has in a subscription."""

    PROVIDER = "provider"
    REQUESTER = "requester"


class EventKind(StrEnum):
    """What an event tells a platform."""

    SERVICE_OFFER_CONFIRMED = "service-offer.confirmed"
    SERVICE_OFFER_CANCELED = "service-offer.canceled"
    SERVICE_OFFER_SUSPENDED = "service-offer.suspended"
    SERVICE_OFFER_RESUMED = "service-offer.resumed"


SECRET_KINDS = frozenset({EventKind.SERVICE_OFFER_CONFIRMED})
"""The kinds whose events carry a secret, which is erased when the platform has taken it."""


def path_of(kind: EventKind, role: PlatformRole) -> str:
    """Return the path of the EU-MP API that an event of this kind goes to (source: III B)."""
    return f"/{kind.value.replace('.', '/')}/{role.value}"


def role_of(path: str) -> PlatformRole:
    """Return the role of the platform that a path of the EU-MP API addresses."""
    return PlatformRole(path.rpartition("/")[2])

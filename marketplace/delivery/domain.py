"""What the marketplace sends to platforms, and under which path."""

from enum import StrEnum

from marketplace.core.contract_version import ContractVersion


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
    POINTS_OF_DELIVERY_REQUESTED = "points-of-delivery.requested"


SECRET_KINDS = frozenset({EventKind.SERVICE_OFFER_CONFIRMED})
"""The kinds whose events carry a secret, which is erased when the platform has taken it."""


SINCE = {EventKind.POINTS_OF_DELIVERY_REQUESTED: ContractVersion(1, 1)}
"""The kinds that came with a later version of the contract: a platform of before has no path."""


def too_new(kind: EventKind, spoken: ContractVersion | None) -> str | None:
    """Return why an event is not sent to a platform that speaks a version, and what to do.

    None says that it may be sent; so may every event while the version is not known.
    """
    since = SINCE.get(kind)
    if since is None or spoken is None or spoken >= since:
        return None
    return (
        f"Not sent: {kind} came with version {since.series} of the EU-MP contract, and the platform"
        f" speaks {spoken.series}. Bring the platform up to date, then replay this."
    )


def path_of(kind: EventKind, role: PlatformRole) -> str:
    """Return the path of the EU-MP API that an event of this kind goes to (source: III B)."""
    return f"/{kind.value.replace('.', '/')}/{role.value}"


def role_of(path: str) -> PlatformRole:
    """Return the role of the platform that a path of the EU-MP API addresses."""
    return PlatformRole(path.rpartition("/")[2])

"""Points of delivery that a requester's people add at the marketplace."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from marketplace.core import audit
from marketplace.core.journal import set_columns
from marketplace.core.unit_of_work import current_session
from marketplace.delivery import service as delivery
from marketplace.delivery.domain import EventKind, PlatformRole
from marketplace.monitoring import repository
from marketplace.monitoring.tables import PointOfDelivery
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.clock import now
from mpp_sdk.contracts.eu_mp.models import PointsOfDeliveryRequested
from mpp_sdk.ids import new_id

MOST_AT_ONCE = 1000
"""How many points of delivery one call may add."""


@dataclass(frozen=True)
class Added:
    """What became of points of delivery, in the order in which they were given.

    event_id is that of the event that tells the requester's platform; None when nothing is new.
    """

    added: Sequence[str]
    already_there: Sequence[str]
    event_id: UUID | None


def request_points_of_delivery(subscription_id: UUID, pod_ids: Sequence[str]) -> Added:
    """Return which points of delivery are new under a subscription of the caller, its requester.

    The requester's platform is told of them, and asks the provider's. pod_ids are 1 to 1,000, each
    once. Raises NotFound, Forbidden for who is not the requester, and IllegalTransition when the
    subscription is neither PENDING nor ACTIVE.
    """
    agreement = subscriptions.agreement_for_points_of_delivery(subscription_id)
    session = current_session()
    known = repository.known_points_of_delivery(session, agreement.id, pod_ids)
    added = [pod_id for pod_id in pod_ids if pod_id not in known]
    already_there = [pod_id for pod_id in pod_ids if pod_id in known]
    if not added:
        return Added(added, already_there, None)
    moment = now()
    for pod_id in added:
        key = {"subscription_id": agreement.id, "pod_id": pod_id}
        set_columns(session, PointOfDelivery, key, {"requested_at": moment})
        audit.record(
            "PointOfDelivery",
            f"{agreement.id}/{pod_id}",
            "request",
            occurred_at=moment,
            subscription_id=agreement.id,
            provider_id=agreement.provider_id,
            requester_id=agreement.requester_id,
        )
    event = PointsOfDeliveryRequested(
        event_id=new_id(), occurred_at=moment, subscription_id=agreement.id, pod_ids=added
    )
    delivery.enqueue(
        delivery.PlatformEvent(
            event_id=event.event_id,
            kind=EventKind.POINTS_OF_DELIVERY_REQUESTED,
            market_player_id=agreement.requester_id,
            platform_role=PlatformRole.REQUESTER,
            subscription_id=agreement.id,
            occurred_at=moment,
            payload=event.to_json().decode(),
        )
    )
    return Added(added, already_there, event.event_id)

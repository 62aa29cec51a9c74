"""What is missing of a subscription until data flows for all of its points of delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.activations.domain import ActivationState
from marketplace.consents.domain import ConsentState
from marketplace.core.unit_of_work import current_session
from marketplace.delivery import service as delivery
from marketplace.monitoring import repository
from marketplace.monitoring.tables import InterimStatus
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.clock import now
from mpp_sdk.outbox import Event

_MOST_MESSAGES = 5


@dataclass(frozen=True)
class Completeness:
    """How far a subscription has come.

    pods says how many points of delivery are in each pair of consent and activation; None is a
    state that nobody has told of. unheard are messages that a platform has not acknowledged, of
    those that the caller may see. due_at is when the next status is expected, if one is.
    """

    pods: Mapping[tuple[ConsentState | None, ActivationState | None], int]
    unheard: Sequence[Event]
    last_status: InterimStatus | None
    due_at: datetime | None
    is_overdue: bool

    @property
    def total(self) -> int:
        """How many points of delivery there are."""
        return sum(self.pods.values())

    @property
    def active(self) -> int:
        """For how many of them data flows."""
        return self.activations.get(ActivationState.ACTIVE, 0)

    @property
    def not_taken_up(self) -> int:
        """Of how many the provider's platform has told nothing yet."""
        return self.pods.get((None, None), 0)

    @property
    def consents(self) -> dict[ConsentState, int]:
        """How many points of delivery are in each state of the consent."""
        found: dict[ConsentState, int] = {}
        for (consent, _), count in self.pods.items():
            if consent is not None:
                found[consent] = found.get(consent, 0) + count
        return found

    @property
    def activations(self) -> dict[ActivationState, int]:
        """How many points of delivery are in each state of the activation."""
        found: dict[ActivationState, int] = {}
        for (_, activation), count in self.pods.items():
            if activation is not None:
                found[activation] = found.get(activation, 0) + count
        return found


def read_completeness(subscription_id: UUID) -> Completeness:
    """Return how far a subscription of the caller has come. Raises NotFound."""
    agreement = subscriptions.visible_agreement(subscription_id)
    session = current_session()
    statuses = repository.statuses_before(session, agreement.id, 1, None, None)
    watch = repository.watch(session, agreement.id)
    parties = (agreement.provider_id, agreement.requester_id)
    return Completeness(
        pods=repository.count_points_of_delivery(session, agreement.id),
        unheard=delivery.unfinished_of_subscription(agreement.id, parties, _MOST_MESSAGES),
        last_status=statuses[0] if statuses else None,
        due_at=watch.due_at if watch else None,
        is_overdue=bool(watch and watch.overdue_from and watch.overdue_from <= now()),
    )

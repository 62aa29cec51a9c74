"""What must be true once the data has flowed: of the two stores, and at the marketplace."""

from collections.abc import Sequence
from uuid import UUID

from examples.demo.portfolio import EXPECTED, WITHDRAWN
from examples.demo.report import Check, Message
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import DeliveryState, Subscription, SubscriptionState
from mpp_sdk.metering.store import MeteringStore


def check_data(
    ours: MeteringStore,
    theirs: MeteringStore,
    *,
    with_consent: Sequence[str],
    without: Sequence[str],
) -> list[Check]:
    """Return whether our store holds theirs of the points of delivery with consent, and no more."""
    equal = [pod for pod in with_consent if ours.digest(pod) == theirs.digest(pod)]
    readings = sum(ours.count(pod) for pod in with_consent)
    others = [
        pod.mrid for pod in ours.pods() if pod.mrid not in with_consent and ours.count(pod.mrid)
    ]
    return [
        Check(
            "The aggregator's store holds exactly the operator's readings, for every point of"
            " delivery with consent.",
            len(equal) == len(with_consent) and all(ours.count(pod) for pod in with_consent),
            f"{len(equal)} of {len(with_consent)} digests are equal; {readings:,} readings.",
        ),
        Check(
            "It holds none of the others.",
            not others and all(theirs.count(pod) for pod in without),
            f"The operator has readings of {' and '.join(without)}, which must not be here.",
        ),
    ]


def check_withdrawal(messages: Sequence[Message]) -> Check:
    """Return whether readings were given before the withdrawal, and none after it."""
    pages = [message.status for message in messages if WITHDRAWN in message.path]
    given = pages.count(200)
    return Check(
        "The withdrawal came in the middle of the exchange, and stopped it.",
        given > 0 and 403 in pages and pages.index(403) == given,
        f"{given} pages were given before the refusal.",
    )


def check_marketplace(operator: MarketplaceClient, subscription: Subscription) -> list[Check]:
    """Return whether the marketplace knows what became of everything, and has delivered all."""
    subscription_id = subscription.subscription_id
    known = states(operator, subscription_id)
    deliveries = operator.list_deliveries(subscription_id=subscription_id).items
    overdue = operator.list_overdue().items
    statuses = operator.list_interim_statuses(subscription_id).items
    return [
        Check(
            "The marketplace knows every consent and activation.",
            known == EXPECTED,
            "; ".join(f"{pod}: {consent}" for pod, (consent, _) in known.items()),
        ),
        Check(
            "Both platforms acknowledged, and every delivery arrived.",
            subscription.state is SubscriptionState.ACTIVE
            and len(subscription.acknowledged_by) == 2
            and all(delivery.state is DeliveryState.DELIVERED for delivery in deliveries),
            f"{len(deliveries)} deliveries.",
        ),
        Check(
            "The service reports its status in time.",
            bool(statuses) and not overdue,
            f"{len(statuses)} statuses, {len(overdue)} overdue.",
        ),
    ]


def states(operator: MarketplaceClient, subscription_id: UUID) -> dict[str, tuple[str, str]]:
    """Return the states of consent and activation of each PoD, as the marketplace knows them."""
    return {
        pod.pod_id: (str(pod.consent or ""), str(pod.activation or ""))
        for pod in operator.list_points_of_delivery(subscription_id).items
    }

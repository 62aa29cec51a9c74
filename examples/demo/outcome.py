"""What came of a run: lifecycles from the audit trail, load curves from the aggregator's store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from examples.demo.portfolio import GRANTED, TITLES
from examples.demo.report import LoadCurve, Timeline, TimelineGroup, Transition
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import AuditedKind, AuditEntry, Subscription
from mpp_sdk.metering.store import MeteringStore

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def load_curves(store: MeteringStore) -> list[LoadCurve]:
    """Return the load curves of the points with consent; a direction without energy has none."""
    curves = []
    for pod in GRANTED:
        for series in store.read(pod, _EARLIEST, _LATEST):
            signed = [(at, quantity) for at, quantity in series.signed if quantity is not None]
            if any(quantity for _, quantity in signed):
                curves.append(LoadCurve(pod, TITLES[pod], series.iso_resolution, signed))
    return curves


def timelines(trail: Sequence[AuditEntry], subscription: Subscription) -> list[TimelineGroup]:
    """Return the lifecycle of the subscription, and of each point of delivery, from the trail."""

    def line(name: str, kind: AuditedKind, entity_id: str) -> Timeline:
        return Timeline(
            name,
            [
                Transition(entry.occurred_at, entry.to_state, entry.reason or "")
                for entry in trail
                if entry.entity_kind is kind
                and entry.entity_id == entity_id
                and entry.to_state is not None
            ],
        )

    subscription_id = str(subscription.subscription_id)
    groups = [
        TimelineGroup(
            "The subscription",
            f"{subscription.service_name}, from {subscription.provider.name} to"
            f" {subscription.requester.name}",
            [line("subscription", AuditedKind.SUBSCRIPTION, subscription_id)],
        )
    ]
    for pod, title in TITLES.items():
        entity = f"{subscription_id}/{pod}"
        groups.append(
            TimelineGroup(
                pod,
                title,
                [
                    line("consent", AuditedKind.CONSENT, entity),
                    line("activation", AuditedKind.ACTIVATION, entity),
                ],
            )
        )
    return groups


def audit_trail(operator: MarketplaceClient, subscription_id: UUID) -> list[AuditEntry]:
    """Return every entry about a subscription, in the order of time."""
    entries: list[AuditEntry] = []
    cursor: str | None = None
    while True:
        page = operator.list_audit_trail(subscription_id=subscription_id, limit=200, cursor=cursor)
        entries += page.items
        cursor = page.next_cursor
        if cursor is None:
            return sorted(entries, key=lambda entry: entry.occurred_at)

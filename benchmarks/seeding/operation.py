"""What a subscription consists of while it runs: points of delivery, and interim statuses."""

from datetime import datetime, timedelta

from benchmarks.seeding.chance import Chance
from benchmarks.seeding.loading import Loader, Row
from benchmarks.seeding.negotiations import Subscription
from benchmarks.seeding.trail import Trail
from marketplace.activations.domain import ActivationState
from marketplace.catalogue.terms import interval
from marketplace.consents.domain import ConsentState
from marketplace.monitoring.domain import next_status
from marketplace.subscriptions.domain import ENDED, SubscriptionState

_PODS = {1: 60, 2: 25, 4: 10, 8: 4.9, 400: 0.1}
"""How many points of delivery subscriptions have, and how many of a hundred have so many."""

_STATUSES = {1: 60, 3: 35, 12: 4.9, 400: 0.1}


def add_operation(loader: Loader, chance: Chance, trail: Trail, subscription: Subscription) -> None:
    """Add what was asked for and told under a subscription."""
    if subscription.active_since is None:
        return
    for number in range(_drawn(chance, _PODS)):
        _add_pod(loader, chance, trail, subscription, f"{subscription.id.hex[-12:]}-{number:04}")
    _add_statuses(loader, chance, subscription, subscription.active_since)


def _drawn(chance: Chance, parts: dict[int, float]) -> int:
    return chance.choices(list(parts), list(parts.values()))[0]


def _add_pod(
    loader: Loader, chance: Chance, trail: Trail, subscription: Subscription, pod: str
) -> None:
    assert subscription.active_since is not None
    at = chance.after(subscription.active_since, timedelta(days=20))
    known: Row = {"subscription_id": subscription.id, "pod_id": pod}
    consent = None
    if subscription.service.consent_required:
        consent = chance.choices(list(ConsentState), (5, 75, 8, 4, 6, 2))[0]
        said: Row = {"state": consent, "occurred_at": at, "received_at": at}
        loader.add("consent", id=chance.id_at(at), derived=False, version=2, **known, **said)
        loader.add("consent_notice", event_id=chance.id_at(at), outcome="APPLIED", **known, **said)
        _note(trail, subscription, "Consent", pod, consent, at)
    activation = _activation(chance, subscription, consent)
    if activation is not None:
        at = chance.after(at, timedelta(hours=1))
        held = activation is ActivationState.SUSPENDED
        heard: Row = {"state": activation, "occurred_at": at, "received_at": at}
        loader.add(
            "activation", id=chance.id_at(at), derived=held, held=held, version=2, **known, **heard
        )
        loader.add(
            "activation_notice", event_id=chance.id_at(at), outcome="APPLIED", **known, **heard
        )
        _note(trail, subscription, "Activation", pod, activation, at)
    loader.add(
        "point_of_delivery",
        consent=consent,
        consent_start=at if consent is ConsentState.GRANTED else None,
        activation=activation,
        **known,
    )


def _activation(
    chance: Chance, subscription: Subscription, consent: ConsentState | None
) -> ActivationState | None:
    if consent not in (None, ConsentState.GRANTED):
        return None
    if subscription.state in ENDED:
        return ActivationState.ENDED
    if subscription.state is SubscriptionState.SUSPENDED:
        return ActivationState.SUSPENDED
    return ActivationState.ACTIVE if chance.happens(0.95) else ActivationState.REQUESTED


def _note(
    trail: Trail, subscription: Subscription, kind: str, pod: str, state: str, at: datetime
) -> None:
    trail.note(
        kind,
        f"{subscription.id}/{pod}",
        state.lower(),
        at,
        actor=subscription.provider.administrator,
        before="REQUESTED",
        after=state,
        subscription=subscription.id,
        provider=subscription.provider.id,
        requester=subscription.requester.id,
    )


def _add_statuses(
    loader: Loader, chance: Chance, subscription: Subscription, since: datetime
) -> None:
    every = interval(subscription.service.interval, "/interimStatusInterval")
    running = subscription.state is SubscriptionState.ACTIVE
    last = max(since, chance.now - every * (3 if chance.happens(0.01) else chance.random()))
    for number in range(_drawn(chance, _STATUSES) if running else 0):
        at = max(since, last - number * every)
        loader.add(
            "interim_status",
            subscription_id=subscription.id,
            event_id=chance.id_at(at),
            status="OPERATIONAL" if chance.happens(0.97) else "DEGRADED",
            active_pods=1,
            occurred_at=at,
            received_at=at,
            outcome="APPLIED",
        )
    expected = next_status(since, last, every) if running else None
    loader.add(
        "interim_watch",
        subscription_id=subscription.id,
        provider_id=subscription.provider.id,
        requester_id=subscription.requester.id,
        interval=subscription.service.interval,
        active_since=since if running else None,
        last_status_at=last if running else None,
        due_at=expected.due_at if expected else None,
        overdue_from=expected.overdue_from if expected else None,
        version=2,
    )

"""The whole market."""

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Engine, text

from benchmarks.seeding.chance import Chance
from benchmarks.seeding.companies import (
    Secrets,
    add_companies,
    add_operators,
)
from benchmarks.seeding.deliveries import KEPT, Deliveries
from benchmarks.seeding.loading import loading
from benchmarks.seeding.negotiations import Negotiations, Subscription
from benchmarks.seeding.operation import add_operation
from benchmarks.seeding.scale import Scale
from benchmarks.seeding.services import add_services
from benchmarks.seeding.single import (
    add_counted,
    add_links,
    add_replays,
    add_resynchronisation,
)
from benchmarks.seeding.trail import Trail
from marketplace.accounts.hashing import hash_password
from marketplace.app import metadata
from marketplace.delivery.tables import OUTBOX
from mpp_sdk.outbox.retention import Retention
from mpp_sdk.secrets import SecretBox

PASSWORD = "correct horse battery staple"  # noqa: S105 - of people who do not exist
_SEED = 20261121


def seed(engine: Engine, scale: Scale, box: SecretBox, now: datetime) -> None:
    """Fill an empty database, whose schema is there, as of a moment.

    The secrets are encrypted by the box; everybody's password is PASSWORD.
    """
    chance = Chance(_SEED, now)
    given = Secrets(box.encrypt("mpp_0123456789"), hash_password(PASSWORD))
    _make_partitions(engine, now)
    with loading(engine, metadata()) as loader:
        trail = Trail(loader, chance)
        operator = add_operators(loader, chance, given)
        companies = add_companies(loader, chance, trail, scale.companies, given)
        providers = [one for number, one in enumerate(companies) if number % 4 == 0]
        requesters = [one for number, one in enumerate(companies) if number % 4]
        add_counted(loader, chance)
        add_links(loader, chance, providers[0], operator)
        add_replays(loader, chance, providers[0].id, 120)
        add_resynchronisation(loader, chance, companies)
        services = add_services(loader, chance, trail, scale.services, providers)
        negotiations = Negotiations(loader, chance, trail, services, requesters)
        deliveries = Deliveries(loader, chance, trail, given.encrypted)
        left = scale.deliveries
        for number in range(scale.subscriptions):
            subscription = negotiations.add_subscription()
            add_operation(loader, chance, trail, subscription)
            left -= _deliver(deliveries, chance, subscription, left, scale.subscriptions - number)
            if number % 6 == 0:
                negotiations.add_request()
        deliveries.finish()


def _deliver(
    deliveries: Deliveries,
    chance: Chance,
    subscription: Subscription,
    left: int,
    subscriptions: int,
) -> int:
    """Add some of the deliveries that are left for so many subscriptions; return how many."""
    average = left / subscriptions
    count = left if subscriptions == 1 else round(average * chance.choice((0.4, 0.8, 1.8)))
    deliveries.add(subscription, count)
    return count


def _make_partitions(engine: Engine, now: datetime) -> None:
    """Have a partition of attempts for each day, as a marketplace has that ran for a month."""
    if engine.dialect.name != "postgresql":
        return
    day: date = (now - KEPT - timedelta(days=1)).astimezone(UTC).date()
    with engine.begin() as connection:
        while day <= now.date():
            following = day + timedelta(days=1)
            first, end = (datetime.combine(one, time(), UTC) for one in (day, following))
            connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS {OUTBOX.attempt.name}_p{day:%Y%m%d} PARTITION OF"
                    f" {OUTBOX.attempt.name} FOR VALUES FROM ('{first}') TO ('{end}')"
                )
            )
            day = following
    Retention(OUTBOX).keep_partitions(engine, now, now - KEPT - timedelta(days=3))

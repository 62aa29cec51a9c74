"""Numbers over time: what happened each hour, and how things stood each day.

A job counts and keeps them, so that looking at them costs the same however much there is. It counts
the hours that it has not counted yet and the present one again: done twice it comes to the same,
and after a downtime it goes on where it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from marketplace.catalogue.tables import ServiceVersion
from marketplace.core.audit import AuditEntry
from marketplace.core.database import Base
from marketplace.core.given import insert_or_update_given
from marketplace.core.unit_of_work import current_session
from marketplace.delivery.tables import OUTBOX
from marketplace.identity.access import require_operator
from marketplace.identity.tables import MarketPlayer
from marketplace.monitoring.tables import FigureOverTime, InterimStatus
from marketplace.subscriptions.tables import Subscription
from mpp_sdk.clock import now
from mpp_sdk.ids import first_id_of
from mpp_sdk.outbox import EventState

DELIVERED = "deliveries.delivered"
DEAD = "deliveries.dead"
RETRIED = "deliveries.retried"
NOTIFICATIONS = "notifications"
HOURLY = (DELIVERED, DEAD, RETRIED, NOTIFICATIONS)
"""What is counted of each hour."""

SUBSCRIPTIONS = "subscriptions."
SERVICES = "services."
PLAYERS = "players."
"""Before the name of a state: how many subscriptions, versions of services and companies were in
it, each day."""

COUNT_EVERY = timedelta(minutes=5)
HOURS_AT_ONCE = 24
"""How many hours one run catches up with."""

_HOUR = timedelta(hours=1)
_COUNTED = "counted"  # not a figure: when the job last ran, in seconds since 1970
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTIFIED = ("Consent", "Activation")
_BY_STATE = (
    (SUBSCRIPTIONS, Subscription.state),
    (SERVICES, ServiceVersion.state),
    (PLAYERS, MarketPlayer.state),
)
_FINISHING = ("deliver", "give up", "discard")


@dataclass(frozen=True)
class Point:
    """A number of an hour, or of a day."""

    at: datetime
    value: int


def read_over_time(
    names: Sequence[str], since: datetime, until: datetime
) -> Mapping[str, Sequence[Point]]:
    """Return the numbers with these names in a period, the oldest first. For operators.

    An hour that is not there was not counted. Raises Forbidden.
    """
    require_operator()
    found: dict[str, list[Point]] = {name: [] for name in names}
    rows = current_session().execute(
        select(FigureOverTime.name, FigureOverTime.at, FigureOverTime.value)
        .where(
            FigureOverTime.name.in_(names),
            FigureOverTime.at >= since,
            FigureOverTime.at < until,
        )
        .order_by(FigureOverTime.name, FigureOverTime.at)
    )
    for name, at, value in rows:
        found[name].append(Point(at, value))
    return found


def count_due() -> int:
    """Count what is due, unless it was done a moment ago; return 1 when hours are left, else 0."""
    connection = current_session().connection()
    moment = now()
    marker = connection.execute(
        select(_FIGURES.c.value)
        .where(_FIGURES.c.name == _COUNTED, _FIGURES.c.at == _EPOCH)
        .with_for_update(skip_locked=True)
    ).scalar()
    last = None if marker is None else datetime.fromtimestamp(marker, UTC)
    if last is not None and last <= moment < last + COUNT_EVERY:
        return 0
    hours = list(_due_hours(connection, moment))
    rows = [row for hour in hours for row in _of_hour(connection, hour)]
    rows += _of_day(connection, moment)
    left = bool(hours) and hours[-1] < _start_of_hour(moment)
    if not left:
        seconds = int(moment.timestamp())
        rows.append({"name": _COUNTED, "at": _EPOCH, "value": seconds})
    insert_or_update_given(connection, _FIGURES, rows)
    return int(left)


_FIGURES = Base.metadata.tables[FigureOverTime.__tablename__]


def _due_hours(connection: Connection, moment: datetime) -> Iterator[datetime]:
    """Yield the hours from the last that was counted to the present one, the oldest first.

    The last may not have been over when it was counted.
    """
    present = _start_of_hour(moment)
    last = connection.execute(
        select(func.max(_FIGURES.c.at)).where(_FIGURES.c.name == NOTIFICATIONS)
    ).scalar()
    if last is None:
        first_entry = connection.execute(select(func.min(AuditEntry.recorded_at))).scalar()
        last = _start_of_hour(first_entry or moment)
    hour = min(last, present)
    for _ in range(HOURS_AT_ONCE):
        yield hour
        hour += _HOUR
        if hour > present:
            return


def _of_hour(connection: Connection, hour: datetime) -> Iterator[dict[str, object]]:
    recorded = (AuditEntry.id >= first_id_of(hour), AuditEntry.id < first_id_of(hour + _HOUR))
    finished = connection.execute(
        select(
            func.count().filter(AuditEntry.to_state == EventState.DELIVERED),
            func.count().filter(AuditEntry.to_state == EventState.DEAD),
        ).where(AuditEntry.entity_kind == "Delivery", AuditEntry.action.in_(_FINISHING), *recorded)
    ).one()
    attempt = OUTBOX.attempt.c
    retried = connection.execute(
        select(func.count())
        .select_from(OUTBOX.attempt)
        .where(
            attempt.started_at >= hour,
            attempt.started_at < hour + _HOUR,
            attempt.resulting_state == EventState.RETRYING,
        )
    ).scalar_one()
    told = connection.execute(
        select(func.count())
        .select_from(AuditEntry)
        .where(AuditEntry.entity_kind.in_(_NOTIFIED), *recorded)
    ).scalar_one()
    statuses = connection.execute(
        select(func.count())
        .select_from(InterimStatus)
        .where(InterimStatus.received_at >= hour, InterimStatus.received_at < hour + _HOUR)
    ).scalar_one()
    values = {
        DELIVERED: finished[0],
        DEAD: finished[1],
        RETRIED: retried,
        NOTIFICATIONS: told + statuses,
    }
    for name, value in values.items():
        yield {"name": name, "at": hour, "value": value}


def _of_day(connection: Connection, moment: datetime) -> Iterator[dict[str, object]]:
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for prefix, state in _BY_STATE:
        for name, count in connection.execute(select(state, func.count()).group_by(state)):
            yield {"name": prefix + name.value, "at": day, "value": count}


def _start_of_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)

"""The numbers over time, as charts over tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.catalogue.domain import VersionState
from marketplace.identity.domain import MarketPlayerState
from marketplace.monitoring.over_time import (
    DEAD,
    DELIVERED,
    HOURLY,
    NOTIFICATIONS,
    PLAYERS,
    RETRIED,
    SERVICES,
    SUBSCRIPTIONS,
    Point,
    read_over_time,
)
from marketplace.subscriptions.domain import SubscriptionState
from marketplace.website.frame import lists
from marketplace.website.frame.rights import operators
from marketplace.website.operators.blueprint import blueprint
from mpp_sdk.clock import now

_DAY = timedelta(days=1)


class Range(StrEnum):
    """How far back the page looks."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


_LENGTHS = {Range.DAY: _DAY, Range.WEEK: 7 * _DAY, Range.MONTH: 30 * _DAY}
_STATES: tuple[tuple[str, type[StrEnum]], ...] = (
    (SUBSCRIPTIONS, SubscriptionState),
    (SERVICES, VersionState),
    (PLAYERS, MarketPlayerState),
)
_SHORTEST_BY_DAY = 7 * _DAY  # a day or two of daily numbers tell nothing


@dataclass(frozen=True)
class Row:
    """The numbers of an hour or a day, in the order of the chart's headings."""

    at: datetime
    values: Sequence[int]


@dataclass(frozen=True)
class Chart:
    """A chart and its table, the newest row first. by_day says that a row is a day (UTC)."""

    key: str
    kind: str
    title: str
    about: str
    headings: Sequence[str]
    rows: Sequence[Row]
    by_day: bool


@blueprint.get("/operators/numbers")
@operators
def numbers() -> ResponseReturnValue:
    """Show the numbers of the last day, week or month."""
    chosen = lists.one_of("range", Range) or Range.DAY
    until, length = now(), _LENGTHS[chosen]
    by_day = chosen is Range.MONTH
    since = _start(until - length, by_day=by_day)
    hourly = read_over_time(HOURLY, since, until)
    first_day = _start(until - max(length, _SHORTEST_BY_DAY), by_day=True)
    daily = read_over_time(
        [prefix + s.value for prefix, of in _STATES for s in of], first_day, until
    )
    delivery = (DELIVERED, RETRIED, DEAD)
    charts = [
        Chart(
            "deliveries",
            "stacked",
            _("Deliveries a day") if by_day else _("Deliveries an hour"),
            _("What platforms have acknowledged, what was put off, and what was given up."),
            [_("delivered"), _("tried again later"), _("dead")],
            _summed(hourly, delivery, by_day=by_day),
            by_day,
        ),
        Chart(
            "notifications",
            "bars",
            _("Notifications a day") if by_day else _("Notifications an hour"),
            _("Consents, activations and statuses that platforms have told."),
            [_("notifications of platforms")],
            _summed(hourly, (NOTIFICATIONS,), by_day=by_day),
            by_day,
        ),
        _by_state("subscriptions", _("Subscriptions by state"), SUBSCRIPTIONS, daily),
        _by_state("services", _("Versions of services by state"), SERVICES, daily),
        _by_state("players", _("Companies by state"), PLAYERS, daily),
    ]
    return render_template(
        "operators/numbers.html",
        charts=charts,
        totals=[(name, sum(p.value for p in hourly[key])) for key, name in _named()],
        chosen=chosen.value,
        ranges=[
            (Range.DAY.value, _("24 hours")),
            (Range.WEEK.value, _("7 days")),
            (Range.MONTH.value, _("30 days")),
        ],
    )


def _by_state(key: str, title: str, prefix: str, daily: Mapping[str, Sequence[Point]]) -> Chart:
    states = [state.value for state in dict(_STATES)[prefix]]
    about = _("How many there were in each state when the day was last counted.")
    rows = _summed(daily, [prefix + state for state in states], by_day=True)
    return Chart(key, "stacked", title, about, states, rows, by_day=True)


def _named() -> list[tuple[str, str]]:
    return [
        (DELIVERED, _("Delivered")),
        (RETRIED, _("Tried again later")),
        (DEAD, _("Dead")),
        (NOTIFICATIONS, _("Notifications of platforms")),
    ]


def _summed(
    points: Mapping[str, Sequence[Point]], names: Sequence[str], *, by_day: bool
) -> list[Row]:
    """Return the rows of a table, the newest first, each the sum of its hours."""
    found: dict[datetime, dict[str, int]] = {}
    for name in names:
        for point in points[name]:
            row = found.setdefault(_start(point.at, by_day=by_day), {})
            row[name] = row.get(name, 0) + point.value
    return [
        Row(at, [found[at].get(name, 0) for name in names]) for at in sorted(found, reverse=True)
    ]


def _start(moment: datetime, *, by_day: bool) -> datetime:
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if by_day else hour

"""What needs an operator's hand, each kind as a card of the board, the worst first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from marketplace.core import restoration
from marketplace.monitoring.attention import Attention, Some, read_attention
from marketplace.recovery import service as recovery
from marketplace.recovery.domain import FindingOutcome
from marketplace.website.frame.labels import label
from marketplace.website.frame.lists import LONGEST_FILTER
from marketplace.website.operators.naming import Companies, companies_of
from mpp_sdk.outbox import BreakerState, Event, EventState, Lane

_SHOWN = 5


class Urgency(IntEnum):
    """How bad something is; the worst has the lowest number."""

    STANDSTILL = 0
    BROKEN = 1
    LATE = 2
    WAITING = 3


@dataclass(frozen=True)
class Item:
    """One of the first few: what it is, where it is shown, and since or until when."""

    title: str
    url: str
    detail: str = ""
    moment: datetime | None = None


@dataclass(frozen=True)
class Card:
    """A kind of trouble. more says that there are more than the count."""

    key: str
    urgency: Urgency
    title: str
    count: int
    items: Sequence[Item]
    advice: str
    url: str | None = None
    more: bool = False

    @property
    def tone(self) -> str:
        """How its number is coloured."""
        return "bad" if self.urgency <= Urgency.BROKEN else "waiting"


def cards() -> list[Card]:
    """Return what needs a hand now; nothing when all is well. For operators."""
    found = read_attention(_SHOWN)
    companies = companies_of(_named(found))
    every = [
        *_held(),
        *_dead(found),
        *_findings(),
        *_platforms(found, companies),
        *_late(found, companies),
        *_keys(found),
        *_waiting_companies(found),
    ]
    return sorted(every, key=lambda card: card.urgency)


def _named(found: Attention) -> Iterable[UUID | str]:
    """Return the companies of which only the ids are known."""
    yield from (one.name for one in found.held_lanes.first)
    yield from (one.lane for one in found.late_deliveries.first)
    yield from (one.agreement.provider_id for one in found.overdue_statuses.first)


def _held() -> Iterator[Card]:
    last = restoration.latest()
    if last is not None and last.released_at is None:
        where = url_for("operators.resynchronisations")
        yield Card(
            "held",
            Urgency.STANDSTILL,
            _("Deliveries are held since a restore"),
            1,
            [Item(_("State of the backup"), where, moment=last.backup_taken_at)],
            _("Re-synchronise with the platforms at the command line, or release the hold."),
            where,
        )


def _dead(found: Attention) -> Iterator[Card]:
    yield from _card(
        "dead",
        Urgency.BROKEN,
        _("Dead deliveries"),
        found.dead_deliveries,
        [
            Item(
                one.reason or _("without a reason"),
                url_for(
                    "operators.deliveries",
                    state=EventState.DEAD.value,
                    reason=one.common[:LONGEST_FILTER] or None,
                ),
                ngettext("%(num)s delivery", "%(num)s deliveries", one.count),
                one.newest_at,
            )
            for one in found.dead_reasons
        ],
        _("Read the attempts, mend the cause, then replay."),
        url_for("operators.dead_letter_reasons"),
    )


def _findings() -> Iterator[Card]:
    runs = recovery.list_runs(1, None).items
    if not runs or not runs[0].open_findings:
        return
    run, outcome = runs[0].run, FindingOutcome.OPEN
    first = recovery.list_findings(run.id, outcome, _SHOWN, None).items
    where = url_for("operators.resynchronisation", run_id=run.id, outcome=outcome.value)
    yield Card(
        "findings",
        Urgency.BROKEN,
        _("Open findings of the last re-synchronisation"),
        runs[0].open_findings,
        [Item(one.detail, where, one.kind.value, one.found_at) for one in first],
        _("Each finding says what a person must do."),
        where,
    )


def _platforms(found: Attention, companies: Companies) -> Iterator[Card]:
    yield from _card(
        "tests",
        Urgency.BROKEN,
        _("Platforms that fail their test"),
        found.failed_tests,
        [
            Item(
                one.player.name,
                _player(one.player.id, "platform"),
                _what_failed(one.test.steps),
                one.test.started_at,
            )
            for one in found.failed_tests.first
        ],
        _("The company's page says which step failed, and what to do."),
        url_for("operators.players", test="FAILED"),
    )
    yield from _card(
        "lanes",
        Urgency.BROKEN,
        _("Platforms parked or paused"),
        found.held_lanes,
        [
            Item(
                _name(one.name, companies),
                _player(UUID(one.name), "deliveries"),
                _why_held(one),
                one.probe_at,
            )
            for one in found.held_lanes.first
        ],
        _("What waits goes out once a parked platform answers, or a paused one is resumed."),
    )


def _late(found: Attention, companies: Companies) -> Iterator[Card]:
    yield from _card(
        "late",
        Urgency.LATE,
        _("Late deliveries"),
        found.late_deliveries,
        [_late_item(one, companies) for one in found.late_deliveries.first],
        _("They are still tried. A parked platform is the usual cause."),
        url_for("operators.deliveries", state=EventState.RETRYING.value),
    )
    yield from _card(
        "overdue",
        Urgency.LATE,
        _("Statuses overdue"),
        found.overdue_statuses,
        [
            Item(
                one.agreement.service_name,
                url_for("subscriptions.subscription", subscription_id=one.agreement.id),
                _name(one.agreement.provider_id, companies),
                one.due_at,
            )
            for one in found.overdue_statuses.first
        ],
        _("Ask the provider: its platform has not reported in time."),
        url_for("operators.overdue"),
    )


def _late_item(one: Event, companies: Companies) -> Item:
    where = url_for("operators.delivery", event_id=one.event_id)
    return Item(label(one.kind), where, _name(one.lane, companies), one.created_at)


def _keys(found: Attention) -> Iterator[Card]:
    yield from _card(
        "platform-keys",
        Urgency.LATE,
        _("Keys presented to platforms that end or are not refreshed"),
        found.ending_platform_keys,
        [
            Item(
                one.player.name,
                _player(one.player.id, "platform"),
                ngettext("%(num)s failed refresh", "%(num)s failed refreshes", one.failures),
                one.valid_until,
            )
            for one in found.ending_platform_keys.first
        ],
        _("The marketplace refreshes them by itself. Where that fails, the company states a key."),
    )
    yield from _card(
        "api-keys",
        Urgency.WAITING,
        _("API keys of companies that end soon"),
        found.ending_api_keys,
        [
            Item(one.player.name, _player(one.player.id, None), one.label, one.ends_at)
            for one in found.ending_api_keys.first
        ],
        _("A platform of the SDK refreshes its key by itself: this one may not run."),
    )


def _waiting_companies(found: Attention) -> Iterator[Card]:
    yield from _card(
        "waiting",
        Urgency.WAITING,
        _("Companies that wait for approval"),
        found.pending_players,
        [
            Item(one.name, _player(one.id, None), one.country, one.created_at)
            for one in found.pending_players.first
        ],
        _("Look at what they state, then approve or turn them down."),
        url_for("operators.players", state="PENDING"),
    )


def _card(
    key: str,
    urgency: Urgency,
    title: str,
    some: Some[Any],
    items: Sequence[Item],
    advice: str,
    url: str | None = None,
) -> Iterator[Card]:
    if some.count:
        yield Card(key, urgency, title, some.count, items, advice, url, some.more)


def _name(owner: UUID | str, companies: Companies) -> str:
    found = companies.get(str(owner))
    return str(owner) if found is None else found.name


def _player(market_player_id: UUID, part: str | None) -> str:
    return url_for("operators.player", market_player_id=market_player_id, _anchor=part)


def _what_failed(steps: Sequence[dict[str, object]]) -> str:
    return next((label(step["name"]) for step in steps if step["outcome"] == "FAILED"), "")


def _why_held(lane: Lane) -> str:
    if lane.breaker_state is BreakerState.CLOSED:
        return lane.mode.value
    failures = lane.consecutive_failures
    return str(
        ngettext(
            "parked after %(num)s failure, asked again",
            "parked after %(num)s failures, asked again",
            failures,
        )
    )

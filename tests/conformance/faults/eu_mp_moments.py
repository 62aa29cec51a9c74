"""Faults of a platform with moments: as text, without their offsets, cut short."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from mpp_sdk import inbox
from mpp_sdk.held import Held
from mpp_sdk.state.tables import EventRow
from tests.conformance.altering import Answered, Asked, acknowledged, altering, refusal
from tests.conformance.faults.eu_mp_events import is_event
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken


def _takes_only(broken: Broken, pattern: str) -> None:
    def ask(asked: Asked) -> Answered | None:
        text = str(asked.fields.get("occurredAt", ""))
        return None if not text or re.fullmatch(pattern, text) else refusal(400)

    broken.wrap(altering(ask))


@fault("Moments in other zones than UTC are refused.", caught_by=("EU-MP-TIME-01",))
def takes_utc_only(broken: Broken) -> None:
    _takes_only(broken, r".*(Z|z|[+-]00:00)")


@fault("Fractions of a second are taken in six digits only.", caught_by=("EU-MP-TIME-01",))
def takes_six_digits_only(broken: Broken) -> None:
    _takes_only(broken, r"[^.]*(\.[0-9]{6}([^.0-9].*)?)?")


@fault("A moment with a small t or z is refused.", caught_by=("EU-MP-TIME-01",))
def takes_capital_letters_only(broken: Broken) -> None:
    _takes_only(broken, r"[^tz]*")


def _recording(broken: Broken, change: Any) -> None:
    """Change the moment of each event as it is recorded."""
    original = inbox._entry

    def entry(event_id: Any, subscription_id: Any, role: Any, moment: datetime, told: str) -> Any:
        return original(event_id, subscription_id, role, change(moment), told)

    broken.patch.setattr(inbox, "_entry", entry)


@fault("The offset of a moment is passed over.", caught_by=("EU-MP-TIME-01", "EU-MP-TIME-02"))
def passes_over_offsets(broken: Broken) -> None:
    _recording(broken, lambda moment: moment.replace(tzinfo=UTC))


@fault("Moments are cut to whole seconds.", caught_by=("EU-MP-TIME-01", "EU-MP-TIME-03"))
def cuts_fractions(broken: Broken) -> None:
    _recording(broken, lambda moment: moment.replace(microsecond=0))


@fault("Moments are compared as text.", caught_by=("EU-MP-TIME-02", "EU-MP-TIME-03"))
def compares_text(broken: Broken) -> None:
    newest: dict[str, str] = {}

    def ask(asked: Asked) -> Answered | None:
        if not is_event(asked):
            return None
        subscription, text = asked.fields["subscriptionId"], asked.fields["occurredAt"]
        if text < newest.get(subscription, ""):
            return acknowledged(asked.fields["eventId"], "SUPERSEDED")
        newest[subscription] = text
        return None

    broken.wrap(altering(ask))


@fault("The digits after the point are compared as a number.", caught_by=("EU-MP-TIME-03",))
def compares_digits(broken: Broken) -> None:
    def changed(moment: datetime) -> datetime:
        digits = f"{moment.microsecond:06}".rstrip("0") or "0"
        return moment.replace(microsecond=int(digits))

    _recording(broken, changed)


@fault("The agreed period loses its offsets.", caught_by=("EU-MP-TIME-04",))
def period_without_offsets(broken: Broken) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if asked.path.endswith("/service-offers"):
            items = given.fields.get("items", [])
            for item in items:
                validity = item["terms"]["validity"]
                for name, text in validity.items():
                    validity[name] = f"{text[:19]}Z"
            given.write(items=items)

    broken.wrap(altering(answer=answer))


# ---- since


def _since(broken: Broken, change: Any) -> None:
    """Change the moment since which events are listed."""
    original = Held.events

    def events(self: Held, since: datetime, limit: int, cursor: str | None) -> Any:
        return original(self, change(since), limit, cursor)

    broken.patch.setattr(Held, "events", events)


@fault("Events are listed whatever `since` says.", caught_by=("EU-MP-HELD-05",))
def passes_over_since(broken: Broken) -> None:
    _since(broken, lambda since: datetime(2000, 1, 1, tzinfo=UTC))


@fault("The offset of `since` is passed over.", caught_by=("EU-MP-HELD-05",))
def passes_over_the_offset_of_since(broken: Broken) -> None:
    _since(broken, lambda since: since.replace(tzinfo=UTC))


@fault("`since` is cut to the hour.", caught_by=("EU-MP-HELD-05",))
def cuts_since(broken: Broken) -> None:
    _since(broken, lambda since: since.replace(minute=0, second=0, microsecond=0))


@fault("The very moment that `since` names does not belong.", caught_by=("EU-MP-HELD-05",))
def leaves_out_the_first_moment(broken: Broken) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        since = parse_qs(asked.query).get("since", [""])[0]
        if asked.path.endswith("/events") and given.status == 200:
            items = given.fields.get("items", [])
            moment = datetime.fromisoformat(since.upper())
            at = datetime.fromisoformat
            given.write(items=[one for one in items if at(one["occurredAt"]) != moment])

    broken.wrap(altering(answer=answer))


@fault(
    "Events are listed by when they arrived, not by when they happened.",
    caught_by=("EU-MP-HELD-05",),
)
def lists_by_arrival(broken: Broken) -> None:
    original = inbox._entry

    def entry(*told: Any) -> EventRow:
        row = original(*told)
        row.occurred_at = row.received_at
        return row

    broken.patch.setattr(inbox, "_entry", entry)

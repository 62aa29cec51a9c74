"""Faults of a platform that receives flex-offers."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from mpp_sdk.conformance.cases.flexoffer import streams as stream_cases
from mpp_sdk.errors import InvalidInput, TooManyCalls
from mpp_sdk.flexoffer import lifecycle, rules
from mpp_sdk.flexoffer.exchange import handler, store, stream
from mpp_sdk.flexoffer.exchange.store import FlexOfferChange, FlexOfferStore
from mpp_sdk.flexoffer.exchange.stream import FlexOfferStreams
from mpp_sdk.flexoffer.exchange.tables import OFFERS
from mpp_sdk.flexoffer.model import FlexOffer
from mpp_sdk.web import streaming
from tests.conformance.altering import Answered, Asked, altering
from tests.conformance.faults.registry import fault
from tests.conformance.stage import Front

_CONTRACT = "flexoffer"
_OFFER = "/flexoffer/v1/flexoffer"
_MEASURE = f"{_OFFER}/measurement"
_KEY = "idempotency-key"
_ONE = re.compile(f"{_OFFER}/[0-9a-f-]{{36}}")

Items = list[dict[str, Any]]


def _changed_items(front: Front, path: str, change: Callable[[Items], Items]) -> None:
    """Have the results of a POST changed."""

    def answer(asked: Asked, answered: Answered) -> None:
        if asked.method == "POST" and asked.path == path and answered.status == 200:
            answered.write(items=change(answered.fields["items"]))

    front.wrap(altering(answer=answer))


def _changed_record(front: Front, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Have a flex-offer changed that is read."""

    def answer(asked: Asked, answered: Answered) -> None:
        if asked.method == "GET" and _ONE.fullmatch(asked.path) and answered.status == 200:
            answered.write(**change(answered.fields))

    front.wrap(altering(answer=answer))


def _unchecked(*_: object) -> tuple[()]:
    return ()


# ---- offering


@fault("A total is forgotten.", contract=_CONTRACT, caught_by=("FLEXOFFER-OFFER-01",))
def forgets_totals(front: Front) -> None:
    def change(record: dict[str, Any]) -> dict[str, Any]:
        record["offer"]["profiles"][0].pop("total", None)
        return record

    _changed_record(front, change)


@fault("The history is left out.", contract=_CONTRACT, caught_by=("FLEXOFFER-OFFER-01",))
def leaves_out_the_history(front: Front) -> None:
    _changed_record(front, lambda record: record | {"history": []})


@fault("Results come in another order.", contract=_CONTRACT, caught_by=("FLEXOFFER-OFFER-02",))
def sorts_results(front: Front) -> None:
    _changed_items(front, _OFFER, lambda items: items[::-1])


@fault("All are lost with one.", contract=_CONTRACT, caught_by=("FLEXOFFER-OFFER-03",))
def takes_all_or_none(front: Front) -> None:
    def change(items: Items) -> Items:
        wrong = next((one for one in items if "errors" in one), None)
        return items if wrong is None else [wrong] * len(items)

    _changed_items(front, _OFFER, change)


@fault("Errors point into the array.", contract=_CONTRACT, caught_by=("FLEXOFFER-OFFER-03",))
def points_into_the_array(front: Front) -> None:
    def change(items: Items) -> Items:
        for number, one in enumerate(items):
            for error in one.get("errors", ()):
                error["pointer"] = f"/{number}{error['pointer']}"
        return items

    _changed_items(front, _OFFER, change)


@fault("One that is wrong is 200.", contract=_CONTRACT, caught_by=("FLEXOFFER-OFFER-04",))
def answers_a_wrong_one_with_200(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if asked.path == _OFFER and answered.status == 400:
            answered.status, answered.headers["content-type"] = 200, "application/json"
            answered.body = json.dumps({"items": [{"errors": []}]}).encode()

    front.wrap(altering(answer=answer))


@fault("1,000 is the limit.", contract=_CONTRACT, caught_by=("FLEXOFFER-OFFER-05",))
def takes_fewer(front: Front) -> None:
    front.patch.setattr(handler, "MOST_AT_ONCE", 1_000)


@fault("There is no limit.", contract=_CONTRACT, caught_by=("FLEXOFFER-OFFER-05",))
def takes_any_number(front: Front) -> None:
    front.patch.setattr(handler, "MOST_AT_ONCE", 1_000_000)


@fault(
    "Idempotency-Key is not looked at.",
    contract=_CONTRACT,
    caught_by=(
        "FLEXOFFER-ONCE-01",
        "FLEXOFFER-ONCE-02",
        "FLEXOFFER-RESTART-01",
        "FLEXOFFER-REPLACE-03",
    ),
)
def offers_twice(front: Front) -> None:
    def ask(asked: Asked) -> None:
        asked.headers.pop(_KEY, None)

    front.wrap(altering(ask))


@fault("A restart forgets keys.", contract=_CONTRACT, caught_by=("FLEXOFFER-RESTART-01",))
def forgets_keys(front: Front) -> None:
    starts = front.starts

    def ask(asked: Asked) -> None:
        if front.starts > starts:
            asked.headers.pop(_KEY, None)

    front.wrap(altering(ask))


# ---- rules


@fault("Slices are not checked.", contract=_CONTRACT, caught_by=("FLEXOFFER-RULE-01",))
def checks_no_slices(front: Front) -> None:
    front.patch.setattr(rules, "_slice", _unchecked)


@fault("Times are not checked.", contract=_CONTRACT, caught_by=("FLEXOFFER-RULE-02",))
def checks_no_times(front: Front) -> None:
    front.patch.setattr(rules, "_times", _unchecked)


@fault("Deadlines may have passed.", contract=_CONTRACT, caught_by=("FLEXOFFER-RULE-02",))
def takes_what_is_too_late(front: Front) -> None:
    front.patch.setattr(handler, "check_deadlines", _unchecked)


@fault("Totals are not checked.", contract=_CONTRACT, caught_by=("FLEXOFFER-RULE-03",))
def checks_no_totals(front: Front) -> None:
    front.patch.setattr(rules, "_total", _unchecked)


@fault(
    "Baselines are not checked.",
    contract=_CONTRACT,
    caught_by=("FLEXOFFER-RULE-04", "FLEXOFFER-RULE-05"),
)
def checks_no_baselines(front: Front) -> None:
    front.patch.setattr(rules, "_default", _unchecked)


@fault("Any polygon is convex.", contract=_CONTRACT, caught_by=("FLEXOFFER-RULE-05",))
def takes_any_polygon(front: Front) -> None:
    front.patch.setattr(rules, "is_convex", lambda _: True)


@fault("Two modes are not checked.", contract=_CONTRACT, caught_by=("FLEXOFFER-RULE-06",))
def checks_no_two_modes(front: Front) -> None:
    front.patch.setattr(rules, "_two_mode", _unchecked)


@fault("Production is refused.", contract=_CONTRACT, caught_by=("FLEXOFFER-RULE-07",))
def refuses_production(front: Front) -> None:
    sound = rules.check_deadlines

    def narrow(offer: FlexOffer, now: datetime) -> None:
        sound(offer, now)
        if min(offer.default.energies) < 0:
            raise InvalidInput.field("/default/energies/0", "minimum", "No.")

    front.patch.setattr(handler, "check_deadlines", narrow)


@fault("No reason is given.", contract=_CONTRACT, caught_by=("FLEXOFFER-RULE-03",))
def says_nothing_of_rules(front: Front) -> None:
    def change(items: Items) -> Items:
        for one in items:
            for error in one.get("errors", ()):
                error["detail"] = ""
        return items

    _changed_items(front, _OFFER, change)


# ---- finding, replacing, taking back


@fault("What has ended is active.", contract=_CONTRACT, caught_by=("FLEXOFFER-LIST-01",))
def lists_what_has_ended(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if asked.method == "GET" and asked.path == _OFFER:
            asked.path = f"{_OFFER}/2026-01-01T00:00:00Z/2026-12-31T00:00:00Z"

    front.wrap(altering(ask))


@fault("A period has what is active.", contract=_CONTRACT, caught_by=("FLEXOFFER-LIST-02",))
def lists_what_is_active(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if asked.path.startswith(f"{_OFFER}/20"):
            asked.path = _OFFER

    front.wrap(altering(ask))


@fault("A period backwards is turned.", contract=_CONTRACT, caught_by=("FLEXOFFER-LIST-03",))
def turns_periods(front: Front) -> None:
    def ask(asked: Asked) -> None:
        head, _, last = asked.path.rpartition("/")
        head, _, first = head.rpartition("/")
        if first.startswith("20") and last < first:
            asked.path = f"{head}/{last}/{first}"

    front.wrap(altering(ask))


@fault("Others are seen.", contract=_CONTRACT, caught_by=("FLEXOFFER-SEEN-01",))
def shows_those_of_others(front: Front) -> None:
    def any_one(_: UUID, flex_offer_id: UUID) -> Select[Any]:
        return select(OFFERS).where(OFFERS.c.id == flex_offer_id)

    front.patch.setattr(store, "_one", any_one)


@fault("The new one has the old id.", contract=_CONTRACT, caught_by=("FLEXOFFER-REPLACE-01",))
def keeps_the_id(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if asked.method == "PUT" and answered.status == 200:
            answered.write(id=asked.path.rpartition("/")[2])

    front.wrap(altering(answer=answer))


@fault("A replacement is mended.", contract=_CONTRACT, caught_by=("FLEXOFFER-REPLACE-02",))
def mends_replacements(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if asked.method == "PUT":
            asked.write(default={"energies": [2.5, 1.2]})

    front.wrap(altering(ask))


@fault(
    "What is taken back stays.",
    contract=_CONTRACT,
    caught_by=("FLEXOFFER-DELETE-01", "FLEXOFFER-LIST-01", "FLEXOFFER-SERIES-01"),
)
def deletes_nothing(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if asked.method == "DELETE":
            asked.method = "GET"

    front.wrap(altering(ask))


@fault(
    "A state that does not allow it is 400.",
    contract=_CONTRACT,
    caught_by=("FLEXOFFER-ENDED-01", "FLEXOFFER-ENDED-02"),
)
def takes_states_for_mistakes(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 409:
            answered.status = 400
            answered.write(status=400)

    front.wrap(altering(answer=answer))


# ---- executing


@fault(
    "Time moves nothing on.",
    contract=_CONTRACT,
    caught_by=("FLEXOFFER-TIME-01", "FLEXOFFER-TIME-02", "FLEXOFFER-ENDED-02"),
)
def looks_at_no_clock(front: Front) -> None:
    front.patch.setattr(lifecycle, "fallen_due", _never)


def _never(*_: object) -> None:
    return None


@fault("A schedule is an hour late.", contract=_CONTRACT, caught_by=("FLEXOFFER-SCHEDULE-01",))
def schedules_too_late(front: Front) -> None:
    def change(record: dict[str, Any]) -> dict[str, Any]:
        if "schedule" in record:
            record["offer"]["startBefore"] = record["offer"]["startAfter"] = "2026-01-01T00:00:00Z"
        return record

    _changed_record(front, change)


@fault("Everything is new.", contract=_CONTRACT, caught_by=("FLEXOFFER-MEASURE-01",))
def counts_again(front: Front) -> None:
    _changed_items(front, _MEASURE, lambda items: [one | {"recorded": 2} for one in items])


@fault("Measurements count for nothing.", contract=_CONTRACT, caught_by=("FLEXOFFER-MEASURE-01",))
def judges_nothing(front: Front) -> None:
    front.patch.setattr(FlexOfferStore, "judge", lambda _self, _session, received, *_: received)


@fault("One wrong reading is all.", contract=_CONTRACT, caught_by=("FLEXOFFER-MEASURE-02",))
def loses_all_readings(front: Front) -> None:
    def change(items: Items) -> Items:
        wrong = next((one for one in items if "errors" in one), None)
        return items if wrong is None else [wrong] * len(items)

    _changed_items(front, _MEASURE, change)


# ---- figures


def _changed_series(front: Front, name: str, change: Callable[[float], float]) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if f"/timeseries/{name}/" in asked.path and answered.status == 200:
            answered.write(energies=[change(one) for one in answered.fields["energies"]])

    front.wrap(altering(answer=answer))


@fault("Consumption is negative.", contract=_CONTRACT, caught_by=("FLEXOFFER-SERIES-01",))
def turns_the_sign(front: Front) -> None:
    _changed_series(front, "baseline", lambda energy: -energy)


@fault("What was measured is in Wh.", contract=_CONTRACT, caught_by=("FLEXOFFER-SERIES-02",))
def tells_wh(front: Front) -> None:
    _changed_series(front, "measurement", lambda energy: energy * 1_000)


@fault("No schedules are summed.", contract=_CONTRACT, caught_by=("FLEXOFFER-SERIES-02",))
def sums_no_schedules(front: Front) -> None:
    _changed_series(front, "schedule", lambda _: 0)


@fault("The first hour is missing.", contract=_CONTRACT, caught_by=("FLEXOFFER-KPI-01",))
def loses_an_hour(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if asked.path.endswith("/kpi") and answered.status == 200:
            answered.write(hours=answered.fields["hours"][1:])

    front.wrap(altering(answer=answer))


@fault("The total is not the sum.", contract=_CONTRACT, caught_by=("FLEXOFFER-TERMS-01",))
def sums_up_wrongly(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if asked.path.endswith("/bill") and answered.status == 200:
            answered.write(total="987654321")

    front.wrap(altering(answer=answer))


# ---- streams, which no layer reads to their end


@fault(
    "A stream does not say where it begins.",
    contract=_CONTRACT,
    caught_by=("FLEXOFFER-STREAM-01", "FLEXOFFER-STREAM-03"),
)
def begins_without_an_id(front: Front) -> None:
    front.patch.setattr(stream, "opening", lambda *_: b":\n\n")


@fault("Events have no kind.", contract=_CONTRACT, caught_by=("FLEXOFFER-STREAM-01",))
def names_no_kinds(front: Front) -> None:
    sound = streaming.event
    front.patch.setattr(
        stream, "event", lambda data, *, name, event_id: sound(data, event_id=event_id)
    )


def _opened_otherwise(front: Front, change: Callable[[str | None], str | None]) -> None:
    """Have streams begin after another event than the one that was asked for."""
    sound = FlexOfferStreams.open

    def begin(self: FlexOfferStreams, subscription_id: Any, last: str | None = None) -> Any:
        return sound(self, subscription_id, change(last))

    front.patch.setattr(FlexOfferStreams, "open", begin)


@fault(
    "Last-Event-ID is not looked at.",
    contract=_CONTRACT,
    caught_by=("FLEXOFFER-STREAM-02", "FLEXOFFER-STREAM-03", "FLEXOFFER-STREAM-04"),
)
def begins_with_what_comes(front: Front) -> None:
    _opened_otherwise(front, lambda _: None)


@fault("The last event comes again.", contract=_CONTRACT, caught_by=("FLEXOFFER-STREAM-02",))
def tells_the_last_again(front: Front) -> None:
    _opened_otherwise(front, lambda last: last and str(max(int(last) - 1, 0)))


@fault("Silence goes on.", contract=_CONTRACT, caught_by=("FLEXOFFER-STREAM-05",))
def sends_no_comments(front: Front) -> None:
    front.patch.setattr(streaming, "BEAT_SECONDS", 60.0)
    front.patch.setattr(stream_cases, "SILENCE_S", 1.0)
    front.patch.setattr(stream_cases, "SLACK_S", 0.5)


@fault("There may be one reader.", contract=_CONTRACT, caught_by=("FLEXOFFER-STREAM-06",))
def serves_one_reader(front: Front) -> None:
    sound = stream._Feed.join

    def join(self: Any, reader: Any) -> Any:
        if self._readers:
            raise TooManyCalls("streams", 1, 60, 1)
        return sound(self, reader)

    front.patch.setattr(stream._Feed, "join", join)


@fault("A schedule is not told.", contract=_CONTRACT, caught_by=("FLEXOFFER-STREAM-07",))
def leaves_out_schedules(front: Front) -> None:
    sound = FlexOfferChange.document

    def without(self: FlexOfferChange) -> dict[str, Any]:
        return {name: one for name, one in sound(self).items() if name != "schedule"}

    front.patch.setattr(FlexOfferChange, "document", without)


@fault("A restart begins anew.", contract=_CONTRACT, caught_by=("FLEXOFFER-STREAM-08",))
def forgets_readers(front: Front) -> None:
    starts = front.starts
    _opened_otherwise(front, lambda last: None if front.starts > starts else last)


@fault(
    "Replacements are offered and nothing is ended.",
    contract=_CONTRACT,
    caught_by=("FLEXOFFER-REPLACE-01", "FLEXOFFER-LIST-01"),
)
def offers_beside(front: Front) -> None:
    def add(
        self: FlexOfferStore, subscription_id: UUID, _: UUID, offer: FlexOffer, *rest: Any
    ) -> None:
        document, now = rest
        self.add(subscription_id, [(offer, document)], now)

    front.patch.setattr(FlexOfferStore, "replace", add)

"""Faults of a provider of meter data."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote, urlencode

from tests.conformance.altering import Answered, Asked, altering, refusal
from tests.conformance.faults.registry import fault
from tests.conformance.stage import Front

_METERING = "metering"
_HOUR = timedelta(hours=1)
_QUANTITY = re.compile(rb'("quantity":|<(?:\w+:)?quantity>)([0-9.]+)')
_LINK_START = re.compile(r"(?<=start=)[^&>]+")


def _is_request(asked: Asked) -> bool:
    return asked.method == "POST"


def _is_list(asked: Asked) -> bool:
    return asked.method == "GET" and asked.path.endswith("/points-of-delivery")


def _is_reading(asked: Asked) -> bool:
    return "/validated-measure-data/" in asked.path


def _query(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(asked.query, keep_blank_values=True))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def _items(answered: Answered) -> list[dict[str, object]]:
    items: list[dict[str, object]] = answered.fields.get("items", [])
    return items


@fault("Only the first one is answered.", contract=_METERING, caught_by=("METERING-POD-01",))
def answers_with_one_of_several(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_request(asked) and answered.status == 202:
            answered.write(items=_items(answered)[:1])

    front.wrap(altering(answer=answer))


@fault(
    "What is requested is acknowledged and forgotten.",
    contract=_METERING,
    caught_by=("METERING-POD-01", "METERING-POD-05"),
)
def requests_nothing(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        pods = asked.fields.get("podIds")
        if not pods:
            return None
        now = datetime.now(UTC).isoformat()
        answered = Answered(202, {"content-type": "application/json"})
        answered.write(
            items=[{"podId": one, "consent": "REQUESTED", "updatedAt": now} for one in pods]
        )
        return answered

    front.wrap(altering(ask))


@fault(
    "Whoever is requested again is asked again.",
    contract=_METERING,
    caught_by=("METERING-POD-02", "METERING-RESTART-01"),
)
def begins_anew(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_request(asked) and answered.status == 202:
            now = datetime.now(UTC).isoformat()
            answered.write(items=[{**one, "updatedAt": now} for one in _items(answered)])

    front.wrap(altering(answer=answer))


@fault("No states are told.", contract=_METERING, caught_by=("METERING-POD-03",))
def tells_no_states(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if "items" in answered.fields:
            kept = ("podId", "updatedAt")
            answered.write(items=[{name: one[name] for name in kept} for one in _items(answered)])

    front.wrap(altering(answer=answer))


@fault("The filter is ignored.", contract=_METERING, caught_by=("METERING-POD-04",))
def ignores_the_filter(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        query.pop("activation", None)
        if _is_list(asked):
            asked.query = urlencode(query)

    front.wrap(altering(ask))


@fault("Ids are written in capitals.", contract=_METERING, caught_by=("METERING-POD-05",))
def changes_the_case_of_ids(front: Front) -> None:
    def ask(asked: Asked) -> None:
        pods = asked.fields.get("podIds")
        if pods:
            asked.write(podIds=list(dict.fromkeys(str(one).upper() for one in pods)))

    front.wrap(altering(ask))


@fault("A large list is refused.", contract=_METERING, caught_by=("METERING-POD-06",))
def refuses_large_lists(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(413) if len(asked.body) > 100_000 else None

    front.wrap(altering(ask))


@fault(
    "What is not one's own looks empty.",
    contract=_METERING,
    caught_by=("METERING-KEY-01", "METERING-KEY-02"),
)
def lists_nothing_of_others(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_list(asked) and answered.status == 404:
            answered.status = 200
            answered.headers["content-type"] = "application/json"
            answered.body = b'{"items":[]}'

    front.wrap(altering(answer=answer))


@fault("It forgets at a restart.", contract=_METERING, caught_by=("METERING-RESTART-01",))
def forgets_what_was_requested(front: Front) -> None:
    starts = front.starts

    def answer(asked: Asked, answered: Answered) -> None:
        if _is_list(asked) and front.starts > starts:
            answered.write(items=[])

    front.wrap(altering(answer=answer))


@fault("Production is negative.", contract=_METERING, caught_by=("METERING-READ-01",))
def gives_negative_quantities(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_reading(asked) and answered.status == 200:
            answered.body = re.sub(rb'("quantity":)([1-9])', rb"\1-\2", answered.body)

    front.wrap(altering(answer=answer))


@fault("Positions begin at 0.", contract=_METERING, caught_by=("METERING-READ-01",))
def counts_positions_from_zero(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_reading(asked):
            answered.body = answered.body.replace(
                b'"position":{"value":1}', b'"position":{"value":0}'
            )

    front.wrap(altering(answer=answer))


@fault("All documents have one id.", contract=_METERING, caught_by=("METERING-READ-01",))
def reuses_the_documents_id(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_reading(asked):
            answered.body = re.sub(
                rb'(_MarketDocument":\{"mRID":")[^"]+', rb"\1document", answered.body
            )

    front.wrap(altering(answer=answer))


@fault("A document is of long ago.", contract=_METERING, caught_by=("METERING-READ-01",))
def writes_an_old_creation(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_reading(asked):
            answered.body = re.sub(
                rb'("createdDateTime":")[^"]+', rb"\g<1>1970-01-01T00:00:00Z", answered.body
            )

    front.wrap(altering(answer=answer))


@fault("Nobody says what is covered.", contract=_METERING, caught_by=("METERING-READ-01",))
def states_no_period(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_reading(asked):
            answered.body = re.sub(
                rb'"period\.timeInterval":\{"start":\{[^}]*\},"end":\{[^}]*\}\},',
                b"",
                answered.body,
            )

    front.wrap(altering(answer=answer))


@fault("A resolution is left out.", contract=_METERING, caught_by=("METERING-READ-01",))
def gives_no_resolution(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_reading(asked):
            answered.body = answered.body.replace(b'"resolution":"PT1H",', b"")

    front.wrap(altering(answer=answer))


@fault("The end belongs to a period.", contract=_METERING, caught_by=("METERING-READ-02",))
def includes_the_end(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if _is_reading(asked) and "end" in query:
            end = _moment(query["end"]) + timedelta(microseconds=1)
            asked.query = urlencode(query | {"end": end.isoformat()})

    front.wrap(altering(ask))


@fault("The start does not belong to it.", contract=_METERING, caught_by=("METERING-READ-02",))
def excludes_the_start(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if _is_reading(asked) and "start" in query:
            start = _moment(query["start"]) + timedelta(microseconds=1)
            asked.query = urlencode(query | {"start": start.isoformat()})

    front.wrap(altering(ask))


def _shift_link(front: Front, by: timedelta) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        link = answered.headers.get("link")
        found = None if link is None else _LINK_START.search(link)
        if link is not None and found is not None:
            start = _moment(unquote(found[0])) + by
            answered.headers["link"] = _LINK_START.sub(quote(start.isoformat(), safe=""), link)

    front.wrap(altering(answer=answer))


@fault("A page begins too late.", contract=_METERING, caught_by=("METERING-READ-03",))
def leaves_a_gap_between_pages(front: Front) -> None:
    _shift_link(front, _HOUR)


@fault("A page begins too early.", contract=_METERING, caught_by=("METERING-READ-03",))
def repeats_a_reading(front: Front) -> None:
    _shift_link(front, -_HOUR)


@fault("No page leads on.", contract=_METERING, caught_by=("METERING-READ-03", "METERING-TIME-04"))
def gives_the_first_page_only(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        answered.headers.pop("link", None)

    front.wrap(altering(answer=answer))


@fault("`maxPoints` is ignored.", contract=_METERING, caught_by=("METERING-READ-03",))
def ignores_max_points(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if query.get("maxPoints", "").isdigit() and int(query["maxPoints"]) < 200:
            asked.query = urlencode(query | {"maxPoints": "5000"})

    front.wrap(altering(ask))


@fault("A link leads elsewhere.", contract=_METERING, caught_by=("METERING-READ-03",))
def links_to_another_server(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if "link" in answered.headers:
            answered.headers["link"] = answered.headers["link"].replace(
                "</", "<https://backend.internal/"
            )

    front.wrap(altering(answer=answer))


@fault("XML is rounded.", contract=_METERING, caught_by=("METERING-READ-04",))
def rounds_in_xml(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.headers.get("content-type") == "application/xml":
            answered.body = _QUANTITY.sub(
                lambda found: found[1] + found[2].partition(b".")[0], answered.body
            )

    front.wrap(altering(answer=answer))


@fault(
    "It is always JSON.",
    contract=_METERING,
    caught_by=("METERING-ACCEPT-01", "METERING-ACCEPT-02"),
)
def ignores_accept(front: Front) -> None:
    def ask(asked: Asked) -> None:
        asked.headers["accept"] = "application/json"

    front.wrap(altering(ask))


@fault("The first name in `Accept` wins.", contract=_METERING, caught_by=("METERING-ACCEPT-01",))
def takes_the_first_media_type(front: Front) -> None:
    def ask(asked: Asked) -> None:
        first = asked.headers.get("accept", "").partition(",")[0].partition(";")[0]
        if first in ("application/json", "application/xml"):
            asked.headers["accept"] = first

    front.wrap(altering(ask))


@fault("Offsets are ignored.", contract=_METERING, caught_by=("METERING-TIME-01",))
def ignores_offsets_of_periods(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if _is_reading(asked) and {"start", "end"} <= set(query):
            cut = {name: f"{query[name][:19]}Z" for name in ("start", "end")}
            asked.query = urlencode(query | cut)

    front.wrap(altering(ask))


@fault("A period backwards is turned.", contract=_METERING, caught_by=("METERING-TIME-02",))
def turns_periods(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if _is_reading(asked) and _moment(query["end"]) < _moment(query["start"]):
            asked.query = urlencode(query | {"start": query["end"], "end": query["start"]})

    front.wrap(altering(ask))


@fault("Nothing measured is 404.", contract=_METERING, caught_by=("METERING-TIME-03",))
def misses_what_is_empty(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_reading(asked) and answered.status == 200 and b"position" not in answered.body:
            missing = refusal(404)
            answered.status, answered.body = missing.status, missing.body
            answered.headers["content-type"] = "application/problem+json"

    front.wrap(altering(answer=answer))


@fault("A long period is too much.", contract=_METERING, caught_by=("METERING-TIME-04",))
def fails_over_long_periods(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(503) if _query(asked).get("start", "").startswith("1900") else None

    front.wrap(altering(ask))


@fault(
    "What may not be read looks empty.",
    contract=_METERING,
    caught_by=("METERING-CONSENT-01", "METERING-CONSENT-02", "METERING-CONSENT-03"),
)
def gives_nothing_instead_of_a_refusal(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 403:
            answered.status = 200
            answered.headers["content-type"] = "application/json"
            answered.body = b'{"NotifyValidatedMeasureData_MarketDocument":{"mRID":"1"}}'

    front.wrap(altering(answer=answer))


@fault("No reason is given.", contract=_METERING, caught_by=("METERING-CONSENT-02",))
def gives_no_reason(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 403:
            answered.write(detail="No.")

    front.wrap(altering(answer=answer))

"""Faults of what every contract asks for, tried at a provider of meter data or a marketplace."""

import json
import re
from urllib.parse import parse_qsl, urlencode

from tests.conformance.altering import Answered, Asked, altering, refusal
from tests.conformance.faults.registry import fault
from tests.conformance.stage import Front

_METERING = "metering"
_NOTIFICATIONS = "notifications"
_PODS = "/points-of-delivery"
_KEY = "idempotency-key"


def _query(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(asked.query, keep_blank_values=True))


def _is_list(asked: Asked) -> bool:
    return asked.method == "GET" and asked.path.endswith(_PODS)


@fault("A wrong key is answered 403.", contract=_METERING, caught_by=("ACCESS-KEY-01",))
def forbids_instead_of_asking_who(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 401:
            answered.status = 403
            answered.write(status=403)

    front.wrap(altering(answer=answer))


@fault("401 does not say how to log in.", contract=_METERING, caught_by=("ACCESS-KEY-02",))
def hides_how_to_authenticate(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        answered.headers.pop("www-authenticate", None)

    front.wrap(altering(answer=answer))


@fault("Half of a key is enough.", contract=_METERING, caught_by=("ACCESS-KEY-03",))
def takes_a_longer_key(front: Front) -> None:
    def ask(asked: Asked) -> None:
        asked.headers["x-api-key"] = asked.headers.get("x-api-key", "").removesuffix("0")

    front.wrap(altering(ask))


@fault("What is read is answered 206.", contract=_METERING, caught_by=("CALL-READ-01",))
def answers_with_another_success(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if asked.method == "GET" and answered.status == 200:
            answered.status = 206

    front.wrap(altering(answer=answer))


@fault("A field is missing in each item.", contract=_METERING, caught_by=("CALL-READ-01",))
def leaves_out_a_required_field(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if "items" in answered.fields:
            items = [dict(item) for item in answered.fields["items"]]
            for item in items:
                item.pop("updatedAt", None)
            answered.write(items=items)

    front.wrap(altering(answer=answer))


@fault("A moment has no offset.", contract=_METERING, caught_by=("CALL-READ-01",))
def writes_moments_without_offset(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        answered.body = re.sub(rb'("updatedAt":"[^"]*?)(Z|\+00:00)"', rb'\1"', answered.body)

    front.wrap(altering(answer=answer))


@fault("JSON is sent as text/plain.", contract=_METERING, caught_by=("CALL-READ-01",))
def answers_in_another_media_type(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.headers.get("content-type") == "application/json":
            answered.headers["content-type"] = "text/plain"

    front.wrap(altering(answer=answer))


@fault("202 is told as 200.", contract=_METERING, caught_by=("CALL-WRITE-01",))
def answers_200_to_what_is_accepted(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 202:
            answered.status = 200

    front.wrap(altering(answer=answer))


@fault("Unknown properties are refused.", contract=_NOTIFICATIONS, caught_by=("CALL-UNKNOWN-01",))
def refuses_unknown_properties(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        if "conformanceKit" not in asked.fields:
            return None
        named = {"pointer": "/conformanceKit", "rule": "additionalProperties", "detail": "No."}
        return refusal(400, errors=[named])

    front.wrap(altering(ask))


@fault("A media type must have no parameters.", contract=_METERING, caught_by=("CALL-CHARSET-01",))
def refuses_charset(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(415) if ";" in asked.headers.get("content-type", "") else None

    front.wrap(altering(ask))


@fault(
    "Unknown paths are answered as web pages.",
    contract=_METERING,
    caught_by=("CALL-LATER-01", "PROBLEM-DOCUMENT-01"),
)
def answers_404_as_html(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 404:
            answered.headers["content-type"] = "text/html"
            answered.body = b"<h1>Not found</h1>"

    front.wrap(altering(answer=answer))


@fault("Without its list a request is empty.", contract=_METERING, caught_by=("BODY-FIELD-01",))
def takes_a_missing_field_as_empty(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        if asked.method == "POST" and asked.body == b"{}":
            return Answered(202, {"content-type": "application/json"}, b'{"items":[]}')
        return None

    front.wrap(altering(ask))


@fault("A 400 does not name the field.", contract=_METERING, caught_by=("BODY-FIELD-01",))
def names_no_fields(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 400:
            answered.write(errors=None)

    front.wrap(altering(answer=answer))


@fault("Numbers are taken as text.", contract=_METERING, caught_by=("BODY-FIELD-02",))
def turns_numbers_into_text(front: Front) -> None:
    def ask(asked: Asked) -> None:
        pods = asked.fields.get("podIds")
        if isinstance(pods, list):
            asked.write(podIds=[str(one) for one in pods])

    front.wrap(altering(ask))


@fault("What is there twice is taken once.", contract=_METERING, caught_by=("BODY-FIELD-03",))
def removes_repetitions(front: Front) -> None:
    def ask(asked: Asked) -> None:
        pods = asked.fields.get("podIds")
        if isinstance(pods, list) and all(isinstance(one, str) for one in pods):
            asked.write(podIds=list(dict.fromkeys(pods)))

    front.wrap(altering(ask))


@fault(
    "A moment without offset is taken as one in UTC.",
    contract=_NOTIFICATIONS,
    caught_by=("BODY-FIELD-03",),
)
def guesses_the_offset(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if asked.fields.get("occurredAt") == "2026-12-01T10:00:00":
            asked.write(occurredAt="2026-01-01T10:00:00Z")

    front.wrap(altering(ask))


@fault("A forbidden property is ignored.", contract=_METERING, caught_by=("BODY-FIELD-04",))
def ignores_forbidden_properties(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if "conformanceKit" in asked.fields and "podIds" in asked.fields:
            asked.write(conformanceKit=None)

    front.wrap(altering(ask))


@fault(
    "What is no JSON object makes it fail.",
    contract=_METERING,
    caught_by=("BODY-JSON-01", "BODY-JSON-03"),
)
def fails_over_bad_json(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        if asked.method != "POST":
            return None
        try:
            found = json.loads(asked.body)
        except (ValueError, RecursionError):
            return refusal(500)
        return None if isinstance(found, dict) else refusal(500)

    front.wrap(altering(ask))


@fault("Of equal keys the last one counts.", contract=_METERING, caught_by=("BODY-JSON-02",))
def takes_ambiguous_json(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if "podIds" in asked.fields:
            asked.write(conformanceKit=None)

    front.wrap(altering(ask))


@fault("A body of any size is read.", contract=_METERING, caught_by=("BODY-SIZE-01",))
def reads_any_size(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(400) if len(asked.body) > 1024 * 1024 else None

    front.wrap(altering(ask))


@fault("The media type is not looked at.", contract=_METERING, caught_by=("BODY-TYPE-01",))
def ignores_the_media_type(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if asked.method == "POST":
            asked.headers["content-type"] = "application/json"

    front.wrap(altering(ask))


@fault("A page size is mended silently.", contract=_METERING, caught_by=("PARAMETER-QUERY-01",))
def mends_the_page_size(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if query.get("limit") in ("0", "201"):
            asked.query = urlencode(query | {"limit": "50"})

    front.wrap(altering(ask))


@fault("A long key is cut off.", contract=_METERING, caught_by=("PARAMETER-HEADER-01",))
def cuts_the_idempotency_key(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if _KEY in asked.headers:
            asked.headers[_KEY] = asked.headers[_KEY][:128]

    front.wrap(altering(ask))


@fault("A bad id in the path makes it fail.", contract=_METERING, caught_by=("PARAMETER-PATH-01",))
def fails_over_a_bad_path(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(500) if "%2C" in asked.path else None

    front.wrap(altering(ask))


@fault("405 does not say what is allowed.", contract=_METERING, caught_by=("METHOD-OTHER-01",))
def leaves_out_allow(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        answered.headers.pop("allow", None)

    front.wrap(altering(answer=answer))


@fault("Other methods are taken as GET.", contract=_METERING, caught_by=("METHOD-OTHER-01",))
def takes_any_method(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if asked.method in ("PUT", "PATCH", "DELETE"):
            asked.method = "GET"

    front.wrap(altering(ask))


@fault("HEAD is refused.", contract=_METERING, caught_by=("METHOD-HEAD-01",))
def refuses_head(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(405) if asked.method == "HEAD" else None

    front.wrap(altering(ask))


@fault("OPTIONS makes it fail.", contract=_METERING, caught_by=("METHOD-OPTIONS-01",))
def fails_over_options(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(500) if asked.method == "OPTIONS" else None

    front.wrap(altering(ask))


@fault("The first item of a page is lost.", contract=_METERING, caught_by=("LIST-WALK-01",))
def loses_an_item_between_pages(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_list(asked) and "cursor" in _query(asked) and "items" in answered.fields:
            answered.write(items=answered.fields["items"][1:])

    front.wrap(altering(answer=answer))


@fault("A page ends with what comes next.", contract=_METERING, caught_by=("LIST-WALK-01",))
def repeats_an_item(front: Front) -> None:
    last: dict[str, object] = {}

    def answer(asked: Asked, answered: Answered) -> None:
        items = answered.fields.get("items")
        if _is_list(asked) and items:
            before = [last["item"]] if "cursor" in _query(asked) and last else []
            last["item"] = items[-1]
            answered.write(items=[*before, *items])

    front.wrap(altering(answer=answer))


@fault("The size of a page is ignored.", contract=_METERING, caught_by=("LIST-WALK-01",))
def ignores_the_limit(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if query.get("limit", "").isdigit() and 0 < int(query["limit"]) < 200:
            asked.query = urlencode(query | {"limit": "200"})

    front.wrap(altering(ask))


@fault("The pages never end.", contract=_METERING, caught_by=("LIST-WALK-01",))
def ignores_the_cursor(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        query.pop("cursor", None)
        asked.query = urlencode(query)

    front.wrap(altering(ask))


@fault("A list is not in order.", contract=_METERING, caught_by=("LIST-WALK-01",))
def sorts_backwards(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_list(asked) and "items" in answered.fields:
            answered.write(items=answered.fields["items"][::-1])

    front.wrap(altering(answer=answer))


@fault("A page holds 200 by default.", contract=_METERING, caught_by=("LIST-DEFAULT-01",))
def gives_large_pages(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if _is_list(asked) and "limit" not in _query(asked):
            asked.query = urlencode(_query(asked) | {"limit": "200"})

    front.wrap(altering(ask))


@fault("With a bad cursor a list begins again.", contract=_METERING, caught_by=("LIST-CURSOR-01",))
def begins_again(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if "cursor" in query and query["cursor"].startswith("noCursor"):
            query.pop("cursor")
            asked.query = urlencode(query)

    front.wrap(altering(ask))


@fault("A cursor goes for any filter.", contract=_METERING, caught_by=("LIST-CURSOR-02",))
def takes_a_cursor_with_any_filter(front: Front) -> None:
    def ask(asked: Asked) -> None:
        query = _query(asked)
        if "cursor" in query and "activation" in query:
            query.pop("activation")
            asked.query = urlencode(query)

    front.wrap(altering(ask))


@fault(
    "Idempotency-Key is not looked at.",
    contract=_NOTIFICATIONS,
    caught_by=("IDEMPOTENCY-REPEAT-01", "IDEMPOTENCY-OTHER-01"),
)
def ignores_the_idempotency_key(front: Front) -> None:
    def ask(asked: Asked) -> None:
        asked.headers.pop(_KEY, None)

    front.wrap(altering(ask))


@fault(
    "An answer is given again whatever is asked.",
    contract=_METERING,
    caught_by=("IDEMPOTENCY-OTHER-01",),
)
def answers_by_the_key_alone(front: Front) -> None:
    kept: dict[str, Answered] = {}

    def ask(asked: Asked) -> Answered | None:
        return kept.get(asked.headers.get(_KEY, ""))

    def answer(asked: Asked, answered: Answered) -> None:
        if _KEY in asked.headers and answered.status < 300:
            kept[asked.headers[_KEY]] = answered

    front.wrap(altering(ask, answer))


@fault("Failures are kept, too.", contract=_METERING, caught_by=("IDEMPOTENCY-FAILED-01",))
def keeps_failures(front: Front) -> None:
    failed: dict[str, Answered] = {}

    def ask(asked: Asked) -> Answered | None:
        return failed.get(asked.headers.get(_KEY, ""))

    def answer(asked: Asked, answered: Answered) -> None:
        if _KEY in asked.headers and answered.status == 400:
            failed[asked.headers[_KEY]] = answered

    front.wrap(altering(ask, answer))


@fault(
    "A key belongs to no operation.",
    contract=_NOTIFICATIONS,
    caught_by=("IDEMPOTENCY-OPERATION-01",),
)
def shares_keys_between_operations(front: Front) -> None:
    paths: dict[str, str] = {}

    def ask(asked: Asked) -> Answered | None:
        if _KEY not in asked.headers:
            return None
        known = paths.setdefault(asked.headers[_KEY], asked.path)
        return None if known == asked.path else refusal(422)

    front.wrap(altering(ask))


@fault("`status` is always 400.", contract=_METERING, caught_by=("PROBLEM-DOCUMENT-01",))
def states_another_status(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status >= 400:
            answered.write(status=400)

    front.wrap(altering(answer=answer))


@fault("`detail` is empty.", contract=_METERING, caught_by=("PROBLEM-DOCUMENT-01",))
def gives_no_detail(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status >= 400:
            answered.write(detail=" ")

    front.wrap(altering(answer=answer))


@fault("`instance` is always the same.", contract=_METERING, caught_by=("PROBLEM-DOCUMENT-01",))
def names_another_path(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status >= 400:
            answered.write(instance="/error")

    front.wrap(altering(answer=answer))


@fault("A refusal shows the stack.", contract=_METERING, caught_by=("PROBLEM-LEAK-01",))
def shows_a_stack_trace(front: Front) -> None:
    trace = 'Traceback (most recent call last):\n  File "/srv/platform/keys.py", line 7, in check'

    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 400:
            answered.write(detail=trace)

    front.wrap(altering(answer=answer))


@fault("A refusal repeats the key.", contract=_METERING, caught_by=("PROBLEM-LEAK-01",))
def repeats_a_wrong_key(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if answered.status == 401:
            answered.write(detail=f"{asked.headers.get('x-api-key', 'No key')} is unknown.")

    front.wrap(altering(answer=answer))


@fault("It fails over control characters.", contract=_METERING, caught_by=("PROBLEM-LEAK-01",))
def fails_over_nul(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(500) if "%00" in asked.query else None

    front.wrap(altering(ask))


@fault("No answer names its call.", contract=_METERING, caught_by=("HEADER-CORRELATION-01",))
def gives_no_correlation_id(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        answered.headers.pop("x-correlation-id", None)

    front.wrap(altering(answer=answer))


@fault("The caller's id is not used.", contract=_METERING, caught_by=("HEADER-CORRELATION-01",))
def makes_its_own_correlation_id(front: Front) -> None:
    def ask(asked: Asked) -> None:
        asked.headers.pop("x-correlation-id", None)

    front.wrap(altering(ask))


@fault("Any text is repeated.", contract=_METERING, caught_by=("HEADER-CORRELATION-02",))
def repeats_any_correlation_id(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if "x-correlation-id" in asked.headers:
            answered.headers["x-correlation-id"] = asked.headers["x-correlation-id"]

    front.wrap(altering(answer=answer))


@fault("Answers may be stored.", contract=_METERING, caught_by=("HEADER-CACHE-01",))
def lets_answers_be_stored(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        answered.headers.pop("cache-control", None)

    front.wrap(altering(answer=answer))

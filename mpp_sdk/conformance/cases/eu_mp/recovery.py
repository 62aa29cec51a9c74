"""What a platform tells and sends again after a restore, where it offers that."""

from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any

from mpp_sdk.conformance.held import (
    LIST_EVENTS,
    LIST_OFFERS,
    held_events,
    held_offer,
    moment_of,
    pages,
    same_id,
)
from mpp_sdk.conformance.offers import Event, demand_offered, offer, tell
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_CONTRACT = "eu-mp"
_REPLAY = "replay_notifications"
_MOST_CALLS = 1000
_SOME_PAGES = 6
_IN_ORDER = "Order the list by the id, and go on after the last id of the page before."
_AS_CONFIRMED = "Keep the confirmation as it came, but for the key."


@case(
    "EU-MP-HELD-01",
    "A subscription is listed with all that was confirmed",
    why="After a restore the marketplace compares terms; what is missing looks like a difference.",
    contract=_CONTRACT,
)
def as_confirmed(subject: Subject) -> str:
    demand_offered(subject, LIST_OFFERS)
    with offer(subject) as made:
        confirmed = made.confirmed(0)
        made.tell(confirmed)
        held = held_offer(subject, made.id) or {}
    for name in ("service", "provider", "requester", "terms"):
        subject.expect(
            _has(held.get(name), confirmed.body[name]),
            f"{name} is listed as {held.get(name)}, and was confirmed as {confirmed.body[name]}.",
            advice=_AS_CONFIRMED,
        )
    for name in ("confirmedAt", "stateSince"):
        subject.expect(
            _has(held.get(name), confirmed.body["occurredAt"]),
            f"{name} is listed as {held.get(name)}, not as the confirmation's occurredAt.",
            advice=_AS_CONFIRMED,
        )
    return "It is listed as it was confirmed."


def _has(told: Any, wanted: Any) -> bool:
    """Return whether all that is wanted is told, moments as moments; more may be told."""
    if isinstance(wanted, Mapping):
        return isinstance(told, Mapping) and all(
            _has(told.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(told, list) and len(told) == len(wanted) and all(map(_has, told, wanted))
    moment = moment_of(wanted)
    if moment is None:
        return bool(told == wanted)
    found = moment_of(told)
    return found is not None and abs(found - moment) < timedelta(milliseconds=1)


@case(
    "EU-MP-HELD-02",
    "No list tells the key of a data exchange",
    why="The key opens the provider's data; a list is copied into files and logs.",
    contract=_CONTRACT,
)
def no_key(subject: Subject) -> str:
    demand_offered(subject, LIST_OFFERS)
    with offer(subject, "requester") as one, offer(subject, "provider") as other:
        for made in (one, other):
            made.tell(made.confirmed(0))
            told = f"{held_offer(subject, made.id)} {held_events(subject, made.began, made.id)}"
            subject.expect(
                made.api_key not in told,
                f"A list tells the key of a data exchange to the {made.role}.",
                advice="Leave b2b out of what is listed; a provider keeps a hash of the key only.",
            )
    return "The keys of two data exchanges were not told."


@case(
    "EU-MP-HELD-03",
    "Subscriptions are listed each once, by their ids, whatever the size of the pages",
    why="One that is left out between two pages is taken for lost.",
    contract=_CONTRACT,
)
def pages_of_offers(subject: Subject) -> str:
    demand_offered(subject, LIST_OFFERS)
    with offer(subject) as first, offer(subject) as second, offer(subject) as third:
        for made in (third, first, second):
            made.tell(made.confirmed(0))
        whole = _ids(subject, LIST_OFFERS, "subscriptionId", limit=200)
        size = max(1, min(199, len(whole) // _SOME_PAGES))
        in_pages = _ids(subject, LIST_OFFERS, "subscriptionId", limit=size)
        _expect_list(subject, whole, in_pages, size)
        for made in (first, second, third):
            subject.expect(
                str(made.id) in whole,
                "A subscription that was confirmed is not listed.",
                advice=_IN_ORDER,
            )
    return f"{len(whole)} were listed in pages of 200 and of {size}."


@case(
    "EU-MP-HELD-04",
    "Events are listed each once, by their ids, whatever the size of the pages",
    why="One that is left out between two pages is taken for lost, and sent again for nothing.",
    contract=_CONTRACT,
)
def pages_of_events(subject: Subject) -> str:
    demand_offered(subject, LIST_EVENTS)
    with offer(subject, began=subject.now()) as made:  # so that few others are listed with it
        events = _events_out_of_order(subject, made.confirmed(0))
        since = made.began.isoformat()
        whole = _ids(subject, LIST_EVENTS, "eventId", since=since, limit=200)
        for size in (1, 2, 3):
            in_pages = _ids(subject, LIST_EVENTS, "eventId", since=since, limit=size)
            _expect_list(subject, whole, in_pages, size)
        subject.expect(
            {str(event.id) for event in events} <= set(whole),
            "An event that was acknowledged is not listed.",
            advice="List what was applied and what was superseded.",
        )
    return f"{len(whole)} were listed in pages of several sizes."


def _events_out_of_order(subject: Subject, first: Event) -> list[Event]:
    """Tell five events whose ids are in another order than that in which they arrive."""
    ids = sorted(str(new_id()) for _ in range(5))
    events = [
        first.changed(eventId=ids[number], subscriptionId=str(new_id()))
        for number in (4, 0, 2, 1, 3)
    ]
    for event in events:
        answer = tell(subject, event)
        subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
        ended = {"state": "CANCELED", "reason": "The conformance kit is done with it."}
        end = {name: event.body[name] for name in ("subscriptionId", "occurredAt")} | {
            "eventId": str(new_id()),
            **ended,
        }
        tell(subject, Event("cancel_service_offer", event.role, end))
    return events


def _ids(subject: Subject, operation: str, name: str, **query: object) -> list[str]:
    return [
        str(item.get(name)).lower() for page in pages(subject, operation, **query) for item in page
    ]


def _expect_list(subject: Subject, whole: list[str], in_pages: list[str], size: int) -> None:
    subject.expect(
        len(in_pages) == len(set(in_pages)),
        f"In pages of {size}, something is listed twice.",
        advice=_IN_ORDER,
    )
    subject.expect(
        set(in_pages) >= set(whole),
        f"In pages of {size}, {len(set(whole) - set(in_pages))} of {len(whole)} are not listed.",
        advice=_IN_ORDER,
    )
    for listed in (whole, in_pages):
        subject.expect(
            listed == sorted(listed), "The list is not in the order of the ids.", advice=_IN_ORDER
        )


@case(
    "EU-MP-HELD-05",
    "Events are listed from the moment that `since` names, in whatever zone it is written",
    why="Compared as text, hours of events are missing, and taken for lost.",
    contract=_CONTRACT,
)
def since(subject: Subject) -> str:
    demand_offered(subject, LIST_EVENTS)
    with offer(subject, began=subject.now().replace(microsecond=0)) as made:
        events = [made.confirmed(0), made.suspended(10), made.resumed(20)]
        for event in events:
            made.tell(event)
        for seconds, expected in ((0, 3), (9.5, 2), (10, 2), (10.5, 1), (20, 1), (21, 0)):
            for offset in (timedelta(0), timedelta(hours=5, minutes=30), -timedelta(hours=11)):
                moment = made.at(seconds).astimezone(timezone(offset))
                found = held_events(subject, moment, made.id) or []
                subject.expect(
                    len(found) == expected,
                    f"Of events at 0, 10 and 20 s, {len(found)} are listed since {seconds} s, "
                    f"asked for as {moment.isoformat()}, not {expected}.",
                    advice="Compare occurredAt with since as moments; that very moment belongs.",
                )
    return "Three zones and fractions of seconds gave the same events."


@case(
    "EU-MP-HELD-06",
    "A cursor that the list has not given is refused with 400, and so is a `since` that is none",
    why="Taken for the beginning, a broken cursor makes an endless list.",
    contract=_CONTRACT,
    harmless=True,
)
def bad_cursor(subject: Subject) -> str:
    demand_offered(subject, LIST_OFFERS)
    for operation in (LIST_OFFERS, LIST_EVENTS, _REPLAY):
        if not subject.offers(subject.operation(operation)):
            continue
        if operation == _REPLAY and not subject.credentials.signing_secrets:
            continue  # an order is signed, and what is not is refused before its cursor is read
        for cursor in ("no-cursor-of-this-list", "%00", "x" * 513):
            answer = _with_cursor(subject, operation, cursor)
            subject.expect_status(answer, 400, advice="Refuse a cursor that cannot be read.")
    if subject.offers(subject.operation(LIST_EVENTS)):
        for moment in ("yesterday", "2026-13-01T00:00:00Z", "2026-12-01T00:00:00", ""):
            answer = subject.call(LIST_EVENTS, query={"since": moment})
            subject.expect_status(answer, 400, advice="Check since as a date-time of RFC 3339.")
    return "They were answered 400."


def _with_cursor(subject: Subject, operation: str, cursor: str) -> Any:
    if operation == _REPLAY:
        order = {"since": (subject.now() + timedelta(minutes=1)).isoformat(), "cursor": cursor}
        return subject.call(operation, body=order)
    return subject.call(operation, query={"cursor": cursor})


@case(
    "EU-MP-HELD-07",
    "A walk through the list stays right while events arrive",
    why="A platform does not stand still while it is asked: what moves is left out or comes twice.",
    contract=_CONTRACT,
)
def while_more_come(subject: Subject) -> str:
    demand_offered(subject, LIST_EVENTS)
    with offer(subject, began=subject.now()) as made:
        low = str(new_id())  # less than all that follow
        events = [made.confirmed(0), made.suspended(10), made.resumed(20), made.suspended(30)]
        for event in events:
            made.tell(event)
        seen: list[str] = []
        for number, page in enumerate(
            pages(subject, LIST_EVENTS, since=made.at(0).isoformat(), limit=2)
        ):
            seen += [str(item.get("eventId")).lower() for item in page]
            if number == 0:
                made.tell(made.resumed(40, eventId=low))
                made.tell(made.suspended(50))
        before = {str(event.id) for event in events}
        subject.expect(
            before <= set(seen) and len(seen) == len(set(seen)),
            f"While more came, {len(before - set(seen))} of {len(before)} were left out and "
            f"{len(seen) - len(set(seen))} were listed twice.",
            advice=_IN_ORDER,
        )
    return "Two events that came in between moved no other."


@case(
    "EU-MP-HELD-08",
    "Superseded events are listed as such; what was refused is not listed",
    why="A refused event that is listed is never sent again, though it was never applied.",
    contract=_CONTRACT,
)
def what_became_of_them(subject: Subject) -> str:
    demand_offered(subject, LIST_EVENTS)
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        made.tell(made.suspended(20))
        late = made.resumed(10)
        made.tell(late, "SUPERSEDED")
        made.tell(late, "DUPLICATE")
        refused = made.suspended(30)
        tell(subject, refused, body={**refused.body, "reason": ""})
        held = held_events(subject, made.began, made.id) or []
    outcomes = [one.get("outcome") for one in held if same_id(one.get("eventId"), late.id)]
    subject.expect(
        outcomes == ["SUPERSEDED"],
        f"A superseded event is listed as {outcomes or 'nothing'}.",
        advice="List what became of the event when it came first.",
    )
    subject.expect(
        not any(same_id(one.get("eventId"), refused.id) for one in held),
        "An event that was refused is listed.",
        advice="Record nothing of an event that is refused.",
    )
    return "The superseded one is listed, the refused one is not."


@case(
    "EU-MP-REPLAY-01",
    "Nothing is sent again of what was acknowledged in the future",
    why="Who takes `since` for nothing sends everything that it has ever sent.",
    contract=_CONTRACT,
)
def replay_of_nothing(subject: Subject) -> str:
    demand_offered(subject, _REPLAY)
    soon = subject.now() + timedelta(days=1)
    answer = subject.call(_REPLAY, body={"since": soon.isoformat()})
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    told = answer.fields()
    subject.expect(
        told.get("queued") == 0 and "nextCursor" not in told,
        f"{told.get('queued')} notifications from after tomorrow were queued.",
        advice="Queue what was acknowledged at or after since.",
        exchange=answer,
    )
    kept = moment_of(told.get("keptSince"))
    subject.expect(
        kept is not None and kept <= subject.now() + timedelta(minutes=5),
        f"keptSince, {told.get('keptSince')}, lies in the future.",
        advice="Say from when on acknowledged notifications are still there.",
        exchange=answer,
    )
    return "Nothing was queued."


@case(
    "EU-MP-REPLAY-02",
    "Sending again comes to its end, page by page",
    why="A cursor that never ends keeps the marketplace from getting well.",
    contract=_CONTRACT,
)
def replay_to_the_end(subject: Subject) -> str:
    demand_offered(subject, _REPLAY)
    order: dict[str, str] = {"since": (subject.now() - timedelta(hours=1)).isoformat()}
    queued = 0
    for _ in range(_MOST_CALLS):
        answer = subject.call(_REPLAY, body=order)
        subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
        queued += answer.fields().get("queued", 0)
        cursor = answer.fields().get("nextCursor")
        if cursor is None:
            return f"{queued} were queued again."
        if not subject.expect(
            cursor != order.get("cursor"),
            "A nextCursor leads to itself.",
            advice="Go on after what was queued last.",
            exchange=answer,
        ):
            break
        order["cursor"] = cursor
    else:
        subject.note(f"It has not come to its end after {_MOST_CALLS} calls.")
    return ""

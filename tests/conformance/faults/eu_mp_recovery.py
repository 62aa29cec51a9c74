"""Faults of what a platform tells and sends again after a restore."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from mpp_sdk import clock, inbox
from mpp_sdk.contracts.eu_mp.models import HeldEventPage
from mpp_sdk.held import Held
from mpp_sdk.state.tables import EventRow
from tests.conformance.altering import Answered, Asked, altering
from tests.conformance.faults.eu_mp_events import is_event
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken

Item = dict[str, Any]
_LISTS = ("/events", "/service-offers")


def listing(broken: Broken, change: Callable[[list[Item]], list[Item]], path: str = "") -> None:
    """Change the items of each page of one list, or of both."""

    def answer(asked: Asked, given: Answered) -> None:
        if given.status == 200 and asked.path.endswith(path or _LISTS):
            given.write(items=change(given.fields["items"]))

    broken.wrap(altering(answer=answer))


def _asking(broken: Broken, change: Callable[[dict[str, str]], None], path: str = "") -> None:
    """Change the query by which one list is asked for, or both."""

    def ask(asked: Asked) -> None:
        if asked.path.endswith(path or _LISTS):
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            change(query)
            asked.query = urlencode(query)

    broken.wrap(altering(ask))


@fault("The price is left out of the terms that are listed.", caught_by=("EU-MP-HELD-01",))
def leaves_out_the_price(broken: Broken) -> None:
    def change(items: list[Item]) -> list[Item]:
        for item in items:
            del item["terms"]["price"]
        return items

    listing(broken, change, "/service-offers")


@fault("Names of companies are cut to eight characters.", caught_by=("EU-MP-HELD-01",))
def cuts_names(broken: Broken) -> None:
    def change(items: list[Item]) -> list[Item]:
        for item in items:
            item["provider"]["name"] = item["provider"]["name"][:8]
        return items

    listing(broken, change, "/service-offers")


@fault(
    "A subscription is listed as confirmed when its confirmation arrived.",
    caught_by=("EU-MP-HELD-01",),
)
def lists_the_arrival(broken: Broken) -> None:
    def change(items: list[Item]) -> list[Item]:
        return [{**item, "confirmedAt": clock.now().isoformat()} for item in items]

    listing(broken, change, "/service-offers")


@fault("The key of the data exchange is listed.", caught_by=("EU-MP-HELD-02",))
def tells_keys(broken: Broken) -> None:
    access: dict[str, object] = {}

    def ask(asked: Asked) -> None:
        if "b2b" in asked.fields:
            access[asked.fields["subscriptionId"]] = asked.fields["b2b"]

    def change(items: list[Item]) -> list[Item]:
        return [{**item, "b2b": access.get(item["subscriptionId"])} for item in items]

    listing(broken, change, "/service-offers")
    broken.wrap(altering(ask))


@fault("Lists begin with what came last.", caught_by=("EU-MP-HELD-03", "EU-MP-HELD-04"))
def lists_backwards(broken: Broken) -> None:
    listing(broken, lambda items: items[::-1])


@fault(
    "The first item of each page after the first is left out.",
    caught_by=("EU-MP-HELD-03", "EU-MP-HELD-04", "EU-MP-HELD-07"),
)
def loses_an_item(broken: Broken) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if given.status == 200 and asked.path.endswith(_LISTS) and "cursor=" in asked.query:
            given.write(items=given.fields["items"][1:])

    broken.wrap(altering(answer=answer))


@fault(
    "The last item of a page comes again on the next.",
    caught_by=("EU-MP-HELD-03", "EU-MP-HELD-04", "EU-MP-HELD-07"),
)
def repeats_an_item(broken: Broken) -> None:
    last: dict[str, Item] = {}

    def answer(asked: Asked, given: Answered) -> None:
        if given.status != 200 or not asked.path.endswith(_LISTS):
            return
        items = given.fields["items"]
        cursor = parse_qs(asked.query).get("cursor", [""])[0]
        if cursor in last:
            given.write(items=[last[cursor], *items][: max(len(items), 1)])
        if "nextCursor" in given.fields:
            last[given.fields["nextCursor"]] = items[-1]

    broken.wrap(altering(answer=answer))


@fault(
    "Pages have fifty items, whatever was asked for.", caught_by=("EU-MP-HELD-03", "EU-MP-HELD-04")
)
def passes_over_limits(broken: Broken) -> None:
    _asking(broken, lambda query: query.update(limit="50"))


@fault("Every page is the first one.", caught_by=("EU-MP-HELD-04", "EU-MP-HELD-06"))
def passes_over_cursors(broken: Broken) -> None:
    def change(query: dict[str, str]) -> None:
        query.pop("cursor", None)

    _asking(broken, change)


@fault(
    "A list ends with its first page.",
    caught_by=("EU-MP-HELD-03", "EU-MP-HELD-04", "EU-MP-HELD-07"),
)
def gives_no_cursor(broken: Broken) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if given.status == 200 and asked.path.endswith(_LISTS):
            given.write(nextCursor=None)

    broken.wrap(altering(answer=answer))


@fault("A cursor that cannot be read leads to the first page.", caught_by=("EU-MP-HELD-06",))
def takes_any_cursor(broken: Broken) -> None:
    def change(query: dict[str, str]) -> None:
        if len(query.get("cursor", "")) != 36:
            query.pop("cursor", None)

    _asking(broken, change)


@fault(
    "A list is asked for with a since that is none, and gives everything.",
    caught_by=("EU-MP-HELD-06",),
)
def takes_any_since(broken: Broken) -> None:
    def change(query: dict[str, str]) -> None:
        if not query.get("since", "").startswith("20"):
            query["since"] = "2000-01-01T00:00:00Z"

    _asking(broken, change, "/events")


@fault("The place in a list is counted from its beginning.", caught_by=("EU-MP-HELD-07",))
def counts_places(broken: Broken) -> None:
    original = Held.events

    def events(self: Held, since: datetime, limit: int, cursor: str | None) -> HeldEventPage:
        start = int(cursor) if cursor else 0
        everything = original(self, since, 100_000, None).items
        more = start + limit < len(everything)
        return HeldEventPage(
            items=everything[start : start + limit],
            next_cursor=str(start + limit) if more else None,
        )

    broken.patch.setattr(Held, "events", events)


@fault("A superseded event is listed as applied.", caught_by=("EU-MP-HELD-08",))
def lists_everything_as_applied(broken: Broken) -> None:
    def change(items: list[Item]) -> list[Item]:
        return [{**item, "outcome": "APPLIED"} for item in items]

    listing(broken, change, "/events")


@fault("An event that was refused is listed.", caught_by=("EU-MP-HELD-08",))
def lists_what_was_refused(broken: Broken) -> None:
    refused: list[Item] = []

    def answer(asked: Asked, given: Answered) -> None:
        if is_event(asked) and given.status == 400:
            told = {name: asked.fields[name] for name in ("eventId", "subscriptionId")}
            now = clock.now().isoformat()
            told |= {"kind": "service-offer.suspended", "platformRole": "requester"}
            refused.append({**told, "occurredAt": now, "receivedAt": now, "outcome": "APPLIED"})
        elif asked.path.endswith("/events") and given.status == 200:
            given.write(items=[*given.fields["items"], *refused])

    broken.wrap(altering(answer=answer))


@fault("Superseded events are not listed.", caught_by=("EU-MP-HELD-08",))
def lists_what_was_applied_only(broken: Broken) -> None:
    listing(broken, lambda items: [i for i in items if i["outcome"] == "APPLIED"], "/events")


@fault("The list of events is empty.", caught_by=("EU-MP-RESTART-05", "EU-MP-EVENT-10"))
def lists_nothing_of_events(broken: Broken) -> None:
    listing(broken, lambda items: [], "/events")


def _replaying(broken: Broken, **fields: object) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if asked.path.endswith("/notifications/replay") and given.status == 200:
            given.write(**fields)

    broken.wrap(altering(answer=answer))


@fault("Everything is sent again, whatever `since` says.", caught_by=("EU-MP-REPLAY-01",))
def sends_everything_again(broken: Broken) -> None:
    _replaying(broken, queued=7)


@fault("Notifications are said to be kept from tomorrow on.", caught_by=("EU-MP-REPLAY-01",))
def keeps_from_tomorrow(broken: Broken) -> None:
    _replaying(broken, keptSince=(clock.now() + timedelta(days=1)).isoformat())


@fault("Sending again never comes to its end.", caught_by=("EU-MP-REPLAY-02",))
def sends_again_for_ever(broken: Broken) -> None:
    _replaying(broken, nextCursor="again")


@fault("Events are listed by the order in which they arrived.", caught_by=("EU-MP-HELD-04",))
def numbers_by_arrival(broken: Broken) -> None:
    arrived: list[str] = []
    original = inbox._entry

    def entry(*told: Any) -> EventRow:
        row = original(*told)
        arrived.append(str(row.event_id))
        return row

    def change(items: list[Item]) -> list[Item]:
        return sorted(items, key=lambda item: arrived.index(item["eventId"]))

    broken.patch.setattr(inbox, "_entry", entry)
    listing(broken, change, "/events")


@fault(
    "Lists hold ids where the contract has objects.", caught_by=("EU-MP-HELD-03", "EU-MP-HELD-04")
)
def lists_ids_only(broken: Broken) -> None:
    def change(items: list[Item]) -> list[Any]:
        return [item.get("eventId", item["subscriptionId"]) for item in items]

    listing(broken, change)

"""Flex-offers that the kit offers to a platform under test, and what becomes of them.

Each is of somebody of its own (`CONFORMANCE-...`), so that it is told from all others.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from mpp_sdk.client.events import EventParser, ServerSentEvent
from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.held import moment_of, pages, same_id
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.conformance.wire import Begun
from mpp_sdk.ids import new_id

CONTRACT = "flexoffer"
OFFER = "offer"
LIST = "list_flex_offers"
PAST = "list_past_flex_offers"
READ = "read_flex_offer"
REPLACE = "replace_flex_offer"
DELETE = "delete_flex_offer"
STREAM = "stream_flex_offers"
MEASURE = "submit_measurements"

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
NOTICED_S = 10.0
"""How long the kit waits for a platform to do what its own clock tells it to."""

_LEADS_S = (6, 15, 40)
"""How long before its start a flex-offer comes that is to be given a schedule: ever longer."""
NO_SCHEDULE = (
    "Have the platform accept flex-offers of the kit (offeredBy CONFORMANCE-...) and give them a "
    "schedule by itself within seconds: it gave none."
)

Draft = dict[str, Any]
Record = Mapping[str, Any]


def draft(subject: Subject, **changes: Any) -> Draft:
    """Return a flex-offer that is right: two slices, tomorrow, within two hours.

    A change to None leaves a field out.
    """
    hour = subject.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    made = {
        "offeredBy": f"CONFORMANCE-{new_id()}",
        "acceptBefore": (hour + 6 * HOUR).isoformat(),
        "assignBefore": (hour + 12 * HOUR).isoformat(),
        "startAfter": (hour + DAY).isoformat(),
        "startBefore": (hour + DAY + 2 * HOUR).isoformat(),
        "profiles": [{"slices": [{"lower": 0, "upper": 2.5}, {"lower": 0.5, "upper": 2.5}]}],
        "default": {"energies": [2.5, 1.2]},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def soon(subject: Subject, seconds: float, **changes: Any) -> Draft:
    """Return a flex-offer that is right and starts in some seconds, in intervals of a second."""
    now = subject.now().astimezone(UTC).replace(microsecond=0)
    start = now + timedelta(seconds=seconds + 1)  # no less, though it lies on a whole second
    return draft(
        subject,
        **{
            "interval": "PT1S",
            "acceptBefore": (start - timedelta(seconds=seconds / 3)).isoformat(),
            "assignBefore": start.isoformat(),
            "startAfter": start.isoformat(),
            "startBefore": (start + 2 * SECOND).isoformat(),
            **changes,
        },
    )


def results(subject: Subject, drafts: Sequence[Draft], **headers: str) -> list[dict[str, Any]]:
    """Offer many at once and return what is told of each. Ends the case unless each has one."""
    answer = subject.call(OFFER, body=list(drafts), headers=headers)
    return _each_told(subject, answer, len(drafts))


def offered(subject: Subject, wanted: Draft | None = None, **headers: str) -> str:
    """Offer one and return its id. Ends the case when it is not taken."""
    answer = subject.call(OFFER, body=wanted or draft(subject), headers=headers)
    [told] = _each_told(subject, answer, 1)
    subject.demand(
        "id" in told and "state" in told and not told.get("errors"),
        f"{answer} without the id and the state of a flex-offer that is right.",
        exchange=answer,
    )
    return str(told["id"])


def record(subject: Subject, flex_offer_id: object) -> dict[str, Any]:
    """Return a flex-offer as the platform has it. Ends the case when it does not give it."""
    answer = subject.call(READ, path={"id": flex_offer_id})
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    return answer.fields()


def measured(subject: Subject, *measurements: Mapping[str, Any], **headers: str) -> list[Any]:
    """Submit measurements and return what is told of each."""
    body = {"measurements": list(measurements)}
    answer = subject.call(MEASURE, body=body, headers=headers)
    return _each_told(subject, answer, len(measurements))


def listed(subject: Subject, operation: str = LIST, **path: object) -> list[Record]:
    """Return a whole list."""
    if not path:
        return [one for page in pages(subject, operation, limit=200) for one in page]
    found: list[Record] = []
    cursor: str | None = None
    while True:
        answer = subject.call(operation, path=path, query={"limit": 200, "cursor": cursor})
        subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
        found += answer.fields().get("items", [])
        cursor = answer.fields().get("nextCursor")
        if cursor is None:
            return found


def find(items: Sequence[Record], flex_offer_id: str) -> Record | None:
    """Return the item of a list with an id."""
    return next((one for one in items if same_id(one.get("id"), UUID(flex_offer_id))), None)


def until(
    subject: Subject,
    flex_offer_id: str,
    holds: Callable[[Record], bool],
    seconds: float | None = None,
) -> Record:
    """Return a flex-offer once something holds for it, or as it is when the time is over."""
    ends_at = time.monotonic() + (NOTICED_S if seconds is None else seconds)
    while True:
        found = record(subject, flex_offer_id)
        if holds(found) or time.monotonic() >= ends_at:
            return found
        time.sleep(0.2)


def scheduled(subject: Subject) -> Record:
    """Return a flex-offer that was given a schedule, the same throughout a run.

    It starts within seconds of being offered. Raises NotShown when the platform gives it none.
    """

    def make() -> Record | None:
        for seconds in _LEADS_S:
            made = offered(subject, soon(subject, seconds))
            found = until(subject, made, lambda one: one.get("state") != "OFFERED", seconds)
            found = until(subject, made, lambda one: one.get("state") != "ACCEPTED", seconds)
            if "schedule" in found:
                return found
        return None

    found = subject.once("scheduled flex-offer", make)
    if found is None:
        raise NotShown(NO_SCHEDULE)
    return found


def sleep_until(subject: Subject, moment: object) -> None:
    """Return when a moment of the contract has come."""
    due = moment_of(moment)
    if due is not None:
        time.sleep(max((due - subject.now()).total_seconds(), 0))


def as_kwh(energies: object) -> list[float]:
    """Return energies of an answer, to the Wh."""
    return [round(float(one), 3) for one in energies] if isinstance(energies, list) else []


def end_of(subject: Subject, found: Record) -> datetime:
    """Return when the schedule of a flex-offer of intervals of a second is over."""
    start = moment_of(found["schedule"]["start"])
    subject.demand(start is not None, "The schedule's start is no moment.")
    return (start or subject.now()) + len(found["schedule"]["energies"]) * SECOND


@dataclass
class Stream:
    """A stream of events that is read. `events` are those that have come so far."""

    exchange: Exchange
    events: list[ServerSentEvent]
    _begun: Begun
    _parser: EventParser
    _over: bool = False

    @property
    def last_event_id(self) -> str:
        """What to resume from."""
        return self._parser.last_event_id

    def read_until(
        self, holds: Callable[[list[ServerSentEvent]], bool], seconds: float | None = None
    ) -> list[ServerSentEvent]:
        """Return the events once something holds for them, or those that came in time."""
        ends_at = time.monotonic() + (NOTICED_S if seconds is None else seconds)
        while not holds(self.events) and not self._over and time.monotonic() < ends_at:
            self.read_piece(ends_at - time.monotonic())
        return self.events

    def read_piece(self, seconds: float) -> bytes:
        """Return what comes next, b"" when nothing comes in time or the stream has ended.

        Then nothing more can be read.
        """
        try:
            piece = self._begun.piece(seconds)
        except TimeoutError:
            piece = b""
        self._over = not piece
        self.events += self._parser.feed(piece)
        return piece

    def of(self, *flex_offer_ids: str) -> list[dict[str, Any]]:
        """Return the data of the events that are about some flex-offers."""
        wanted = {UUID(one) for one in flex_offer_ids}
        return [one for one in map(self.fields, self.events) if _id_of(one) in wanted]

    @staticmethod
    def fields(event: ServerSentEvent) -> dict[str, Any]:
        """Return the data of an event as a JSON object; an empty one where it is none."""
        try:
            found = json.loads(event.data)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@contextmanager
def followed(subject: Subject, last_event_id: str | None = None) -> Iterator[Stream]:
    """Give the stream while a block reads it, from where it says it stands. Ends the case if none.

    Without an id it begins with what happens from now on.
    """
    request = subject.prepared(
        STREAM, headers={"Accept": "text/event-stream", "Last-Event-ID": last_event_id}
    )
    with subject.wire() as wire:
        wire.send(wire.head(request))
        begun = wire.begin(request)
        subject.demand(
            begun.exchange.status == 200 and begun.goes_on,
            f"{begun.exchange}, not 200 with a stream of events.",
            exchange=begun.exchange,
        )
        stream = Stream(begun.exchange, [], begun, EventParser(last_event_id or ""))
        try:
            yield stream
        finally:
            begun.close()


def _id_of(event: Mapping[str, Any]) -> UUID | None:
    try:
        return UUID(str(event.get("flexOfferId")))
    except ValueError:
        return None


def _each_told(subject: Subject, answer: Exchange, count: int) -> list[dict[str, Any]]:
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    items = answer.fields().get("items")
    told = [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    subject.demand(
        len(told) == count,
        f"{answer} with {len(told)} results for {count}.",
        advice="Answer with one result for each, in the order in which they were sent.",
        exchange=answer,
    )
    return told

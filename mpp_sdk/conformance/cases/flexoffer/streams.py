"""Whether what happens to flex-offers is streamed, each event once, across cuts and restarts."""

from mpp_sdk.client.events import ServerSentEvent
from mpp_sdk.conformance.flexoffers import (
    CONTRACT,
    DELETE,
    STREAM,
    Stream,
    draft,
    followed,
    offered,
    record,
    results,
    scheduled,
)
from mpp_sdk.conformance.refusals import expect_problem
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

SILENCE_S = 20.0
"""How long a stream may be silent."""

SLACK_S = 3.0
_FIRST_S = 5.0
_RESUME = "Send the events after `Last-Event-ID`, from what is stored, and then those that come."


@case(
    "FLEXOFFER-STREAM-01",
    "A stream begins with an id, and tells each event with its sequence, kind and flex-offer",
    why="From the id a reader resumes that was cut off before anything happened.",
    contract=CONTRACT,
)
def told(subject: Subject) -> str:
    with followed(subject) as stream:
        media_type = stream.exchange.media_type
        subject.expect(media_type == "text/event-stream", f"The stream is {media_type}.")
        _expect_opening(subject, stream)
        one = offered(subject)
        _read_of(stream, one)
        _expect_events(subject, stream, one)
        answer = subject.call(DELETE, path={"id": one})
        subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
        stream.read_until(lambda _: "DELETED" in _kinds(stream, one))
        subject.expect(
            [_kinds(stream, one)[0], _kinds(stream, one)[-1]] == ["OFFERED", "DELETED"],
            f"The stream tells {', '.join(_kinds(stream, one))} of one that was offered and taken "
            "back.",
        )
        history = [event["kind"] for event in record(subject, one).get("history", ())]
        subject.expect(
            _kinds(stream, one) == history,
            f"The stream tells {', '.join(_kinds(stream, one))}, the history {', '.join(history)}.",
        )
    return f"{len(stream.events)} events were told."


@case(
    "FLEXOFFER-STREAM-02",
    "A reader that resumes with Last-Event-ID misses nothing, and is told nothing twice",
    why="A schedule that is missed is not carried out; connections are cut every day.",
    contract=CONTRACT,
)
def resumed(subject: Subject) -> str:
    with followed(subject) as stream:
        _expect_opening(subject, stream)
        first = offered(subject)
        _read_of(stream, first)
        subject.demand(bool(stream.of(first)), "The stream does not tell of a new flex-offer.")
    position = next(one.id for one in stream.events if first in one.data)
    seen = int(position) if position.isdigit() else 0
    missed = [str(one.get("id")) for one in results(subject, [draft(subject) for _ in range(3)])]
    with followed(subject, position) as stream:
        stream.read_until(lambda _: all(stream.of(one) for one in missed))
        later = offered(subject)
        _read_of(stream, later)
        found = [
            one["flexOfferId"] for one in stream.of(*missed, later) if one["kind"] == "OFFERED"
        ]
    subject.expect(
        found == [*missed, later],
        f"After it resumed, the stream told {len(found)} of 4 flex-offers, each once and in order.",
        advice=_RESUME,
    )
    sequences = _sequences(stream.events)
    subject.expect(
        all(one > seen for one in sequences) and sequences == sorted(set(sequences)),
        f"After event {seen} the stream told {sequences[:10]}: not what came after it, in order.",
        advice=_RESUME,
    )
    return f"{len(found)} flex-offers were told of once."


@case(
    "FLEXOFFER-STREAM-03",
    "A reader that resumes from what it was told at the beginning misses nothing",
    why="Cut off before the first event, it would have to begin with what comes then.",
    contract=CONTRACT,
)
def resumed_from_the_beginning(subject: Subject) -> str:
    with followed(subject) as stream:
        _expect_opening(subject, stream)
        position = stream.last_event_id
    one = offered(subject)
    with followed(subject, position) as stream:
        _read_of(stream, one)
    subject.expect(
        bool(stream.of(one)), "What happened since the beginning is not told.", advice=_RESUME
    )
    return "It was told of what happened while it was away."


@case(
    "FLEXOFFER-STREAM-04",
    "Resuming from an event that there never was is answered 410",
    why="Told nothing, a reader with a wrong position waits for ever.",
    contract=CONTRACT,
    harmless=True,
)
def from_the_future(subject: Subject) -> str:
    answer = subject.call(STREAM, headers={"Last-Event-ID": "9" * 17})
    expect_problem(subject, answer, 410, "to an event that there never was")
    return "It was answered 410."


@case(
    "FLEXOFFER-STREAM-05",
    "A stream is never silent for longer than 20 seconds",
    why="Proxies cut what is silent, and a reader cannot tell silence from a dead connection.",
    contract=CONTRACT,
    harmless=True,
)
def heartbeat(subject: Subject) -> str:
    with followed(subject) as stream:
        _expect_opening(subject, stream)
        came = stream.read_piece(SILENCE_S + SLACK_S)
    subject.expect(
        bool(came),
        f"Nothing came for {SILENCE_S:g} seconds.",
        advice="Send a comment (a line that begins with a colon) every ten seconds.",
    )
    return "Something came in time."


@case(
    "FLEXOFFER-STREAM-06",
    "All readers of a subscription are told the same",
    why="A platform runs in several processes, and each may have to act.",
    contract=CONTRACT,
)
def together(subject: Subject) -> str:
    with followed(subject) as first, followed(subject) as second:
        for stream in (first, second):
            _expect_opening(subject, stream)
        one = offered(subject)
        for stream in (first, second):
            _read_of(stream, one)
    subject.expect(bool(first.of(one)) and bool(second.of(one)), "One of two readers was not told.")
    return "Two readers were told."


@case(
    "FLEXOFFER-STREAM-07",
    "A schedule is streamed with what it asks for",
    why="Whoever must do it is told by this event.",
    contract=CONTRACT,
)
def schedules(subject: Subject) -> str:
    found = scheduled(subject)
    one = str(found["id"])
    with followed(subject, "0") as stream:
        stream.read_until(lambda _: "ASSIGNED" in _kinds(stream, one))
    given = [event.get("schedule") for event in stream.of(one) if event["kind"] == "ASSIGNED"]
    subject.expect(
        bool(given) and given[0] == found["schedule"],
        f"The event ASSIGNED has the schedule {given}, not {found['schedule']}.",
    )
    return "It was the schedule that is read."


@case(
    "FLEXOFFER-STREAM-08",
    "After a restart a reader resumes where it was",
    why="A new release is when all readers resume at once.",
    contract=CONTRACT,
)
def after_a_restart(subject: Subject) -> str:
    with followed(subject) as stream:
        _expect_opening(subject, stream)
        position = stream.last_event_id
    before = offered(subject)
    subject.restart()
    with followed(subject, position) as stream:
        after = offered(subject)
        _read_of(stream, after)
        kinds = [one["flexOfferId"] for one in stream.of(before, after) if one["kind"] == "OFFERED"]
    subject.expect(
        kinds == [before, after],
        "After the restart the stream does not tell of what was before and after it, in order.",
        advice=_RESUME,
    )
    return "It went on."


def _read_of(stream: Stream, flex_offer_id: str) -> None:
    """Read until a flex-offer is told of, or too much time has passed."""
    stream.read_until(lambda _: bool(stream.of(flex_offer_id)))


def _expect_opening(subject: Subject, stream: Stream) -> None:
    """Read until the stream says where it stands; end the case when it does not."""
    stream.read_until(lambda _: bool(stream.last_event_id), _FIRST_S)
    subject.demand(
        stream.last_event_id.isdigit(),
        "The stream does not begin with the id from which a reader can resume.",
        advice="Begin with `id: ` and the sequence of the last event that there is.",
    )


def _expect_events(subject: Subject, stream: Stream, flex_offer_id: str) -> None:
    subject.demand(
        bool(stream.of(flex_offer_id)), "The stream does not tell of a new flex-offer in time."
    )
    schema = subject.contract.document["components"]["schemas"]["FlexOfferEvent"]
    for event in stream.events:
        if flex_offer_id not in event.data:
            continue
        for fault in subject.answers.data_faults(schema, event.data):
            subject.note(f"The data of an event: {fault}")
    for event, data in zip(stream.events, map(stream.fields, stream.events), strict=True):
        if data:
            subject.expect(
                (event.id, event.name) == (str(data.get("sequence")), data.get("kind")),
                f"An event has the id {event.id} and the name {event.name}; its data says "
                f"{data.get('sequence')} and {data.get('kind')}.",
            )


def _kinds(stream: Stream, flex_offer_id: str) -> list[str]:
    return [str(one.get("kind")) for one in stream.of(flex_offer_id)]


def _sequences(events: list[ServerSentEvent]) -> list[int]:
    return [int(one.id) for one in events if one.data and one.id.isdigit()]

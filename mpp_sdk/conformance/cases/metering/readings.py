"""Whether the readings of a period are given whole, once, and the same in every rendering."""

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.refusals import expect_named, expect_problem
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.samples import new_pod
from mpp_sdk.conformance.subject import Subject

if TYPE_CHECKING:
    from mpp_sdk.conformance.readings import Meter, Page

_CONTRACT = "metering"
_JSON, _XML = "application/json", "application/xml"
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_WHOLE = "Page by time: the next page begins where this one says that it ends."


@case(
    "METERING-READ-01",
    "Readings are a NotifyValidatedMeasureData market document as CIM has it",
    why="Whoever reads CIM (IEC 62325) reads it: positions from 1, a resolution, quantities that "
    "are not negative.",
    contract=_CONTRACT,
    harmless=True,
)
def document(subject: Subject) -> str:
    meter = _meter(subject)
    first = meter.page(meter.start, meter.end)
    second = meter.page(meter.start, meter.end)
    for page in (first, second):
        others = {key[0] for key in page.readings} - {meter.pod_id}
        subject.expect(not others, f"The document has series of {', '.join(sorted(others))}, too.")
        created = page.document.header.created_at
        subject.expect(
            abs(created - subject.now()) < _DAY,
            f"createdDateTime is {created.isoformat()}, not when the document was made.",
            exchange=page.exchange,
        )
        _expect_period(subject, page, meter.start, meter.end)
    subject.expect(
        first.document.header.mrid != second.document.header.mrid,
        "Two documents have the same mRID.",
        exchange=second.exchange,
    )
    subject.expect(bool(first.readings), "The document has no readings.", exchange=first.exchange)
    return f"A document with {len(first.readings)} readings was read."


@case(
    "METERING-READ-02",
    "The start of a period belongs to it, its end does not",
    why="A reading at midnight would be in both days' documents, or in none.",
    contract=_CONTRACT,
    harmless=True,
)
def boundaries(subject: Subject) -> str:
    meter = _meter(subject)
    starts = meter.whole.starts
    second, third, fourth = starts[1:4]
    for start, end, expected in (
        (second, third, [second]),
        (second, fourth, [second, third]),
        (second + _SECOND, fourth, [third]),
        (second, second + _SECOND, [second]),
    ):
        page = meter.page(start, end)
        subject.expect(
            page.starts == expected,
            f"From {start.isoformat()} to {end.isoformat()} the readings of "
            f"{_shown(page.starts)} are given, not of {_shown(expected)}.",
            advice="Give the readings whose interval begins in the period.",
            exchange=page.exchange,
        )
    return "Four periods had the readings that begin in them."


@case(
    "METERING-READ-03",
    "The pages of a period lead from its start to its end, without gap or repetition",
    why="A day that is lost between two pages is not billed; one that comes twice is billed twice.",
    contract=_CONTRACT,
    harmless=True,
)
def paged(subject: Subject) -> str:
    meter = _meter(subject)
    whole = meter.page(meter.start, meter.end).readings
    at_once = max(2, -(-len(whole) // 8))
    count = 0
    for accept in (_JSON, _XML):
        reached = meter.start
        found: list[tuple[Any, Any]] = []
        for page in meter.pages(meter.start, meter.end, accept=accept, max_points=at_once):
            count += 1
            found += page.readings.items()
            if page.period is not None:
                subject.expect(
                    page.period[0] == reached,
                    f"A page covers from {page.period[0].isoformat()} on, and the one before it "
                    f"ended at {reached.isoformat()}.",
                    advice=_WHOLE,
                    exchange=page.exchange,
                )
                reached = page.period[1]
            _expect_bound(subject, meter, page, at_once)
        subject.expect(
            reached == meter.end,
            f"The last page ends at {reached.isoformat()}, not {meter.end.isoformat()}.",
            advice=_WHOLE,
        )
        subject.expect(
            len(found) == len(whole) and dict(found) == whole,
            f"All pages together hold {len(found)} readings; on one page there are {len(whole)}.",
            advice=_WHOLE,
        )
    subject.expect(count > 4, f"{len(whole)} readings, {at_once} at once, came on {count} pages.")
    return f"{count} pages held {len(whole)} readings in two renderings."


@case(
    "METERING-READ-04",
    "The JSON and the XML rendering tell the same",
    why="Two companies with the same contract would settle different amounts.",
    contract=_CONTRACT,
    harmless=True,
)
def renderings(subject: Subject) -> str:
    meter = _meter(subject)
    json = meter.page(meter.start, meter.end, accept=_JSON)
    xml = meter.page(meter.start, meter.end, accept=_XML)
    different = {key for key in {*json.readings, *xml.readings}
                 if json.readings.get(key) != xml.readings.get(key)}  # fmt: skip
    subject.expect(
        not different,
        f"{len(different)} of {len(json.readings)} readings differ between JSON and XML, such as "
        f"that of {_shown(sorted(key[-1] for key in different)[:1])}.",
        exchange=xml.exchange,
    )
    for name in ("type", "process_type", "sender", "receiver", "period"):
        in_json = getattr(json.document.header, name)
        in_xml = getattr(xml.document.header, name)
        subject.expect(
            in_json == in_xml,
            f"The {name.replace('_', ' ')} is {in_json} in JSON and {in_xml} in XML.",
            exchange=xml.exchange,
        )
    return f"{len(json.readings)} readings were the same."


@case(
    "METERING-ACCEPT-01",
    "`Accept` chooses the rendering",
    why="A program that reads XML cannot read what it did not ask for.",
    contract=_CONTRACT,
    harmless=True,
)
def accepted(subject: Subject) -> str:
    meter = _meter(subject)
    wanted = {
        _JSON: _JSON,
        _XML: _XML,
        "*/*": _JSON,
        "application/*": _JSON,
        f"{_JSON};q=0.2, {_XML};q=0.9": _XML,
        f"text/csv, {_XML};q=0.1": _XML,
        f"{_XML};q=0, */*": _JSON,
    }
    for accept, media_type in wanted.items():
        answer = meter.ask(meter.start, meter.end, accept=accept)
        subject.expect(
            answer.status == 200 and answer.media_type == media_type,
            f"{answer} in {answer.media_type} to Accept: {accept}, not in {media_type}.",
            advice="Weigh the media ranges as RFC 9110, 12.5.1 says.",
            exchange=answer,
        )
    return f"{len(wanted)} wishes were met."


@case(
    "METERING-ACCEPT-02",
    "A media type that cannot be given is answered 406",
    why="Whoever asks for CSV and gets JSON finds out when it is too late.",
    contract=_CONTRACT,
    harmless=True,
)
def not_acceptable(subject: Subject) -> str:
    meter = _meter(subject)
    wishes = ("text/csv", "image/png", f"{_JSON};q=0, {_XML};q=0")
    for accept in wishes:
        answer = meter.ask(meter.start, meter.end, accept=accept)
        expect_problem(subject, answer, 406, f"to Accept: {accept}")
    return f"{len(wishes)} wishes were answered 406."


@case(
    "METERING-TIME-01",
    "A period with other offsets is the same period",
    why="On the day when the clocks change, a local day has 23 or 25 hours and two offsets.",
    contract=_CONTRACT,
    harmless=True,
)
def offsets(subject: Subject) -> str:
    meter = _meter(subject)
    start, end = meter.start, min(meter.end, meter.start + timedelta(hours=25))
    expected = meter.page(start, end).readings
    summer, winter = timezone(timedelta(hours=2)), timezone(timedelta(hours=1))
    texts = (
        (start.astimezone(summer).isoformat(), end.astimezone(winter).isoformat()),
        (start.astimezone(winter).isoformat(), end.astimezone(summer).isoformat()),
        (_in(start, timedelta(hours=5, minutes=30)), _in(end, -timedelta(hours=9, minutes=30))),
        (f"{start:%Y-%m-%dt%H:%M:%S}z", f"{end:%Y-%m-%dT%H:%M:%S}.000000000Z"),
    )
    for from_, to in texts:
        page = meter.page(from_, to)
        subject.expect(
            page.readings == expected,
            f"From {from_} to {to} {len(page.readings)} readings are given; in UTC the same period "
            f"has {len(expected)}.",
            advice="Compare moments, not what they look like.",
            exchange=page.exchange,
        )
    return f"{len(texts)} ways to write a period gave the same {len(expected)} readings."


@case(
    "METERING-TIME-02",
    "A period that ends before it starts is refused, and the end is named",
    why="Answered with no readings, a mistake would look like a meter that stands still.",
    contract=_CONTRACT,
    harmless=True,
)
def backwards(subject: Subject) -> str:
    meter = _meter(subject)
    answer = meter.ask(meter.end, meter.start)
    expect_named(subject, answer, "end", "is before the start")
    return "It was answered 400."


@case(
    "METERING-TIME-03",
    "A period without readings is answered without any",
    why="Nothing measured is no failure; whoever gets an error tries again for ever.",
    contract=_CONTRACT,
    harmless=True,
)
def empty(subject: Subject) -> str:
    meter = _meter(subject)
    resolution = meter.resolution
    start = meter.start + _SECOND
    end = min(one for one in meter.whole.starts if one > meter.start)
    for begin, until in ((start, end), (subject.now() + _DAY, subject.now() + _DAY + resolution)):
        answer = meter.ask(begin, until)
        if not _may_be_refused(subject, answer):
            page = meter.read(answer)
            subject.expect(
                not page.readings,
                f"{answer} with {len(page.readings)} readings of a period in which none begins.",
                exchange=answer,
            )
    return "Two periods had none."


@case(
    "METERING-TIME-04",
    "A period of centuries is answered in pages like any other",
    why="A requester asks for all that there is; a server that tries to read it at once stops.",
    contract=_CONTRACT,
    harmless=True,
)
def very_long(subject: Subject) -> str:
    meter = _meter(subject)
    for accept in (_JSON, _XML):
        answer = meter.ask(
            datetime(1900, 1, 2, tzinfo=UTC),
            datetime(2200, 1, 1, tzinfo=UTC),
            accept=accept,
            max_points=5,
        )
        if _may_be_refused(subject, answer):
            continue
        page = meter.read(answer)
        subject.expect(
            page.next is not None,
            f"{answer} with {len(page.readings)} readings, five at once, and no `Link` to more.",
            advice=_WHOLE,
            exchange=answer,
        )
        _expect_bound(subject, meter, page, 5)
    return "It was answered in pages."


@case(
    "METERING-CONSENT-01",
    "Readings of a point of delivery that was never requested are refused with a reason",
    why="Nobody has asked that customer.",
    contract=_CONTRACT,
    harmless=True,
)
def never_requested(subject: Subject) -> str:
    return _refused(subject, new_pod())


@case(
    "METERING-CONSENT-02",
    "Readings of a customer who has not consented are refused with the reason",
    why="This is what the consent is for.",
    contract=_CONTRACT,
    harmless=True,
)
def without_consent(subject: Subject) -> str:
    refused = subject.target.refused_pod_id
    if refused is None:
        raise NotShown(
            "Name a point of delivery that was requested and whose customer has not consented with "
            "--refused-pod."
        )
    return _refused(subject, refused)


@case(
    "METERING-CONSENT-03",
    "Readings of a point of delivery that was just requested are not given before it is ACTIVE",
    why="Between the question and the customer's answer nothing may flow.",
    contract=_CONTRACT,
)
def just_requested(subject: Subject) -> str:
    pod = new_pod()
    answer = subject.call("request_points_of_delivery", body={"podIds": [pod]})
    subject.demand(answer.status == 202, f"{answer}, not 202.", exchange=answer)
    states = [one.get("activation") for one in answer.fields().get("items", [])]
    if "ACTIVE" in states:
        raise NotShown("The provider activates points of delivery that nobody has.")
    return _refused(subject, pod)


def _meter(subject: Subject) -> "Meter":
    try:
        from mpp_sdk.conformance.readings import Meter
    except ModuleNotFoundError as error:
        raise NotShown(
            "Market documents are read with the extra `metering`: pip install "
            "'flexagora[metering]'."
        ) from error
    return subject.once("meter", lambda: Meter(subject))


def _refused(subject: Subject, pod_id: str) -> str:
    now = subject.now()
    for accept in (_JSON, _XML):
        answer = subject.call(
            "read_validated_measure_data",
            path={"podId": pod_id},
            query={"start": (now - _DAY).isoformat(), "end": now.isoformat()},
            headers={"Accept": accept},
        )
        if expect_problem(subject, answer, 403, "for a point of delivery that is not ACTIVE"):
            subject.expect(
                len(str(answer.fields().get("detail", ""))) >= 10,
                f"{answer} without a reason in `detail`.",
                exchange=answer,
            )
    return "It was answered 403 with the reason."


def _expect_period(subject: Subject, page: "Page", start: datetime, end: datetime) -> None:
    period = page.period
    if not subject.expect(
        period is not None,
        "The document does not state the period that it covers.",
        advice="Write `period.timeInterval`.",
        exchange=page.exchange,
    ):
        return
    subject.expect(
        period is not None and period == (start, end),
        f"The document says that it covers {_shown(period or ())}, not {_shown((start, end))}.",
        exchange=page.exchange,
    )


def _expect_bound(subject: Subject, meter: "Meter", page: "Page", at_once: int) -> None:
    """Expect no more readings on a page than were asked for, unless it is a single interval."""
    first = page.starts[:1]
    single = bool(first) and page.starts[-1] < first[0] + meter.resolution
    subject.expect(
        len(page.readings) <= at_once or single,
        f"A page holds {len(page.readings)} readings, not {at_once} at most.",
        advice="Keep to `maxPoints`.",
        exchange=page.exchange,
    )


def _may_be_refused(subject: Subject, answer: Exchange) -> bool:
    """Return whether a period is refused because the consent does not cover it, with the reason."""
    if answer.status != 403:
        return False
    subject.expect(
        bool(answer.fields().get("detail")), f"{answer} without a reason.", exchange=answer
    )
    return True


def _in(moment: datetime, offset: timedelta) -> str:
    return moment.astimezone(timezone(offset)).isoformat()


def _shown(moments: "tuple[datetime, ...] | list[datetime]") -> str:
    return ", ".join(one.isoformat() for one in moments) or "none"

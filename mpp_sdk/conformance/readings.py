"""The readings of a point of delivery, as a provider under test gives them.

It reads market documents, so it needs the extra `metering`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from mpp_sdk import clock
from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.model import CaseEnds, NotShown
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.cim import NotifyValidatedMeasureData, Rendering, parse, readings_of

READ = "read_validated_measure_data"
JSON = Rendering.JSON
XML = Rendering.XML

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_PER_PAGE = 200
_MOST_PAGES = 60
_NEXT = re.compile(r"<([^>]*)>\s*;[^,]*\brel=\"?next\"?", re.IGNORECASE)
_NO_PERIOD = "Name a period in which the point of delivery has readings with --period START END."
_STRUCTURE = "Write the document as the CIM profile has it; docs/integrator.md shows one."

Key = tuple[str, str, timedelta, str, str, datetime]
"""Point of delivery, direction, resolution, unit, product, and the start of the interval."""

Readings = Mapping[Key, tuple[Decimal | None, str]]
"""Quantity and quality of each interval."""


@dataclass(frozen=True)
class Page:
    """A document that was answered, and its readings."""

    exchange: Exchange
    document: NotifyValidatedMeasureData
    readings: Readings

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """The period that the document says it covers."""
        return self.document.header.period

    @property
    def next(self) -> str | None:
        """Where the next page is, as `Link` has it."""
        found = _NEXT.search(self.exchange.headers.get("link", ""))
        return None if found is None else found[1]

    @property
    def starts(self) -> list[datetime]:
        """The starts of the intervals, each once, in order."""
        return sorted({key[-1] for key in self.readings})


class Meter:
    """A point of delivery whose readings may be had, and a period in which it has some."""

    def __init__(self, subject: Subject) -> None:
        if not subject.target.pod_ids:
            raise NotShown("Name a point of delivery whose readings may be had with --pod.")
        self._subject = subject
        self.pod_id = subject.target.pod_ids[0]
        self.whole = self._find()
        """A page with readings; what it covers is what the cases ask for again."""

    @property
    def start(self) -> datetime:
        """The first moment of the period."""
        return self.whole.starts[0]

    @property
    def end(self) -> datetime:
        """The end of the last interval of the period."""
        return max(key[-1] + key[2] for key in self.whole.readings)

    @property
    def resolution(self) -> timedelta:
        """The longest resolution of the series."""
        return max(key[2] for key in self.whole.readings)

    def ask(
        self,
        start: datetime | str,
        end: datetime | str,
        *,
        accept: str | None = JSON,
        max_points: int | None = None,
        pod_id: str | None = None,
    ) -> Exchange:
        """Return the answer to a call for readings."""
        return self._subject.call(
            READ,
            path={"podId": pod_id or self.pod_id},
            query={"start": _text(start), "end": _text(end), "maxPoints": max_points},
            headers={"Accept": accept},
        )

    def page(
        self,
        start: datetime | str,
        end: datetime | str,
        *,
        accept: str = JSON,
        max_points: int | None = None,
    ) -> Page:
        """Return the first page of a period. Ends the case when there is none."""
        return self.read(self.ask(start, end, accept=accept, max_points=max_points))

    def read(self, exchange: Exchange) -> Page:
        """Return what an answer tells. Ends the case when it is no document."""
        self._subject.demand(exchange.status == 200, f"{exchange}, not 200.", exchange=exchange)
        try:
            document = parse(exchange.body, Rendering(exchange.media_type))
            if not isinstance(document, NotifyValidatedMeasureData):
                raise InvalidInput("It is another kind of document.")
            readings = {
                (one.pod.mrid, one.direction.value, one.resolution, one.unit.value, one.product,
                 reading.start): (reading.quantity, reading.quality.value)
                for one in readings_of(document.series)
                for reading in one.readings
            }  # fmt: skip
        except (InvalidInput, ValueError) as error:
            where = getattr(error, "errors", None)
            at = f" at {where[0].pointer}" if where else ""
            self._subject.note(
                f"{exchange} with no NotifyValidatedMeasureData market document: {error}{at}",
                advice=_STRUCTURE,
                exchange=exchange,
            )
            raise CaseEnds from error
        return Page(exchange, document, readings)

    def pages(
        self, start: datetime, end: datetime, *, accept: str = JSON, max_points: int | None = None
    ) -> Iterator[Page]:
        """Return the pages of a period, as the links lead; of what does not end, too many."""
        page = self.page(start, end, accept=accept, max_points=max_points)
        yield page
        for _ in range(_MOST_PAGES):
            if page.next is None:
                return
            page = self.read(self._follow(page.next, accept))
            yield page
        self._subject.note(
            f"The links from page to page do not end: {_MOST_PAGES} pages were followed.",
            exchange=page.exchange,
        )

    def _follow(self, link: str, accept: str) -> Exchange:
        url, base = urlsplit(link), urlsplit(self._subject.target.base_url)
        self._subject.demand(
            not url.netloc or (url.scheme, url.netloc) == (base.scheme, base.netloc),
            f"`Link` leads to another server: {link}.",
            advice="Give the path alone, as in the contract's example.",
        )
        path = url.path.removeprefix(base.path.rstrip("/")) if base.path.strip("/") else url.path
        operation = self._subject.operation(READ)
        answer = self._subject.send(
            "GET",
            f"{path}?{url.query}",
            headers={**self._subject.key_header(), "Accept": accept},
            operation=operation,
        )
        self._subject.judge(answer)
        return answer

    def _find(self) -> Page:
        """Return the first page with readings of the period that was named, or of all time."""
        named = self._subject.target.period
        start, end = named or (_LONG_AGO, clock.now() + timedelta(days=1))
        answer = self.ask(start, end, max_points=_PER_PAGE)
        if answer.status == 403 and named is None:
            raise NotShown(f"{answer}: {answer.fields().get('detail', '')} {_NO_PERIOD}")
        page = self.read(answer)
        for _ in range(_MOST_PAGES):
            if len(page.starts) >= _FEWEST:
                return page
            if page.next is None:
                break
            page = self.read(self._follow(page.next, JSON))
        raise NotShown(f"Fewer than {_FEWEST} readings were found. {_NO_PERIOD}")


_FEWEST = 6


def _text(moment: datetime | str) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()

"""What a run came to, for people and for programs at the command line."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from marketplace.core.paging import Page
from marketplace.identity import recovering as companies
from marketplace.recovery import repository
from marketplace.recovery.domain import FindingOutcome, Step
from marketplace.recovery.tables import Finding, PlatformProgress, Resynchronisation
from mpp_sdk.errors import NotFound

T = TypeVar("T")

_AT_ONCE = 200
_HEADINGS = (
    (FindingOutcome.OPEN, "What could not be re-synchronised, and what to do"),
    (FindingOutcome.RESTORED, "What was restored from the platforms"),
    (FindingOutcome.NOTED, "What happened after the backup and is not recorded here"),
)


@dataclass(frozen=True)
class Report:
    """A run with all of its platforms and findings; names has those of the companies."""

    run: Resynchronisation
    platforms: Sequence[PlatformProgress]
    findings: Sequence[Finding]
    names: dict[UUID, str]

    @property
    def is_complete(self) -> bool:
        """Whether nothing waits for a person."""
        return not self._with(FindingOutcome.OPEN)

    def as_text(self) -> str:
        """Return the report for people."""
        return "\n".join(self._lines())

    def as_json(self) -> str:
        """Return the report as one JSON object, with the names of the marketplace's contract."""
        return json.dumps(
            {
                "resynchronisationId": str(self.run.id),
                "since": self.run.since.isoformat(),
                "startedAt": self.run.started_at.isoformat(),
                "finishedAt": self.run.finished_at.isoformat() if self.run.finished_at else None,
                "complete": self.is_complete,
                "platforms": [self._platform(row) for row in self.platforms],
                "findings": [_finding(row) for row in self.findings],
            },
            indent=1,
        )

    def _with(self, outcome: FindingOutcome) -> list[Finding]:
        return [one for one in self.findings if one.outcome is outcome]

    def _lines(self) -> Iterator[str]:
        reached = sum(row.step is Step.DONE for row in self.platforms)
        yield f"Compared: what happened since {self.run.since.isoformat()}."
        yield f"Platforms reached: {reached} of {len(self.platforms)}."
        for row in self.platforms:
            yield f"  {self.names[row.market_player_id]} ({row.market_player_id}): {row.step.value}"
            yield (
                f"    events held {row.events_held}, taken as delivered {row.events_delivered}, "
                f"queued again {row.events_queued_again}, unknown here {row.events_unknown}"
            )
            yield (
                f"    subscriptions held {row.subscriptions_held}, "
                f"notifications sent again {row.notifications_sent_again}"
            )
        for outcome, heading in _HEADINGS:
            found = self._with(outcome)
            if not found:
                continue
            yield f"{heading}: {len(found)}."
            for one in found:
                yield from self._told(one)
        yield (
            "Everything could be re-synchronised."
            if self.is_complete
            else "Not everything could be re-synchronised: see above."
        )

    def _told(self, one: Finding) -> Iterator[str]:
        about = [self.names.get(one.market_player_id, "")] if one.market_player_id else []
        if one.subscription_id is not None:
            about.append(f"subscription {one.subscription_id}")
        if one.event_id is not None:
            about.append(f"event {one.event_id}")
        yield f"  {one.kind.value}: {', '.join(about)}"
        yield f"    {one.detail}"
        if one.advice is not None:
            yield f"    {one.advice}"

    def _platform(self, row: PlatformProgress) -> dict[str, Any]:
        return {
            "marketPlayerId": str(row.market_player_id),
            "name": self.names[row.market_player_id],
            "step": row.step.value,
            "eventsHeld": row.events_held,
            "eventsDelivered": row.events_delivered,
            "eventsQueuedAgain": row.events_queued_again,
            "eventsUnknown": row.events_unknown,
            "subscriptionsHeld": row.subscriptions_held,
            "notificationsSentAgain": row.notifications_sent_again,
            "detail": row.detail,
        }


def of(run_id: UUID) -> Report:
    """Return the report of a run. Raises NotFound."""
    run = repository.run(run_id)
    if run is None:
        raise NotFound.entity("re-synchronisation", run_id)
    platforms = _all(lambda cursor: repository.platforms(run_id, _AT_ONCE, cursor))
    findings = _all(lambda cursor: repository.findings(run_id, None, _AT_ONCE, cursor))
    names = {row.market_player_id: companies.name(row.market_player_id) for row in platforms}
    return Report(run, platforms, findings, names)


def _all(page: Callable[[str | None], Page[T]]) -> list[T]:
    found: list[T] = []
    cursor: str | None = None
    while True:
        part = page(cursor)
        found += part.items
        cursor = part.next_cursor
        if cursor is None:
            return found


def _finding(row: Finding) -> dict[str, str | None]:
    def text(value: UUID | None) -> str | None:
        return None if value is None else str(value)

    return {
        "findingId": str(row.id),
        "kind": row.kind.value,
        "outcome": row.outcome.value,
        "marketPlayerId": text(row.market_player_id),
        "subscriptionId": text(row.subscription_id),
        "eventId": text(row.event_id),
        "detail": row.detail,
        "advice": row.advice,
        "foundAt": row.found_at.isoformat(),
    }

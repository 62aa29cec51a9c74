"""Re-synchronisations over HTTP, for operators."""

from uuid import UUID

from marketplace.recovery import service
from marketplace.recovery.domain import FindingOutcome
from marketplace.recovery.service import Run
from marketplace.recovery.tables import Finding, PlatformProgress
from mpp_sdk.contracts.marketplace.models import (
    Resynchronisation,
    ResynchronisationFinding,
    ResynchronisationFindingKind,
    ResynchronisationFindingPage,
    ResynchronisationOutcome,
    ResynchronisationPage,
    ResynchronisationStep,
    ResynchronisedPlatform,
    ResynchronisedPlatformPage,
)


def list_resynchronisations(limit: int = 50, cursor: str | None = None) -> ResynchronisationPage:
    """Answer with the runs."""
    page = service.list_runs(limit, cursor)
    return ResynchronisationPage(
        items=[_run(one) for one in page.items], next_cursor=page.next_cursor
    )


def list_resynchronised_platforms(
    limit: int = 50, cursor: str | None = None, resynchronisation_id: UUID | None = None
) -> ResynchronisedPlatformPage:
    """Answer with how far runs have come with platforms."""
    page = service.list_platforms(resynchronisation_id, limit, cursor)
    return ResynchronisedPlatformPage(
        items=[_platform(one) for one in page.items], next_cursor=page.next_cursor
    )


def list_resynchronisation_findings(
    limit: int = 50,
    cursor: str | None = None,
    resynchronisation_id: UUID | None = None,
    outcome: ResynchronisationOutcome | None = None,
) -> ResynchronisationFindingPage:
    """Answer with what runs found."""
    wanted = None if outcome is None else FindingOutcome(outcome.value)
    page = service.list_findings(resynchronisation_id, wanted, limit, cursor)
    return ResynchronisationFindingPage(
        items=[_finding(one) for one in page.items], next_cursor=page.next_cursor
    )


def _run(one: Run) -> Resynchronisation:
    return Resynchronisation(
        resynchronisation_id=one.run.id,
        since=one.run.since,
        started_at=one.run.started_at,
        finished_at=one.run.finished_at,
        open_findings=one.open_findings,
    )


def _platform(row: PlatformProgress) -> ResynchronisedPlatform:
    return ResynchronisedPlatform(
        resynchronisation_id=row.resynchronisation_id,
        market_player_id=row.market_player_id,
        step=ResynchronisationStep(row.step.value),
        since=row.since,
        events_held=row.events_held,
        events_delivered=row.events_delivered,
        events_queued_again=row.events_queued_again,
        events_unknown=row.events_unknown,
        subscriptions_held=row.subscriptions_held,
        notifications_sent_again=row.notifications_sent_again,
        detail=row.detail,
        updated_at=row.updated_at,
    )


def _finding(row: Finding) -> ResynchronisationFinding:
    return ResynchronisationFinding(
        finding_id=row.id,
        resynchronisation_id=row.resynchronisation_id,
        kind=ResynchronisationFindingKind(row.kind.value),
        outcome=ResynchronisationOutcome(row.outcome.value),
        market_player_id=row.market_player_id,
        subscription_id=row.subscription_id,
        event_id=row.event_id,
        detail=row.detail,
        advice=row.advice,
        found_at=row.found_at,
    )

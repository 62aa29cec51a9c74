"""Every query about re-synchronisations."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, select

from marketplace.core.paging import Key, Page, paginate
from marketplace.core.unit_of_work import current_session
from marketplace.recovery.domain import FindingOutcome, Step
from marketplace.recovery.tables import (
    Finding,
    HeldCopy,
    PlatformProgress,
    Resynchronisation,
)


def unfinished() -> Resynchronisation | None:
    """Return the run that was begun and not finished."""
    statement = (
        select(Resynchronisation)
        .where(Resynchronisation.finished_at.is_(None))
        .order_by(Resynchronisation.id.desc())
        .limit(1)
    )
    return current_session().scalars(statement).one_or_none()


def run(run_id: UUID) -> Resynchronisation | None:
    """Return a run."""
    return current_session().get(Resynchronisation, run_id)


def runs(limit: int, cursor: str | None) -> Page[Resynchronisation]:
    """Return a page of the runs, the newest first."""
    order = [Key(Resynchronisation.id, descending=True)]
    return paginate(current_session(), select(Resynchronisation), order, limit, cursor)


def players_in(run_id: UUID, steps: Sequence[Step]) -> Sequence[UUID]:
    """Return the companies whose platforms are at one of these steps."""
    statement = (
        select(PlatformProgress.market_player_id)
        .where(PlatformProgress.resynchronisation_id == run_id, PlatformProgress.step.in_(steps))
        .order_by(PlatformProgress.market_player_id)
    )
    return current_session().scalars(statement).all()


def progress(run_id: UUID, market_player_id: UUID) -> PlatformProgress:
    """Return how far a run has come with a platform."""
    return current_session().get_one(PlatformProgress, (run_id, market_player_id))


def platforms(run_id: UUID | None, limit: int, cursor: str | None) -> Page[PlatformProgress]:
    """Return a page of the platforms, of one run if it is given, the newest run first."""
    statement = select(PlatformProgress)
    if run_id is not None:
        statement = statement.where(PlatformProgress.resynchronisation_id == run_id)
    order = [
        Key(PlatformProgress.resynchronisation_id, descending=True),
        Key(PlatformProgress.market_player_id),
    ]
    return paginate(current_session(), statement, order, limit, cursor, bound_to=run_id)


def findings(
    run_id: UUID | None, outcome: FindingOutcome | None, limit: int, cursor: str | None
) -> Page[Finding]:
    """Return a page of what was found, in the order in which it was."""
    statement = select(Finding)
    if run_id is not None:
        statement = statement.where(Finding.resynchronisation_id == run_id)
    if outcome is not None:
        statement = statement.where(Finding.outcome == outcome)
    bound_to = (run_id, outcome)
    order = [Key(Finding.id)]
    return paginate(current_session(), statement, order, limit, cursor, bound_to=bound_to)


def open_findings(run_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return of how many things of each run a person must take care."""
    rows = current_session().execute(
        select(Finding.resynchronisation_id, func.count())
        .where(Finding.resynchronisation_id.in_(run_ids), Finding.outcome == FindingOutcome.OPEN)
        .group_by(Finding.resynchronisation_id)
    )
    return {run_id: count for run_id, count in rows}  # noqa: C416 - dict() of rows has no types


def first_copy(run_id: UUID) -> UUID | None:
    """Return the lowest id of the subscriptions whose copies are still to be compared."""
    # PostgreSQL 15 has no minimum of UUIDs.
    return current_session().scalar(
        select(HeldCopy.subscription_id)
        .where(HeldCopy.resynchronisation_id == run_id)
        .order_by(HeldCopy.subscription_id)
        .limit(1)
    )


def copies(run_id: UUID, subscription_id: UUID) -> Sequence[HeldCopy]:
    """Return the copies of a subscription."""
    statement = select(HeldCopy).where(
        HeldCopy.resynchronisation_id == run_id, HeldCopy.subscription_id == subscription_id
    )
    return current_session().scalars(statement.order_by(HeldCopy.market_player_id)).all()


def forget_copies(run_id: UUID, subscription_id: UUID) -> None:
    """Delete the copies of a subscription: they were compared."""
    current_session().execute(
        delete(HeldCopy).where(
            HeldCopy.resynchronisation_id == run_id, HeldCopy.subscription_id == subscription_id
        )
    )

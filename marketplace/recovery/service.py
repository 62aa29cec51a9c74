"""Use cases of re-synchronisation: what operators read of the runs.

The run itself, which calls platforms for minutes, is in `running`.
"""

from dataclasses import dataclass
from uuid import UUID

from marketplace.core.paging import Page
from marketplace.identity.access import require_operator
from marketplace.recovery import repository
from marketplace.recovery.domain import FindingOutcome
from marketplace.recovery.tables import Finding, PlatformProgress, Resynchronisation
from mpp_sdk.errors import NotFound


@dataclass(frozen=True)
class Run:
    """A run, and how many of its findings wait for a person."""

    run: Resynchronisation
    open_findings: int


def list_runs(limit: int, cursor: str | None) -> Page[Run]:
    """Return a page of the runs, the newest first. For operators: raises Forbidden."""
    require_operator()
    page = repository.runs(limit, cursor)
    waiting = repository.open_findings([run.id for run in page.items])
    return page.map(lambda run: Run(run, waiting.get(run.id, 0)))


def read_run(run_id: UUID) -> Run:
    """Return a run. Raises Forbidden and NotFound."""
    require_operator()
    run = repository.run(run_id)
    if run is None:
        raise NotFound.entity("re-synchronisation", run_id)
    return Run(run, repository.open_findings([run_id]).get(run_id, 0))


def list_platforms(run_id: UUID | None, limit: int, cursor: str | None) -> Page[PlatformProgress]:
    """Return a page of the platforms, of one run if it is given. Raises Forbidden."""
    require_operator()
    return repository.platforms(run_id, limit, cursor)


def list_findings(
    run_id: UUID | None, outcome: FindingOutcome | None, limit: int, cursor: str | None
) -> Page[Finding]:
    """Return a page of what was found, of one run if it is given. Raises Forbidden."""
    require_operator()
    return repository.findings(run_id, outcome, limit, cursor)

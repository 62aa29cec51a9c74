"""Use cases of replays: many deliveries that are sent again in the background."""

import logging
import threading
import time
from dataclasses import replace
from uuid import UUID

from marketplace.core import audit
from marketplace.core.actor import MARKETPLACE, acting_as, current_actor
from marketplace.core.environment import Environment, current_environment, in_environment
from marketplace.core.paging import Page
from marketplace.core.unit_of_work import after_commit, current_session, unit_of_work
from marketplace.delivery import queue, repository
from marketplace.delivery.repository import ReplayListFilter
from marketplace.identity.access import (
    current_principal,
    require_market_player,
    require_operator_or_party,
    visible_to,
)
from mpp_sdk.errors import Forbidden, InvalidInput
from mpp_sdk.outbox import (
    EventState,
    Progress,
    Replay,
    ReplayFilter,
    ReplayState,
    Skipped,
    SkipReason,
)

MOST = 10_000
"""Up to how many deliveries are counted before they are replayed."""

_LOG = logging.getLogger(__name__)
_KIND = "DeliveryReplay"
_LOOK_AGAIN_SECONDS = 0.5


def request(wanted: ReplayFilter, reason: str) -> Replay:
    """Return a new replay; it is done in the background. A company's is of its own platform.

    Raises InvalidInput for a filter that is not valid, Forbidden for another company's platform.
    """
    _check(wanted)
    wanted = _within_reach(wanted)
    replay = queue.replays.request(
        current_session().connection(), wanted, current_actor().name, reason
    )
    _audit(replay, "request", None, reason)
    environment = current_environment()
    after_commit(lambda: queue.wake_replayer(environment))
    return replay


def count(wanted: ReplayFilter) -> int:
    """Return how many deliveries a replay with this filter would send again now, MOST at most.

    Raises InvalidInput and Forbidden as `request` does.
    """
    _check(wanted)
    connection = current_session().connection()
    return queue.replays.count(connection, _within_reach(wanted), most=MOST)


def read(replay_id: UUID) -> Replay:
    """Return a replay that the caller may see. Raises NotFound."""
    replay = queue.replays.read(current_session().connection(), replay_id)
    require_operator_or_party("replay", replay_id, _market_player(replay))
    return replay


def list_replays(
    *,
    limit: int,
    cursor: str | None = None,
    state: ReplayState | None = None,
    market_player_id: UUID | None = None,
) -> Page[Replay]:
    """Return a page of the replays that the caller may see, the newest first."""
    wanted = ReplayListFilter(visible_to(), state, market_player_id)
    return repository.list_replays(wanted, limit, cursor)


def cancel(replay_id: UUID, reason: str) -> Replay:
    """Return a replay that queues nothing more.

    Raises NotFound, and IllegalTransition when it is over already.
    """
    before = read(replay_id)
    replay = queue.replays.cancel(current_session().connection(), replay_id)
    _audit(replay, "cancel", before.state, reason)
    return replay


def list_skipped(
    replay_id: UUID, *, limit: int, cursor: str | None = None, reason: SkipReason | None = None
) -> Page[Skipped]:
    """Return a page of the deliveries that a replay passed over. Raises NotFound."""
    read(replay_id)
    return repository.list_skipped(replay_id, reason, limit, cursor)


def advance(replay_id: UUID | None = None) -> Progress:
    """Do one batch of a replay, in this unit of work, and say what came of it."""
    progress, replay = queue.replays.advance(current_session().connection(), replay_id)
    if progress is not Progress.ADVANCED or replay is None:
        return progress
    if replay.state is ReplayState.DONE:
        said = f"Queued again: {replay.replayed}. Passed over: {replay.skipped}."
        with acting_as(MARKETPLACE):
            _audit(replay, "finish", ReplayState.RUNNING, said)
        _LOG.info("The replay %s is done. %s", replay.id, said)
    environment = current_environment()
    after_commit(lambda: queue.wake(environment))
    return progress


class Replayer:
    """Advances replays in a thread, one batch after the other, for as long as there are any.

    Any number of processes have one; what one of them is doing the others pass over.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._interval = environment.settings.job_interval.total_seconds()
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replayer", daemon=True)

    def start(self) -> None:
        """Begin, with a first look at once."""
        queue.wake_replayer_with(self._environment, self._awake.set)
        self._thread.start()

    def stop(self) -> None:
        """End after the batch that is under way."""
        self._stopping.set()
        self._awake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            started = time.monotonic()
            try:
                progress = self._step()
            except Exception:
                _LOG.exception("A replay could not be advanced; it is tried again later")
                progress = Progress.NOTHING
            if progress is Progress.ADVANCED:
                # As long a rest as the batch took: what is new gets at least half of the database.
                self._stopping.wait(time.monotonic() - started)
                continue
            waiting = progress is Progress.WAITING
            self._awake.wait(_LOOK_AGAIN_SECONDS if waiting else self._interval)

    def _step(self) -> Progress:
        with in_environment(self._environment), unit_of_work(self._environment.engine):
            return advance()


def _check(wanted: ReplayFilter) -> None:
    if EventState.DELIVERED in wanted.states and wanted.since is None:
        raise InvalidInput.field(
            "/since", "required", "Say since when delivered events are to be sent again."
        )
    if EventState.DELIVERED in wanted.states and wanted.reason_contains is not None:
        raise InvalidInput.field(
            "/reasonContains", "deadOnly", "Only a dead delivery has a reason: leave DELIVERED out."
        )
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise InvalidInput.field(
            "/until", "endAfterStart", "The end of the period is not after its start."
        )


def _within_reach(wanted: ReplayFilter) -> ReplayFilter:
    """Return the filter, restricted to the platform of the company that asks."""
    if current_principal().is_operator:
        return wanted
    own = str(require_market_player())
    if wanted.lane not in (None, own):
        raise Forbidden("A company replays what goes to its own platform.")
    return replace(wanted, lane=own)


def _market_player(replay: Replay) -> UUID | None:
    return None if replay.wanted.lane is None else UUID(replay.wanted.lane)


def _audit(replay: Replay, action: str, before: ReplayState | None, reason: str) -> None:
    audit.record(
        _KIND,
        replay.id,
        action,
        from_state=before,
        to_state=replay.state,
        reason=reason,
        market_player_id=_market_player(replay),
    )

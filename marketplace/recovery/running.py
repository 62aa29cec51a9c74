"""A run over the platforms, after the database was restored, or a platform's was.

Each page of each platform is a unit of work that also says how far the run has come: a run that was
interrupted goes on where it was. Platforms are asked side by side, outside of any transaction.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.core import audit, restoration
from marketplace.core.actor import Actor, acting_as
from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import current_session, unit_of_work
from marketplace.delivery import recovering as deliveries
from marketplace.identity import recovering as companies
from marketplace.identity.directory import PlatformDirectory
from marketplace.identity.service import address_policy
from marketplace.recovery import repository
from marketplace.recovery.alone import alone
from marketplace.recovery.calls import NotReached, NotSupported, Recovery
from marketplace.recovery.comparing import compare
from marketplace.recovery.domain import FindingKind, FindingOutcome, Step
from marketplace.recovery.tables import (
    Finding,
    HeldCopy,
    PlatformProgress,
    Resynchronisation,
)
from marketplace.subscriptions import recovering as subscriptions
from mpp_sdk.clock import now
from mpp_sdk.contracts.eu_mp.models import HeldEvent
from mpp_sdk.errors import InvalidInput, Unavailable
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import EventState
from mpp_sdk.transport import GuardedSession

MARGIN = timedelta(hours=1)
"""How much longer than since the backup is looked back: clocks differ, and commits take time."""

_LOG = logging.getLogger(__name__)
_SIDE_BY_SIDE = 8
_MOST_UNKNOWN = 10_000
_KIND = "Resynchronisation"
_RAN = "The re-synchronisation with the platforms ran."
_BREAKS = "Write to the company: its platform breaks the EU-MP contract."

Tell = Callable[[str], None]
"""Is told how the run comes on, in a line for people."""


def resynchronise(
    environment: Environment, since: datetime | None, actor: Actor, tell: Tell
) -> UUID:
    """Run over the platforms of all companies, or go on with a run that was interrupted.

    since is from when on something may be missing, by default an hour before the backup that was
    restored last. Returns the run's id. When it is done, deliveries are held no more. Raises
    InvalidInput when nobody can tell since when, Conflict while another one runs.
    """
    run = _Run(environment, actor, tell)
    with alone(environment):
        run_id = run.begin(since)
        run.over_platforms(run_id, (Step.EVENTS, Step.SUBSCRIPTIONS), run.collect)
        run.reconcile(run_id)
        run.over_platforms(run_id, (Step.NOTIFICATIONS,), run.replay)
        run.finish(run_id)
    return run_id


class _Run:
    def __init__(self, environment: Environment, actor: Actor, tell: Tell) -> None:
        self._environment = environment
        self._actor = actor
        self._tell = tell
        self._directory = PlatformDirectory(environment)
        self._telling = threading.Lock()

    def begin(self, since: datetime | None) -> UUID:
        """Return the run to go on with, or a new one with every platform in it."""
        with self._working():
            run = repository.unfinished()
            if run is not None and since is None and not _is_older(run):
                self._say(f"Going on with the run of {run.started_at:%Y-%m-%d %H:%M:%S} UTC.")
                return run.id
            if run is not None:
                run.finished_at = now()
                audit.record(_KIND, run.id, "abandon")
            run = Resynchronisation(id=new_id(), since=_since(since), started_at=now())
            session = current_session()
            session.add(run)
            session.flush()
            for player in companies.with_platform():
                oldest = deliveries.oldest_under_way(player)
                session.add(
                    PlatformProgress(
                        resynchronisation_id=run.id,
                        market_player_id=player,
                        step=Step.EVENTS,
                        since=run.since if oldest is None else min(run.since, oldest),
                        updated_at=run.started_at,
                    )
                )
            audit.record(_KIND, run.id, "start")
            self._say(f"What happened since {run.since.isoformat()} is compared.")
            return run.id

    def over_platforms(
        self,
        run_id: UUID,
        steps: Sequence[Step],
        work: Callable[[UUID, UUID, Recovery], None],
    ) -> None:
        """Do a piece of work with every platform that is at one of the steps, side by side."""
        with self._working(read_only=True):
            players = repository.players_in(run_id, steps)
        settings = self._environment.settings
        with in_environment(self._environment):
            policy = address_policy()
        seconds = settings.request_timeout.total_seconds()
        with (
            GuardedSession(policy, total_seconds=seconds) as session,
            ThreadPoolExecutor(_SIDE_BY_SIDE, "resynchronise") as pool,
        ):
            list(pool.map(lambda player: self._with(run_id, player, session, work), players))

    def _with(
        self,
        run_id: UUID,
        player: UUID,
        session: GuardedSession,
        work: Callable[[UUID, UUID, Recovery], None],
    ) -> None:
        seconds = self._environment.settings.request_timeout.total_seconds()
        try:
            try:
                target = self._directory.connection(player)
            except Unavailable as error:
                raise NotReached(error.detail, "Put the encryption keys back.") from error
            work(run_id, player, Recovery(target, session, seconds))
        except NotReached as error:
            self._give_up(run_id, player, Step.NOT_REACHED, error.detail, error.advice)
        except NotSupported:
            self._give_up(
                run_id,
                player,
                Step.NOT_SUPPORTED,
                "The platform does not tell what it holds, and sends nothing again.",
                "Compare with the company what it and the marketplace hold since the backup.",
            )
        except Exception:  # what one platform says must not stop the others
            _LOG.exception("Working with the platform of %s failed", player)
            self._give_up(
                run_id,
                player,
                Step.NOT_REACHED,
                "What the platform says could not be worked with; the log says why.",
                _BREAKS,
            )
        with self._working(read_only=True):
            row = repository.progress(run_id, player)
            self._say(f"{companies.name(player)}: {row.step.value}")

    def collect(self, run_id: UUID, player: UUID, platform: Recovery) -> None:
        """Compare the events that a platform holds, and take a copy of its subscriptions."""
        while (row := self._progress(run_id, player)).step is Step.EVENTS:
            asked_at = now()
            events = platform.events(row.since, row.cursor)
            ids = [one.event_id for one in events.items]
            _check_order(row.after_id, ids, events.next_cursor)
            with self._working():
                self._take_events(run_id, player, events.items, events.next_cursor, asked_at)
        while (row := self._progress(run_id, player)).step is Step.SUBSCRIPTIONS:
            asked_at = now()
            offers = platform.service_offers(row.cursor)
            ids = [one.subscription_id for one in offers.items]
            _check_order(row.after_id, ids, offers.next_cursor)
            with self._working():
                changed = repository.progress(run_id, player)
                last = ids[-1] if offers.next_cursor else None
                held = set(ids)
                for had in subscriptions.acknowledged_between(
                    player, after=changed.after_id, up_to=last
                ):
                    if had not in held:
                        _add(run_id, _missing(player, had))
                for offer in offers.items:
                    current_session().add(
                        HeldCopy(
                            resynchronisation_id=run_id,
                            subscription_id=offer.subscription_id,
                            market_player_id=player,
                            asked_at=asked_at,
                            offer=offer,
                        )
                    )
                changed.subscriptions_held += len(ids)
                _turn(changed, offers.next_cursor, last, Step.NOTIFICATIONS)

    def _take_events(
        self,
        run_id: UUID,
        player: UUID,
        items: Sequence[HeldEvent],
        next_cursor: str | None,
        asked_at: datetime,
    ) -> None:
        row = repository.progress(run_id, player)
        held = {one.event_id: one for one in items}
        known = deliveries.states_of(player, list(held))
        for event_id, event in held.items():
            state = known.get(event_id)
            if state is None:
                row.events_unknown += 1
                _add(run_id, _unknown(player, event))
            elif state is not EventState.DELIVERED:
                deliveries.take_as_delivered(event_id)
                row.events_delivered += 1
        if row.events_unknown > _MOST_UNKNOWN:
            raise NotReached("It holds more unknown events than can be believed.", _BREAKS)
        last = items[-1].event_id if next_cursor else None
        acknowledged = deliveries.delivered_between(
            player,
            after=row.after_id,
            up_to=last,
            occurred_from=row.since,
            finished_before=asked_at,
        )
        row.events_queued_again += deliveries.send_again(
            [one for one in acknowledged if one not in held]
        )
        row.events_held += len(held)
        _turn(row, next_cursor, last, Step.SUBSCRIPTIONS)

    def reconcile(self, run_id: UUID) -> None:
        """Compare the copies of each subscription, the oldest first, since newer ones refer to it.

        What was compared is forgotten in the same unit of work. What cannot be worked with, since
        a platform says what no database takes, stops nothing else.
        """
        while True:
            with self._working(read_only=True):
                subscription_id = repository.first_copy(run_id)
            if subscription_id is None:
                return
            try:
                with self._working():
                    self._compare(run_id, subscription_id)
            except Exception:
                _LOG.exception("The copies of subscription %s failed", subscription_id)
                with self._working():
                    _add(run_id, _unusable(subscription_id))
                    repository.forget_copies(run_id, subscription_id)

    def _compare(self, run_id: UUID, subscription_id: UUID) -> None:
        copies = repository.copies(run_id, subscription_id)
        by_player = {copy.market_player_id: copy.offer for copy in copies}
        asked_at = min(copy.asked_at for copy in copies)
        for found in compare(subscription_id, by_player, asked_at):
            _add(
                run_id,
                Finding(
                    kind=found.kind,
                    outcome=found.outcome,
                    detail=found.detail,
                    advice=found.advice,
                    market_player_id=found.market_player_id,
                    subscription_id=subscription_id,
                ),
            )
        repository.forget_copies(run_id, subscription_id)

    def replay(self, run_id: UUID, player: UUID, platform: Recovery) -> None:
        """Have a platform send again what it has told since then."""
        with self._working(read_only=True):
            run = repository.run(run_id)
            since = run.since if run is not None else self._progress(run_id, player).since
        first = True
        while (row := self._progress(run_id, player)).step is Step.NOTIFICATIONS:
            answer = platform.replay_notifications(since, row.cursor)
            if answer.next_cursor is not None and answer.queued == 0:
                raise NotReached("It goes on without an end.", _BREAKS)
            with self._working():
                changed = repository.progress(run_id, player)
                changed.notifications_sent_again += answer.queued
                if first:
                    self._note_limits(run_id, player, since, answer.kept_since)
                    self._note_key(run_id, player, answer.api_key_hash)
                _turn(changed, answer.next_cursor, None, Step.DONE)
            first = False

    def _note_limits(
        self, run_id: UUID, player: UUID, since: datetime, kept_since: datetime
    ) -> None:
        if kept_since <= since:
            return
        _add(
            run_id,
            Finding(
                kind=FindingKind.NOTIFICATIONS_FORGOTTEN,
                outcome=FindingOutcome.OPEN,
                market_player_id=player,
                detail=f"The platform keeps its notifications since {kept_since.isoformat()} only.",
                advice="Compare the points of delivery with the provider.",
            ),
        )

    def _note_key(self, run_id: UUID, player: UUID, key_hash: str | None) -> None:
        if key_hash is None or companies.opens(player, key_hash):
            return
        _add(
            run_id,
            Finding(
                kind=FindingKind.KEY_UNKNOWN,
                outcome=FindingOutcome.OPEN,
                market_player_id=player,
                detail="The platform presents an API key that was issued after the backup, or has "
                "ended: its notifications are refused with 401, and wait there for 75 h.",
                advice="Have the company sign in with its OAuth 2 client, issue a new API key for "
                "its platform (POST /market-players/{id}/credentials) and enter it as "
                "MPP_API_KEY. If its client is lost too, ask the company to sign up again.",
            ),
        )

    def finish(self, run_id: UUID) -> None:
        """Let deliveries go on, and say that the run is over."""
        with self._working():
            run = repository.run(run_id)
            if run is None:
                raise RuntimeError("The run has vanished.")
            run.finished_at = now()
            audit.record(_KIND, run.id, "finish")
            if restoration.holding():
                restoration.release(_RAN)

    def _give_up(self, run_id: UUID, player: UUID, step: Step, detail: str, advice: str) -> None:
        with self._working():
            row = repository.progress(run_id, player)
            row.step, row.detail, row.updated_at = step, detail, now()
            _add(
                run_id,
                Finding(
                    kind=FindingKind(step.value),
                    outcome=FindingOutcome.OPEN,
                    market_player_id=player,
                    detail=detail,
                    advice=advice,
                ),
            )

    def _progress(self, run_id: UUID, player: UUID) -> PlatformProgress:
        with self._working(read_only=True):
            return repository.progress(run_id, player)

    @contextmanager
    def _working(self, *, read_only: bool = False) -> Iterator[None]:
        with (
            in_environment(self._environment),
            acting_as(self._actor),
            unit_of_work(self._environment.engine, read_only=read_only),
        ):
            yield

    def _say(self, line: str) -> None:
        with self._telling:
            self._tell(line)


def _since(given: datetime | None) -> datetime:
    if given is not None:
        return given
    last = restoration.latest()
    if last is None:
        raise InvalidInput(
            "This database was not restored, as far as it knows. Say with --since from when on "
            "something may be missing, here or at a platform."
        )
    return last.backup_taken_at - MARGIN


def _is_older(run: Resynchronisation) -> bool:
    """Return whether a run was begun before the database was restored, and is in its backup."""
    last = restoration.latest()
    return last is not None and last.restored_at > run.started_at


def _check_order(after: UUID | None, ids: Sequence[UUID], next_cursor: str | None) -> None:
    """Raise NotReached for a page whose ids do not rise, or that leads nowhere."""
    before = [after, *ids[:-1]] if ids else []
    rising = all(one is None or one < other for one, other in zip(before, ids, strict=True))
    if not rising or (next_cursor is not None and not ids):
        raise NotReached("What it lists is not in the order of the ids.", _BREAKS)


def _turn(row: PlatformProgress, cursor: str | None, last: UUID | None, then: Step) -> None:
    """Turn to the next page, or to the next step after the last one."""
    row.cursor, row.after_id, row.updated_at = cursor, last, now()
    if cursor is None:
        row.step = then


def _unknown(player: UUID, event: HeldEvent) -> Finding:
    return Finding(
        kind=FindingKind.EVENT_UNKNOWN,
        outcome=FindingOutcome.NOTED,
        market_player_id=player,
        subscription_id=event.subscription_id,
        event_id=event.event_id,
        detail=f"The platform has applied {event.kind.value}, which occurred at "
        f"{event.occurred_at.isoformat()} and is not in the database.",
    )


def _missing(player: UUID, subscription_id: UUID) -> Finding:
    return Finding(
        kind=FindingKind.SUBSCRIPTION_MISSING,
        outcome=FindingOutcome.OPEN,
        market_player_id=player,
        subscription_id=subscription_id,
        detail="The platform does not hold this subscription, which it has acknowledged. The key "
        "of its data exchange is kept by nobody but the platforms: it cannot be sent again.",
        advice="Have the two companies agree on a subscription that supersedes this one.",
    )


def _unusable(subscription_id: UUID) -> Finding:
    return Finding(
        kind=FindingKind.SUBSCRIPTION_UNKNOWN,
        outcome=FindingOutcome.OPEN,
        subscription_id=subscription_id,
        detail="What the platforms say of it could not be worked with; the log says why.",
        advice="Compare with both companies; a platform may break the EU-MP contract.",
    )


def _add(run_id: UUID, finding: Finding) -> None:
    finding.detail = finding.detail.replace("\0", "\N{REPLACEMENT CHARACTER}")
    finding.id = new_id()
    finding.resynchronisation_id = run_id
    finding.found_at = now()
    current_session().add(finding)

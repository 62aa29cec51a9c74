"""What surrounds every call: one unit of work, and answers that are the same when repeated."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import event
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from marketplace.core.database import Base
from marketplace.core.environment import Environment, in_environment
from marketplace.core.group_commit import GroupCommit
from marketplace.core.journal import written_down
from marketplace.core.together import is_taken_together, read_ahead_of
from marketplace.core.unit_of_work import Contended, current_session, taking_part, unit_of_work
from mpp_sdk.errors import FlexagoraError, Unavailable
from mpp_sdk.web.call import Call, Calling, Proceed, Reply, Waiting
from mpp_sdk.web.idempotency import IdempotencyTable, KeptReply, ReplyKey, reply_key

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

REPLIES = IdempotencyTable.define(Base.metadata)
"""The answers that were given under an Idempotency-Key."""

Entering = Callable[[Calling], AbstractContextManager[None]]
"""Makes whoever calls the one who acts, for as long as the block runs."""


MOST_TOGETHER = 128
"""How many calls are carried out in one transaction."""

MOST_WAITING = 1_000
"""How many calls wait for their turn before others are turned away."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grouped:
    """A waiting call and its handler."""

    function: Callable[..., object]
    waiting: Waiting


class _Traces:
    """Counts what is added to a session or written down in it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._added = 0
        event.listen(session, "transient_to_pending", self._note)

    @property
    def count(self) -> int:
        """How much there is so far."""
        return self._added + written_down(self._session)

    def _note(self, _session: Session, _row: object) -> None:
        self._added += 1


class _Disturbed(Exception):
    """A call failed after it had changed something that others in its transaction must not see."""


class _Repeated(Exception):
    """The same call was answered meanwhile, so that this one must leave no trace."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("The same call was answered meanwhile")
        self.reply = reply


class MarketplaceEdge:
    """The edge of the marketplace's contracts.

    The answer leaves once its unit of work is committed, never before. A write with an
    Idempotency-Key is done once: its answer is kept in the same transaction and given again to
    whoever repeats the call. A call that failed is not kept, and may be tried again.
    """

    def __init__(self, environment: Environment, entering: Entering) -> None:
        self._environment = environment
        self._entering = entering
        self._groups = GroupCommit(self.carry_out, most=MOST_TOGETHER, waiting=MOST_WAITING)

    def group(
        self, function: Callable[..., object]
    ) -> Callable[[Waiting], Awaitable[Reply]] | None:
        """Return what takes the calls of a handler that are carried out together, else None."""
        if not is_taken_together(function):
            return None
        return lambda waiting: self._groups.submit(Grouped(function, waiting))

    def stop(self) -> None:
        """Carry out the calls that wait, and take no more of those that are done together."""
        self._groups.stop()

    def __call__(self, call: Calling, proceed: Proceed) -> Reply:
        """Return the answer to a call."""
        with in_environment(self._environment), self._entering(call):
            if call.method in _READING:
                with unit_of_work(self._environment.engine, read_only=True):
                    return proceed()
            if call.idempotency_key is None:
                with unit_of_work(self._environment.engine):
                    return proceed()
            return self._once(call, proceed)

    def carry_out(self, group: Sequence[Grouped]) -> Sequence[Reply | Exception]:
        """Return the answers to calls: all done in one transaction, or else each in its own.

        A database that does not answer does so for all of them.
        """
        try:
            with in_environment(self._environment):
                return self._together(group)
        except (Contended, _Disturbed):
            pass
        except (Unavailable, PoolTimeout) as error:
            return [error] * len(group)
        except Exception:
            _log.info("Calls that failed together are done one by one", exc_info=True)
        return [self._alone(one.waiting) for one in group]

    def _together(self, group: Sequence[Grouped]) -> Sequence[Reply | Exception]:
        box = self._environment.settings.secret_box
        keyed = [one.waiting.call for one in group if one.waiting.call.idempotency_key is not None]
        answers: list[Reply | Exception] = []
        to_keep: list[tuple[Call, Reply]] = []
        with unit_of_work(self._environment.engine) as session:
            traces = _Traces(session)
            read_ahead_of([(one.function, one.waiting.arguments["body"]) for one in group])
            # Only now: whoever was faster with the same key has let go of what is locked.
            kept = REPLIES.find_all(session.connection(), keyed, box) if keyed else {}
            for one in group:
                call, before = one.waiting.call, traces.count
                try:
                    answer = one.waiting.context.run(self._one, one.waiting, session, kept)
                except FlexagoraError as error:
                    if traces.count != before:
                        raise _Disturbed from error
                    answers.append(error)
                    continue
                answers.append(answer)
                if call.idempotency_key is not None and reply_key(call) not in kept:
                    kept[reply_key(call)] = KeptReply(call.fingerprint, answer)
                    to_keep.append((call, answer))
            if to_keep:
                REPLIES.keep_all(session.connection(), to_keep, box)
        return answers

    def _one(self, waiting: Waiting, session: Session, kept: Mapping[ReplyKey, KeptReply]) -> Reply:
        call = waiting.call
        if call.idempotency_key is not None and reply_key(call) in kept:
            return kept[reply_key(call)].to(call)
        with in_environment(self._environment), self._entering(call), taking_part(session):
            return waiting.proceed()

    def _alone(self, waiting: Waiting) -> Reply | Exception:
        try:
            return waiting.context.run(self, waiting.call, waiting.proceed)
        except Exception as error:
            return error

    def _once(self, call: Calling, proceed: Proceed) -> Reply:
        kept = self._kept(call)
        if kept is not None:
            return kept
        try:
            return self._run(call, proceed)
        except _Repeated as repeated:
            return repeated.reply
        except FlexagoraError:
            # The same call may have come twice at once; then the other one was first, and this one
            # has failed because of it.
            kept = self._kept(call)
            if kept is None:
                raise
            return kept

    def _run(self, call: Calling, proceed: Proceed) -> Reply:
        """Return the answer, kept with what it tells of.

        The key is claimed at the end, not at the beginning: what is slow in a call comes before its
        first write, and nothing may be locked for so long.
        """
        with unit_of_work(self._environment.engine):
            reply = proceed()
            connection = current_session().connection()
            current_session().flush()
            box = self._environment.settings.secret_box
            kept = REPLIES.replay_or_run(connection, call, lambda: reply, box)
            if kept is not reply:
                raise _Repeated(kept)
            return reply

    def _kept(self, call: Calling) -> Reply | None:
        with unit_of_work(self._environment.engine, read_only=True):
            box = self._environment.settings.secret_box
            return REPLIES.find(current_session().connection(), call, box)

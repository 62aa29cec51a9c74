"""What surrounds every call: one unit of work, and answers that are the same when repeated."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from marketplace.core.database import Base
from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import current_session, unit_of_work
from mpp_sdk.errors import FlexagoraError
from mpp_sdk.web.call import Call, Proceed, Reply
from mpp_sdk.web.idempotency import IdempotencyTable

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

REPLIES = IdempotencyTable.define(Base.metadata)
"""The answers that were given under an Idempotency-Key."""

Entering = Callable[[Call], AbstractContextManager[None]]
"""Makes whoever calls the one who acts, for as long as the block runs."""


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

    def __call__(self, call: Call, proceed: Proceed) -> Reply:
        """Return the answer to a call."""
        with in_environment(self._environment), self._entering(call):
            if call.method in _READING:
                with unit_of_work(self._environment.engine, read_only=True):
                    return proceed()
            if call.idempotency_key is None:
                with unit_of_work(self._environment.engine):
                    return proceed()
            return self._once(call, proceed)

    def _once(self, call: Call, proceed: Proceed) -> Reply:
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

    def _run(self, call: Call, proceed: Proceed) -> Reply:
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

    def _kept(self, call: Call) -> Reply | None:
        with unit_of_work(self._environment.engine, read_only=True):
            box = self._environment.settings.secret_box
            return REPLIES.find(current_session().connection(), call, box)

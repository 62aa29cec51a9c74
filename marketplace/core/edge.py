"""What surrounds every call: one unit of work, and answers that are the same when repeated."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from marketplace.core.environment import Environment, in_environment
from marketplace.core.idempotency import keep_reply, kept_reply
from marketplace.core.unit_of_work import unit_of_work
from mpp_sdk.errors import FlexagoraError
from mpp_sdk.web.call import Call, Proceed, Reply

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

Entering = Callable[[Call], AbstractContextManager[None]]
"""Makes whoever calls the one who acts, for as long as the block runs."""


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
            with unit_of_work(self._environment.engine):
                reply = proceed()
                keep_reply(call, reply, self._environment.settings.secret_box)
                return reply
        except FlexagoraError:
            # The same call may have come twice at once; then the other one was first, and this one
            # has failed because of it.
            kept = self._kept(call)
            if kept is None:
                raise
            return kept

    def _kept(self, call: Call) -> Reply | None:
        with unit_of_work(self._environment.engine, read_only=True):
            return kept_reply(call, self._environment.settings.secret_box)

"""Wraps the product's functions so that the harness can count, and end a process at a step.

Nothing of this is in the product: it is done in the processes that the harness starts. The times
that a lost process costs are shortened here too, so that a run of minutes sees what takes hours.
"""

import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, event, insert
from starlette.types import ASGIApp

import marketplace.cli
import mpp_sdk.notifications.connection
import mpp_sdk.notifications.sender
import mpp_sdk.platform
from marketplace.activations import service as activations
from marketplace.core.edge import Grouped, MarketplaceEdge
from marketplace.core.notices import Outcome
from marketplace.core.unit_of_work import current_session
from marketplace.delivery import queue
from marketplace.delivery.sender import PlatformSender
from mpp_sdk.inbox import Inbox
from mpp_sdk.notifications.connection import MarketplaceConnection
from mpp_sdk.outbox import (
    BreakerPolicy,
    Event,
    LeaseLost,
    Outbox,
    Recorded,
    Response,
    RetryPolicy,
    Sent,
    Settlement,
    Unsent,
    dispatcher,
)
from mpp_sdk.web.call import Calling, Proceed, Reply
from mpp_sdk.web.server import serve as serve_app
from tests.chaos.control import Control, Slot, Step
from tests.chaos.stepping import at
from tests.chaos.wire import Watched, Wire, incident

LEASE = timedelta(seconds=9)
CALL_SECONDS = 3.0
_SECOND = timedelta(seconds=1)

APPLIED = Table(
    "chaos_applied",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("subscription_id", String(36), nullable=False),
    Column("what", String(100), nullable=False),
    Column("outcome", String(20), nullable=False),
)
"""What the marketplace did with activations that it was told of, in its own transactions."""

_inside = threading.local()


def install(control: Control) -> None:
    """Wrap what a process of the harness does; how it is called decides which of it matters."""
    incidents = Path(os.environ["CHAOS_INCIDENTS"])
    _shorten()
    _wrap_outbox(control, incidents)
    _wrap_sending(control, incidents)
    _wrap_receiving(control)
    event.listen(Engine, "commit", _committing)


def _replace(owner: object, name: str, value: object) -> None:
    patch.object(owner, name, value).start()


def _shorten() -> None:
    _replace(queue, "_LEASE_MARGIN", 2 * _SECOND)
    _replace(mpp_sdk.platform, "LEASE", LEASE)
    _replace(mpp_sdk.notifications.sender, "CALL_SECONDS", CALL_SECONDS)
    _replace(mpp_sdk.notifications.sender, "_CONCURRENCY", 24)  # much is in flight at each kill
    _replace(mpp_sdk.notifications.connection, "CALL_SECONDS", CALL_SECONDS)
    BreakerPolicy.__init__.__defaults__ = (10, 2 * _SECOND)
    defaults = list(RetryPolicy.__init__.__defaults__ or ())
    defaults[:2] = [_SECOND / 2, 5 * _SECOND]
    RetryPolicy.__init__.__defaults__ = tuple(defaults)


def _committing(_: Connection) -> None:
    step = getattr(_inside, "step", None)
    if step is not None:
        at(step)


@contextmanager
def _commits_at(step: Step) -> Iterator[None]:
    _inside.step = step
    try:
        yield
    finally:
        _inside.step = None


def _unrecorded(settlement: Settlement, result: Recorded | LeaseLost) -> int:
    return len(settlement.sent) if isinstance(result, LeaseLost) else len(result.failed)


def _wrap_outbox(control: Control, incidents: Path) -> None:
    claim = Outbox.claim

    def claim_in_steps(self: Outbox, *args: Any, **kwargs: Any) -> Any:
        at(Step.CLAIM_BEFORE)
        with _commits_at(Step.CLAIM_COMMIT):
            claims = claim(self, *args, **kwargs)
        if claims:
            at(Step.CLAIM_AFTER)
        return claims

    Outbox.claim = claim_in_steps  # type: ignore[method-assign]

    settle = Outbox.settle

    def settle_in_steps(
        self: Outbox, settlements: Sequence[Settlement], now: Any = None
    ) -> list[Recorded | LeaseLost]:
        count = sum(len(one.sent) for one in settlements)
        if count:
            at(Step.RECORD_BEFORE)
        with _commits_at(Step.RECORD_COMMIT):  # when it fails, it is tried again
            results = settle(self, settlements, now)
        unrecorded = sum(map(_unrecorded, settlements, results))
        control.add(Slot.RECORDED, count - unrecorded)
        if count:
            at(Step.RECORD_AFTER)
        return results

    Outbox.settle = settle_in_steps  # type: ignore[method-assign]
    recorded = dispatcher._Turn.recorded

    def recorded_and_noted(self: Any, sent: Sequence[Sent], result: Recorded | Exception) -> None:
        """Note what is not recorded after all, and so comes again by right."""
        lost = len(sent) if isinstance(result, Exception) else len(result.failed)
        if lost:
            incident(incidents, "record lost", lost, repr(result))
            control.add(Slot.RECORDED, lost)  # not before: who is killed here has lost it too
        recorded(self, sent, result)

    _replace(dispatcher._Turn, "recorded", recorded_and_noted)


def _wrap_sending(control: Control, incidents: Path) -> None:
    def in_steps(
        send: Callable[..., Awaitable[Response | Unsent]],
    ) -> Callable[..., Awaitable[Response | Unsent]]:
        async def send_in_steps(self: Any, one: Event, body: bytes) -> Response | Unsent:
            at(Step.SEND_BEFORE)
            control.add(Slot.SENT)
            try:
                answer = await send(self, one, body)
            except Exception as error:
                if "No connection could be made" not in str(error):
                    incident(incidents, "answer lost", 1, repr(error))
                raise
            at(Step.SEND_AFTER)
            return answer

        return send_in_steps

    setattr(PlatformSender, "__call__", in_steps(PlatformSender.__call__))  # noqa: B010
    setattr(MarketplaceConnection, "send", in_steps(MarketplaceConnection.send))  # noqa: B010


def _wrap_receiving(control: Control) -> None:
    # The marketplace.
    def serve_watched(app: ASGIApp, **given: Any) -> None:
        serve_app(Watched(app, Wire(Path(os.environ["CHAOS_WIRE"])), control), **given)

    _replace(marketplace.cli, "serve_app", serve_watched)
    enter = MarketplaceEdge.__call__

    def enter_in_steps(self: MarketplaceEdge, call: Calling, proceed: Proceed) -> Reply:
        if call.method != "POST":
            return enter(self, call, proceed)

        def proceed_in_steps() -> Reply:
            reply = proceed()
            at(Step.HANDLED)
            return reply

        reply = enter(self, call, proceed_in_steps)
        at(Step.COMMITTED)
        return reply

    MarketplaceEdge.__call__ = enter_in_steps  # type: ignore[method-assign]
    one, carry_out = MarketplaceEdge._one, MarketplaceEdge.carry_out

    def one_in_steps(self: MarketplaceEdge, *arguments: Any) -> Reply:
        reply = one(self, *arguments)
        at(Step.HANDLED)
        return reply

    def carry_out_in_steps(self: MarketplaceEdge, group: Sequence[Grouped]) -> Any:
        answers = carry_out(self, group)
        at(Step.COMMITTED)
        return answers

    _replace(MarketplaceEdge, "_one", one_in_steps)
    _replace(MarketplaceEdge, "carry_out", carry_out_in_steps)
    wake = queue.wake

    def wake_in_steps(environment: Any) -> None:
        at(Step.WAKE)
        wake(environment)

    queue.wake = wake_in_steps
    apply = activations.apply

    def apply_and_note(change: activations.ActivationChange) -> Outcome:
        outcome = apply(change)
        if outcome is not Outcome.DUPLICATE:
            what = f"{change.pod_id} {change.state.value} {change.occurred_at.isoformat()}"
            current_session().execute(
                insert(APPLIED).values(
                    subscription_id=str(change.subscription_id), what=what, outcome=outcome.value
                )
            )
        return outcome

    activations.apply = apply_and_note

    # A platform.
    def committed(receive: Callable[..., Any]) -> Callable[..., Any]:
        def receive_in_steps(self: Inbox, *args: Any) -> Any:
            outcome = receive(self, *args)
            at(Step.COMMITTED)
            return outcome

        return receive_in_steps

    for name in ("confirmed", "suspended", "resumed", "ended"):
        setattr(Inbox, name, committed(getattr(Inbox, name)))

"""What became of the notifications to the marketplace, and how a dead one is sent after all."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection

from mpp_sdk.errors import InvalidInput
from mpp_sdk.notifications.notifier import LANE
from mpp_sdk.outbox import (
    Attempt,
    Event,
    EventFilter,
    EventState,
    Outbox,
    Progress,
    Replay,
    ReplayFilter,
    Replays,
    Retention,
)
from mpp_sdk.problem import Problem
from mpp_sdk.state.tables import OUTBOX_TABLES, REPLAY_TABLES
from mpp_sdk.transactions import Transactions

UNDELIVERED = (EventState.QUEUED, EventState.RETRYING, EventState.DEAD)
"""The states of what the marketplace has not acknowledged."""

RETENTION = Retention(OUTBOX_TABLES)
# Notifications carry no secrets; and nothing else waits in the only lane for long.
_REPLAYS = Replays(OUTBOX_TABLES, REPLAY_TABLES, give_way=timedelta(0))
_PAGE = 200


@dataclass(frozen=True)
class LoggedNotification:
    """A notification and how far it has come.

    reason says why the last attempt of one that is retried or dead failed. next_attempt_at is None
    for one that is finished, or waits for an earlier one of its subscription.
    """

    event_id: UUID
    subscription_id: UUID
    pod_id: str | None
    kind: str
    state: EventState
    attempts: int
    reason: str | None
    occurred_at: datetime
    next_attempt_at: datetime | None


class NotificationLog:
    """Looks at the platform's outbox, and changes it where a person asks for that."""

    def __init__(
        self, transactions: Transactions, outbox: Outbox, wake: Callable[[], None]
    ) -> None:
        self._transactions = transactions
        self._outbox = outbox
        self._wake = wake

    def all(self, states: Collection[EventState] = UNDELIVERED) -> Iterator[LoggedNotification]:
        """Yield the notifications in some states, the newest first."""
        which = EventFilter(lanes=(LANE,), states=states)
        before: UUID | None = None
        while True:
            with self._transactions.reading() as session:
                connection = session.connection()
                events = self._outbox.list_events(connection, which, limit=_PAGE, before=before)
                page = [self._logged(connection, event) for event in events]
            yield from page
            if len(page) < _PAGE:
                return
            before = page[-1].event_id

    def replay(self, event_id: UUID) -> LoggedNotification:
        """Return a dead notification, queued again under its id.

        Raises NotFound, and IllegalTransition when it is not dead.
        """
        with self._transactions() as session:
            connection = session.connection()
            queued = self._logged(connection, self._outbox.replay(connection, event_id))
            self._transactions.after_commit(self._wake)
        return queued

    def request_replay(self, wanted: ReplayFilter, reason: str) -> Replay:
        """Return a new replay of many notifications, which `advance_replays` does.

        Raises InvalidInput when delivered ones are asked for and no moment since which.
        """
        if EventState.DELIVERED in wanted.states and wanted.since is None:
            raise InvalidInput.field(
                "since", "required", "Say since when delivered notifications are to be sent again."
            )
        with self._transactions() as session:
            return _REPLAYS.request(session.connection(), wanted, "platform", reason)

    def advance_replays(self) -> Iterator[Replay]:
        """Do what replays there are, and yield each as it is after a batch of it.

        Whoever is stopped in between has done all batches so far; the next call goes on.
        """
        while True:
            with self._transactions() as session:
                progress, replay = _REPLAYS.advance(session.connection())
                self._transactions.after_commit(self._wake)
            if progress is not Progress.ADVANCED or replay is None:
                return
            yield replay

    def forget_delivered(self, before: datetime) -> int:
        """Delete what was delivered before a moment; return how many there were."""
        forgotten, after = 0, None
        while True:
            with self._transactions() as session:  # a short one each time, others wait for it
                batch = RETENTION.forget(session.connection(), EventState.DELIVERED, before, after)
            forgotten += len(batch.events)
            if batch.last is None:
                return forgotten
            after = batch.last

    def _logged(self, connection: Connection, event: Event) -> LoggedNotification:
        return LoggedNotification(
            event_id=event.event_id,
            subscription_id=UUID(event.ordering_key),
            pod_id=json.loads(event.payload).get("podId"),
            kind=event.kind,
            state=event.state,
            attempts=event.attempts,
            reason=self._reason(connection, event),
            occurred_at=event.occurred_at,
            next_attempt_at=event.next_attempt_at,
        )

    def _reason(self, connection: Connection, event: Event) -> str | None:
        if event.state not in (EventState.RETRYING, EventState.DEAD):
            return None
        last = self._outbox.list_attempts(
            connection, event.event_id, limit=1, after=event.attempts - 1
        )
        return _failure(last[0]) if last else event.dead_reason


def _failure(attempt: Attempt) -> str:
    """Return why an attempt failed, with the detail of the marketplace's problem if it gave one."""
    if attempt.error is not None:
        return attempt.error
    answered = f"The marketplace answered {attempt.status}"
    try:
        return f"{answered}: {Problem.model_validate_json(attempt.response_body or '').detail}"
    except ValidationError:
        return f"{answered}."

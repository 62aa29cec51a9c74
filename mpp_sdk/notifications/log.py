"""What became of the notifications to the marketplace, and how a dead one is sent after all."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection

from mpp_sdk.notifications.notifier import LANE
from mpp_sdk.outbox import Attempt, Event, EventFilter, EventState, Outbox
from mpp_sdk.problem import Problem
from mpp_sdk.transactions import Transactions

UNDELIVERED = (EventState.QUEUED, EventState.RETRYING, EventState.DEAD)
"""The states of what the marketplace has not acknowledged."""

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

    def forget_delivered(self, before: datetime) -> int:
        """Delete what was delivered before a moment; return how many there were."""
        forgotten = 0
        while True:
            with self._transactions() as session:  # a short one each time, others wait for it
                count = self._outbox.forget_delivered(session.connection(), before)
            if not count:
                return forgotten
            forgotten += count

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

"""Who is told of what a dispatcher does: the log, and whoever else wants to be."""

import logging
from collections.abc import Sequence

from mpp_sdk import tracing
from mpp_sdk.logs import fields
from mpp_sdk.outbox.dispatcher import Observer
from mpp_sdk.outbox.model import Claim, Sent
from mpp_sdk.outbox.policy import Answer, EventState, NoResponse, Response, Unsent, Verdict

_LOG = logging.getLogger("flexagora.delivery")


class Observers:
    """Tells several observers."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def on_claim(self, claims: Sequence[Claim]) -> None:
        """Tell each of them of lanes that were claimed."""
        for observer in self._observers:
            observer.on_claim(claims)

    def on_attempt(self, sent: Sent, verdict: Verdict) -> None:
        """Tell each of them of an attempt."""
        for observer in self._observers:
            observer.on_attempt(sent, verdict)


class AttemptLog:
    """Writes a line of the log for each attempt: what was sent, and what came of it."""

    def on_claim(self, claims: Sequence[Claim]) -> None:
        """Take no notice."""

    def on_attempt(self, sent: Sent, verdict: Verdict) -> None:
        """Write the line of an attempt."""
        level = logging.WARNING if verdict.state is EventState.DEAD else logging.INFO
        if not _LOG.isEnabledFor(level):
            return
        event = sent.event
        status, reason = _answer(sent.answer)
        _LOG.log(
            level,
            "%s is %s after attempt %s",
            event.kind,
            verdict.state,
            event.attempts + 1,
            extra=fields(
                eventId=str(event.event_id),
                correlationId=event.correlation_id,
                traceId=tracing.trace_id_of(event.trace_parent) if event.trace_parent else None,
                kind=event.kind,
                lane=event.lane,
                attempt=event.attempts + 1,
                outcome=verdict.state,
                status=status,
                reason=reason,
                durationMs=sent.duration_ms,
            ),
        )


def _answer(answer: Answer) -> tuple[int | None, str | None]:
    """Return the status of an answer, or why there is none."""
    match answer:
        case Response(status=status):
            return status, None
        case NoResponse(reason=reason) | Unsent(reason=reason):
            return None, reason

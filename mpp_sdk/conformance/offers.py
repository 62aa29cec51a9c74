"""Subscriptions that the kit makes up, and what it tells a platform of them as the marketplace."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.held import held_offer
from mpp_sdk.conformance.model import CaseEnds, NotOffered
from mpp_sdk.conformance.subject import LIVE, Subject
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import new_secret

CONFIRM = "confirm_service_offer"
CANCEL = "cancel_service_offer"
SUSPEND = "suspend_service_offer"
RESUME = "resume_service_offer"
REQUEST_PODS = "receive_requested_points_of_delivery"
ROLES = ("requester", "provider")

KINDS: Mapping[str, str] = {
    CONFIRM: "service-offer.confirmed",
    CANCEL: "service-offer.canceled",
    SUSPEND: "service-offer.suspended",
    RESUME: "service-offer.resumed",
    REQUEST_PODS: "points-of-delivery.requested",
}
"""What `GET /events` calls the event of each operation."""

_ONCE = "Record the event's id in the transaction that applies it, and look there first."


@dataclass(frozen=True)
class Event:
    """One event: the operation that it is told by, the role in the path, and its body."""

    operation: str
    role: str
    body: Mapping[str, Any]

    @property
    def id(self) -> UUID:
        """Its id."""
        return UUID(self.body["eventId"])

    def changed(self, **fields: Any) -> "Event":
        """Return the same event with other fields."""
        return replace(self, body={**self.body, **fields})


class Offer:
    """A subscription in which the platform has a role, and the time in which it happens.

    Moments are counted in seconds from `began`, which is an hour ago unless told otherwise: what a
    case tells of has happened.
    """

    def __init__(
        self, subject: Subject, role: str = "requester", began: datetime | None = None
    ) -> None:
        self.id = new_id()
        self.role = role
        self.api_key = new_secret("fxb")
        self.began = began or subject.now() - timedelta(hours=1)
        self._subject = subject

    def at(self, seconds: float) -> datetime:
        """Return a moment, counted from the beginning."""
        return self.began + timedelta(seconds=seconds)

    # ---- events

    def confirmed(self, seconds: float = 0, **fields: Any) -> Event:
        """Return its confirmation."""
        event = self._event(CONFIRM, seconds, **fields)
        b2b = {**event.body["b2b"], "apiKey": self.api_key}
        return event.changed(b2b=b2b, **fields)

    def suspended(self, seconds: float, **fields: Any) -> Event:
        """Return its suspension."""
        return self._event(SUSPEND, seconds, **fields)

    def resumed(self, seconds: float, **fields: Any) -> Event:
        """Return the end of a suspension."""
        return self._event(RESUME, seconds, **fields)

    def canceled(self, seconds: float, **fields: Any) -> Event:
        """Return its end; `state` says how it ended."""
        return self._event(CANCEL, seconds, **fields)

    def points_requested(self, seconds: float, pod_ids: Sequence[str]) -> Event:
        """Return points of delivery that the requester's company has added.

        Raises NotOffered where the platform does not take such events.
        """
        demand_offered(self._subject, REQUEST_PODS)
        return self._event(REQUEST_PODS, seconds, podIds=list(pod_ids))

    def _event(self, operation: str, seconds: float, **fields: Any) -> Event:
        sample = self._subject.sample(self._subject.operation(operation))
        body = copy.deepcopy(sample.body)
        body |= {"subscriptionId": str(self.id), "occurredAt": self.at(seconds).isoformat()}
        return Event(operation, self.role, {**body, **fields})

    # ---- telling

    def tell(self, event: Event, *outcomes: str, **changes: Any) -> Exchange:
        """Tell the platform; note what is not 200 with one of the outcomes (APPLIED), and end.

        changes are those of a call: other headers, another key.
        """
        answer = tell(self._subject, event, **changes)
        demand_outcome(self._subject, answer, event, *(outcomes or ("APPLIED",)))
        return answer

    def expect_state(self, *states: str) -> Mapping[str, Any]:
        """Note a state at the platform that is none of these; return what it holds.

        Where the platform does not tell what it holds, nothing is noted and returned.
        """
        held = held_offer(self._subject, self.id)
        if held is None:
            return {}
        self._subject.expect(
            held.get("state") in states,
            f"GET /service-offers says {held.get('state', 'nothing of the subscription')}, "
            f"not {' or '.join(states)}.",
            advice="Apply the event in the same transaction that acknowledges it.",
        )
        return held


def tell(subject: Subject, event: Event, api_key: object = LIVE, **changes: Any) -> Exchange:
    """Return the answer to an event, after holding it against the contract."""
    return subject.call(
        event.operation,
        api_key=api_key,
        **{"path": {"platformRole": event.role}, "body": dict(event.body), **changes},
    )


def demand_outcome(subject: Subject, answer: Exchange, event: Event, *outcomes: str) -> None:
    """Note an answer that does not acknowledge the event with one of the outcomes, and end."""
    subject.demand(
        answer.status == 200,
        f"{answer}, not 200.",
        advice="Acknowledge every event that the contract allows; its `errors` say why not.",
        exchange=answer,
    )
    told = answer.fields()
    subject.expect(
        str(told.get("eventId")).lower() == str(event.id),
        f"The acknowledgement names the event {told.get('eventId')}, not {event.id}.",
        advice="Answer with the eventId of the event that came.",
        exchange=answer,
    )
    subject.demand(
        told.get("outcome") in outcomes,
        f"{answer} with the outcome {told.get('outcome')}, not {' or '.join(outcomes)}.",
        advice=_ONCE if "DUPLICATE" in outcomes else "Order what happened by occurredAt.",
        exchange=answer,
    )


def demand_offered(subject: Subject, operation: str) -> None:
    """Raise NotOffered unless the server offers an operation that it may leave out."""
    if not subject.offers(subject.operation(operation)):
        raise NotOffered(f"{subject.operation(operation).path} is left out here.")


@contextmanager
def offer(
    subject: Subject, role: str = "requester", began: datetime | None = None
) -> Iterator[Offer]:
    """Give a subscription, canceled when the block ends, so that nothing more is done for it."""
    made = Offer(subject, role, began)
    try:
        yield made
    finally:
        _end(subject, made)


def _end(subject: Subject, made: Offer) -> None:
    """Cancel what a case has left, whatever the answer: it is no part of the case."""
    noted = len(subject.findings)
    try:
        tell(subject, made.canceled(0, reason="The conformance kit is done with it."))
    except CaseEnds:
        pass
    finally:
        del subject.findings[noted:]

"""What the kit tells a marketplace, playing a provider's platform, and what must come of it.

The contract gives nothing to read, so what was applied is seen by what is allowed afterwards: a
service becomes ACTIVE for a point of delivery only while its customer's consent is GRANTED.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mpp_sdk import clock
from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.samples import new_pod
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

CONTRACT = "notifications"

_AGO = timedelta(minutes=30)
_CONSENT = "notify_consent"
_ACTIVATION = "notify_activation"
_INTERIM = "notify_interim"
_ONCE = "Record each event id in the transaction that applies it, and look there first."


@dataclass(frozen=True)
class Notice:
    """A notification: the operation that takes it, and its body."""

    operation: str
    body: Mapping[str, Any]

    def changed(self, **fields: object) -> "Notice":
        """Return it with other fields, under the same event id unless that is one of them."""
        return replace(self, body={**self.body, **fields})

    @property
    def event_id(self) -> str:
        """Its event id."""
        return str(self.body["eventId"])


class Told:
    """A point of delivery that nobody has, and what is told of it.

    Moments are seconds after a beginning that lies half an hour back.
    """

    def __init__(self, subject: Subject, pod_id: str | None = None) -> None:
        if subject.target.subscription_id is None:
            raise NotShown("Name an ACTIVE subscription with --subscription.")
        self.pod_id = pod_id or new_pod()
        self.began = clock.now() - _AGO
        self._subject = subject
        self._subscription = str(subject.target.subscription_id)

    def under(self, subscription_id: object) -> "Told":
        """Return the same point of delivery under another subscription."""
        other = Told(self._subject, self.pod_id)
        other._subscription = str(subscription_id)
        return other

    def at(self, seconds: float) -> datetime:
        """Return a moment."""
        return self.began + timedelta(seconds=seconds)

    def consent(self, state: str, seconds: float, **more: object) -> Notice:
        """Return that the consent is in a state."""
        return self._notice(_CONSENT, seconds, {"podId": self.pod_id, "state": state, **more})

    def activation(self, state: str, seconds: float, **more: object) -> Notice:
        """Return that the activation is in a state."""
        return self._notice(_ACTIVATION, seconds, {"podId": self.pod_id, "state": state, **more})

    def interim(self, status: str, seconds: float, **more: object) -> Notice:
        """Return that the service has a status; it goes for every point of delivery."""
        return self._notice(_INTERIM, seconds, {"status": status, **more})

    def tell(self, notice: Notice, *outcomes: str) -> Exchange:
        """Tell it, and demand that it is acknowledged with one of the outcomes: APPLIED unless
        others are named.
        """
        answer = self.answer(notice)
        expected = outcomes or ("APPLIED",)
        self._subject.demand(
            answer.status == 200,
            f"{answer} for {_named(notice)}, not 200.",
            advice="Acknowledge every notification that the contract allows.",
            exchange=answer,
        )
        told = answer.fields()
        self._subject.demand(
            str(told.get("eventId")).lower() == notice.event_id.lower(),
            f"{answer} for the event {notice.event_id}, and acknowledges {told.get('eventId')}.",
            exchange=answer,
        )
        self._subject.demand(
            told.get("outcome") in expected,
            f"{answer} with {told.get('outcome')} for {_named(notice)}, not "
            f"{' or '.join(expected)}.",
            advice=_ONCE if "DUPLICATE" in expected else None,
            exchange=answer,
        )
        return answer

    def refused(self, notice: Notice, status: int, why: str) -> Exchange:
        """Tell it, and expect that it is refused."""
        answer = self.answer(notice)
        self._subject.expect(
            answer.status == status,
            f"{answer} for {_named(notice)} {why}, not {status}.",
            exchange=answer,
        )
        return answer

    def answer(self, notice: Notice) -> Exchange:
        """Return what is answered, whatever it is, held against the contract."""
        return self._subject.call(notice.operation, body=dict(notice.body))

    def grant(self, seconds: float = 0) -> Notice:
        """Tell that the customer has consented, and return the notification."""
        granted = self.consent("GRANTED", seconds)
        self.tell(granted)
        return granted

    def expect_consent(self, seconds: float) -> None:
        """Expect that the consent counts as granted: the service becomes ACTIVE."""
        self.tell(self.activation("ACTIVE", seconds))

    def expect_no_consent(self, seconds: float) -> None:
        """Expect that the consent does not count as granted: the service becomes not ACTIVE."""
        answer = self.refused(
            self.activation("ACTIVE", seconds), 409, "though its consent is not GRANTED"
        )
        allowed = answer.fields().get("allowed", [])
        self._subject.expect(
            "ACTIVE" not in allowed,
            f"{answer}, and `allowed` names ACTIVE, which was refused.",
            exchange=answer,
        )

    def _notice(self, operation: str, seconds: float, fields: Mapping[str, object]) -> Notice:
        head = {
            "eventId": str(new_id()),
            "occurredAt": self.at(seconds).isoformat(),
            "subscriptionId": self._subscription,
        }
        return Notice(operation, {**head, **fields})


def _named(notice: Notice) -> str:
    return str(notice.body.get("state", notice.body.get("status")))

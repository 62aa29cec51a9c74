"""The timeline of a subscription in words; what follows each other and is alike is one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from marketplace.core.audit import AuditEntry
from marketplace.delivery.domain import PlatformRole, role_of
from marketplace.monitoring.timeline import OF_PODS, Happening
from marketplace.website.frame.labels import label, tone
from mpp_sdk.outbox import Event

_SHOWN_PODS = 5
_SUBSCRIPTION = {
    "confirm": _l("Subscription made"),
    "activate": _l("Both platforms have the details"),
    "suspend": _l("Suspended"),
    "resume": _l("Resumed"),
    "cancel": _l("Canceled"),
    "expire": _l("Expired"),
    "reconstruct": _l("Found again from what both platforms hold"),
}
_TO_PROVIDER = _l("Message to the provider's platform: {}")
_TO_REQUESTER = _l("Message to the requester's platform: {}")
_OTHERS = {
    "PointOfDelivery": _l("Points of delivery added"),
    "Consent": _l("Consent"),
    "Activation": _l("Activation"),
    "Delivery": _l("Message to a platform"),
}


@dataclass
class Line:
    """A line of the timeline. count is how many alike things it stands for."""

    title: str
    tone: str
    moment: datetime
    actor: str | None
    state: str | None
    words: str | None
    pods: list[str]
    count: int = 1
    event_id: UUID | None = None
    key: tuple[object, ...] | None = None

    @property
    def more_pods(self) -> int:
        """How many points of delivery are not named."""
        return self.count - len(self.pods) if self.pods else 0


def lines_of(happenings: Sequence[Happening]) -> list[Line]:
    """Return the lines of a part of a timeline."""
    lines: list[Line] = []
    for happening in happenings:
        line = _line(happening)
        if lines and line.key is not None and lines[-1].key == line.key:
            last = lines[-1]
            last.count += 1
            if len(last.pods) < _SHOWN_PODS:
                last.pods += line.pods
        else:
            lines.append(line)
    return lines


def _line(happening: Happening) -> Line:
    what = happening.what
    if isinstance(what, AuditEntry):
        return _of_entry(what, happening.occurred_at)
    if isinstance(what, Event):
        told = _TO_PROVIDER if role_of(what.path) is PlatformRole.PROVIDER else _TO_REQUESTER
        return Line(
            title=str(told).format(label(what.kind)),
            tone=tone(what.state.value),
            moment=happening.occurred_at,
            actor=None,
            state=what.state.value,
            words=what.dead_reason,
            pods=[],
            event_id=what.event_id,
        )
    return Line(
        title=_("Status of the service"),
        tone=tone(what.status.value),
        moment=happening.occurred_at,
        actor=None,
        state=what.status.value,
        words=what.detail,
        pods=[],
        key=("status", what.status, what.detail),
    )


def _of_entry(entry: AuditEntry, moment: datetime) -> Line:
    titles = _SUBSCRIPTION if entry.entity_kind == "Subscription" else {}
    title = titles.get(entry.action) or _OTHERS.get(entry.entity_kind, entry.entity_kind)
    of_pod = entry.entity_kind in OF_PODS
    state = entry.to_state
    parts = (entry.entity_kind, entry.action, state, entry.actor_subject, entry.reason)
    return Line(
        title=str(title),
        tone=tone(state or ""),
        moment=moment,
        actor=entry.actor_name,
        state=state,
        words=None if entry.action == "activate" else entry.reason,
        pods=[entry.entity_id.partition("/")[2]] if of_pod else [],
        key=parts if of_pod else None,
    )

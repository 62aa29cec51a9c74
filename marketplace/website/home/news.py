"""The newest entries of the audit trail in words, each with where it leads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from marketplace.core.audit import AuditEntry
from marketplace.website.frame.labels import label, tone


@dataclass(frozen=True)
class News:
    """Something that happened. url is None where it leads nowhere."""

    title: str
    state: str | None
    tone: str
    url: str | None
    moment: datetime
    actor: str
    count: int


def told(entries: Sequence[AuditEntry]) -> list[News]:
    """Return entries in words; what follows each other and is alike is one of them."""
    found: list[News] = []
    before: tuple[object, ...] | None = None
    for entry in entries:
        key = (
            entry.entity_kind,
            entry.action,
            entry.to_state,
            entry.subscription_id or entry.entity_id,
        )
        if key == before:
            last = found.pop()
            found.append(_news(entry, last.moment, last.count + 1))
        else:
            found.append(_news(entry, entry.recorded_at, 1))
        before = key
    return found


def _news(entry: AuditEntry, moment: datetime, count: int) -> News:
    return News(
        title=f"{label(entry.entity_kind)}: {label(entry.action)}",
        state=entry.to_state,
        tone=tone(entry.to_state or ""),
        url=_url(entry),
        moment=moment,
        actor=entry.actor_name,
        count=count,
    )


def _url(entry: AuditEntry) -> str | None:
    if entry.subscription_id is not None:
        return url_for("subscriptions.subscription", subscription_id=entry.subscription_id)
    if entry.entity_kind == "ServiceRequest":
        return url_for("negotiation.request_page", request_id=UUID(entry.entity_id))
    return None

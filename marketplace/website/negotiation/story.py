"""A negotiation told as a timeline: what the audit trail has, with the offers and their terms."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext as _l

from marketplace.core.audit import AuditEntry, AuditFilter
from marketplace.identity import access
from marketplace.monitoring import service as monitoring
from marketplace.subscriptions import negotiation
from marketplace.subscriptions.tables import Offer, ServiceRequest
from marketplace.website.negotiation import differences
from marketplace.website.negotiation.differences import Differences
from mpp_sdk.contracts.marketplace.models import CounterProposal

MOST = 50
"""How many steps a page shows."""

_TITLES = {
    "request": _l("Request"),
    "offer": _l("Offer"),
    "withdraw_offer": _l("Offer withdrawn"),
    "counter": _l("Other terms asked for"),
    "accept": _l("Offer accepted"),
    "reject": _l("Rejected"),
    "withdraw": _l("Request withdrawn"),
    "expire": _l("Expired"),
}
_TONES = {
    "offer": "waiting",
    "counter": "waiting",
    "accept": "good",
    "reject": "bad",
    "withdraw": "bad",
    "withdraw_offer": "bad",
    "expire": "bad",
}


@dataclass(frozen=True)
class Step:
    """Something that happened in a negotiation, with what came of it."""

    title: str
    tone: str
    moment: datetime
    actor: str
    words: str | None
    offer: Offer | None
    changes: Differences
    wish: CounterProposal | None


@dataclass(frozen=True)
class Story:
    """The newest steps first; is_whole says that there are no older ones."""

    steps: tuple[Step, ...]
    is_whole: bool


def tell(row: ServiceRequest) -> Story:
    """Return what happened in a negotiation of the caller."""
    wanted = AuditFilter(
        visible_to=access.visible_to(), entity_kind="ServiceRequest", entity_id=str(row.id)
    )
    entries = monitoring.list_audit_trail(wanted, MOST, None)
    offers = negotiation.list_offers(row.id, None, MOST, None).items
    revisions = iter(zip(offers, (*offers[1:], None), strict=True))
    wishes = iter([row.counter_proposal])
    steps = tuple(_step(entry, revisions, wishes) for entry in entries.items)
    return Story(steps, entries.next_cursor is None)


def _step(
    entry: AuditEntry,
    revisions: Iterator[tuple[Offer, Offer | None]],
    wishes: Iterator[CounterProposal | None],
) -> Step:
    """Return a step; entries and offers both come the newest first, so that they belong together.

    Of what was wished for, only the last is kept at length.
    """
    offer, before = next(revisions, (None, None)) if entry.action == "offer" else (None, None)
    return Step(
        title=str(_TITLES.get(entry.action, entry.action)),
        tone=_TONES.get(entry.action, ""),
        moment=entry.occurred_at,
        actor=entry.actor_name,
        words=entry.reason if entry.action != "expire" else None,
        offer=offer,
        changes=differences.NONE if offer is None else differences.between(before, offer),
        wish=next(wishes, None) if entry.action == "counter" else None,
    )

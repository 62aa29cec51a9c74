"""The names of companies on a page of a list, and where the things that entries name are shown."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask import url_for

from marketplace.identity import service as identity
from marketplace.identity.service import Company

Companies = dict[str, Company]
"""Companies by their ids as texts, which are the names of their lanes too."""

_PAGES = {
    "Delivery": ("operators.delivery", "event_id"),
    "DeliveryReplay": ("operators.replay", "replay_id"),
    "MarketPlayer": ("operators.player", "market_player_id"),
    "Platform": ("operators.player", "market_player_id"),
    "DeliveryLane": ("operators.player", "market_player_id"),
    "ServiceRequest": ("negotiation.request_page", "request_id"),
    "Subscription": ("subscriptions.subscription", "subscription_id"),
}
_OF_OPERATORS = frozenset({"MarketPlayer", "Platform", "DeliveryLane"})


def companies_of(ids: Iterable[UUID | str | None]) -> Companies:
    """Return the companies with these ids, in one query; an id may be the name of a lane."""
    wanted = {_uuid(one) for one in ids if one is not None}
    if not wanted:
        return {}
    return {str(key): one for key, one in identity.companies(wanted).items()}


def page_of(kind: str, entity_id: str, *, operator: bool) -> str | None:
    """Return where a thing that the audit trail names is shown to a visitor; None for nowhere."""
    found = _PAGES.get(kind)
    if found is None or (kind in _OF_OPERATORS and not operator):
        return None
    endpoint, name = found
    values: dict[str, Any] = {name: _uuid(entity_id)}
    return url_for(endpoint, **values)


def _uuid(given: UUID | str) -> UUID:
    return given if isinstance(given, UUID) else UUID(given)

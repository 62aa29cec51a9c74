"""What waits for a company: each kind with its number and its first few, the most urgent first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _

from marketplace.delivery.domain import PlatformRole
from marketplace.identity import service as identity
from marketplace.monitoring import service as monitoring
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.domain import (
    RequestSort,
    RequestState,
    SubscriptionSort,
    SubscriptionState,
)
from marketplace.subscriptions.repository import NegotiationFilter
from marketplace.subscriptions.tables import ServiceRequest
from mpp_sdk.clock import now

_SHOWN = 3
_SOON = timedelta(days=3)

_ByRole = dict[PlatformRole | None, dict[str, int]]


@dataclass(frozen=True)
class Item:
    """One of those that wait: the service, the other company, and a moment that matters."""

    url: str
    service: str
    partner: str
    moment: datetime | None


@dataclass(frozen=True)
class Card:
    """A kind of things that wait. count is how many there are; moment_words say what the moment is.

    Without a count there are at least as many as items.
    """

    key: str
    tone: str
    title: str
    advice: str
    count: int
    url: str
    items: Sequence[Item]
    moment_words: str


def cards(company_id: UUID) -> list[Card]:
    """Return what waits for the visitor's company; nothing for kinds of which there is nothing."""
    requests = negotiation.count_requests()
    held = subscriptions.count_subscriptions()
    found = [
        *_requests(company_id, requests),
        *_subscriptions(company_id, held),
        *_overdue(company_id),
    ]
    names = _names(company_id, found)
    return [make(names) for make in found]


class _Found:
    """A card whose companies have no names yet, so that one query finds all of them."""

    def __init__(
        self, rows: Sequence[Any], moments: Sequence[datetime | None], **card: Any
    ) -> None:
        self.rows = rows
        self._moments = moments
        self._card = card

    def __call__(self, names: dict[UUID, str]) -> Card:
        items = [
            Item(_url_of(row), row.service_name, names[row.id], moment)
            for row, moment in zip(self.rows, self._moments, strict=True)
        ]
        return Card(items=items, **self._card)


def _names(company_id: UUID, found: Sequence[_Found]) -> dict[UUID, str]:
    """Return the name of the other company of each row, by the row's id."""
    partners = {
        row.id: row.requester_id if row.provider_id == company_id else row.provider_id
        for one in found
        for row in one.rows
    }
    companies = identity.companies(set(partners.values()))
    return {row_id: companies[partner].name for row_id, partner in partners.items()}


def _requests(company_id: UUID, counts: _ByRole) -> Iterator[_Found]:
    to_answer = counts[PlatformRole.PROVIDER].get(RequestState.REQUESTED, 0)
    if to_answer:
        rows = _expiring(company_id, PlatformRole.PROVIDER, RequestState.REQUESTED)
        yield _Found(
            rows,
            [row.expires_at for row in rows],
            key="to-answer",
            tone="waiting",
            title=_("Requests to answer"),
            advice=_("Make an offer, or say no, before they expire."),
            count=to_answer,
            url=url_for("negotiation.overview", role="provider", state="REQUESTED"),
            moment_words=_("expires"),
        )
    to_decide = counts[PlatformRole.REQUESTER].get(RequestState.OFFERED, 0)
    if to_decide:
        rows = _expiring(company_id, PlatformRole.REQUESTER, RequestState.OFFERED)
        yield _Found(
            rows,
            [row.expires_at for row in rows],
            key="to-decide",
            tone="waiting",
            title=_("Offers to decide on"),
            advice=_("Accept them, or ask for other terms, before they expire."),
            count=to_decide,
            url=url_for("negotiation.overview", role="requester", state="OFFERED"),
            moment_words=_("expires"),
        )
    if counts[PlatformRole.PROVIDER].get(RequestState.OFFERED, 0):
        rows = _expiring(company_id, PlatformRole.PROVIDER, RequestState.OFFERED, now() + _SOON)
        if rows:
            yield _Found(
                rows,
                [row.expires_at for row in rows],
                key="about-to-expire",
                tone="waiting",
                title=_("Your offers about to expire"),
                advice=_("A revised offer can be accepted for longer."),
                count=len(rows),
                url=url_for(
                    "negotiation.overview", role="provider", state="OFFERED", sort="expiring"
                ),
                moment_words=_("expires"),
            )


def _subscriptions(company_id: UUID, counts: _ByRole) -> Iterator[_Found]:
    for state, tone, title, advice in (
        (
            SubscriptionState.SUSPENDED,
            "bad",
            _("Suspended subscriptions"),
            _("No data flows; their pages say why."),
        ),
        (
            SubscriptionState.PENDING,
            "waiting",
            _("Subscriptions that have not begun"),
            _("A platform has not acknowledged yet."),
        ),
    ):
        count = sum(by_state.get(state, 0) for by_state in counts.values())
        if count:
            wanted = NegotiationFilter(company_id, state)
            page = subscriptions.list_subscriptions(wanted, _SHOWN, None, SubscriptionSort.CHANGED)
            yield _Found(
                page.items,
                [row.state_since for row in page.items],
                key=state.value.lower(),
                tone=tone,
                title=title,
                advice=advice,
                count=count,
                url=url_for("subscriptions.overview", state=state.value, sort="changed"),
                moment_words=_("since"),
            )


def _overdue(company_id: UUID) -> Iterator[_Found]:
    page = monitoring.list_overdue(None, _SHOWN, None)
    if not page.items:
        return
    yield _Found(
        [one.agreement for one in page.items],
        [one.due_at for one in page.items],
        key="overdue",
        tone="bad",
        title=_("Overdue statuses"),
        advice=_("A provider's platform has not reported in time."),
        count=len(page.items),
        url=url_for("subscriptions.overview", state="ACTIVE"),
        moment_words=_("was due"),
    )


def _expiring(
    company_id: UUID, role: PlatformRole, state: RequestState, before: datetime | None = None
) -> Sequence[ServiceRequest]:
    wanted = NegotiationFilter(company_id, state, role, expires_before=before)
    page = negotiation.list_requests(wanted, _SHOWN, None, RequestSort.EXPIRING)
    return [one.request for one in page.items]


def _url_of(row: Any) -> str:
    if isinstance(row, ServiceRequest):
        return url_for("negotiation.request_page", request_id=row.id)
    return url_for("subscriptions.subscription", subscription_id=row.id)

"""Every page of the website, with ids of the market that make the most of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask
from sqlalchemy import Connection, Select, func, or_, select
from werkzeug.routing import Rule

from benchmarks.seeding import INVITATION, RESET
from benchmarks.website.visitors import EMAILS
from marketplace.accounts.tables import Person
from marketplace.catalogue.domain import VersionState
from marketplace.catalogue.tables import ApiDocument, ServiceVersion
from marketplace.delivery.tables import OUTBOX, REPLAYS
from marketplace.monitoring.tables import PointOfDelivery
from marketplace.recovery.tables import Resynchronisation
from marketplace.subscriptions.domain import RequestState, SubscriptionState
from marketplace.subscriptions.tables import Offer, ServiceRequest, Subscription
from mpp_sdk.outbox import EventState

_EACH = 3
_ASKED = {"account.invitation": {"token": INVITATION}, "account.reset": {"token": RESET}}
"""What pages ask for besides their path."""

_OF_OTHERS = ("account.from_provider",)
"""Where an identity provider sends people back to: without one there is no such page."""

Ids = Mapping[str, object]
"""What stands for the arguments of a page's address."""


@dataclass(frozen=True)
class Page:
    """A page of the website: its endpoint, and addresses of it, the most telling one first."""

    endpoint: str
    addresses: list[str]


class Unknown(LookupError):
    """A page has an argument for which nothing is known; the text says where to add it."""


def pages_of(site: Flask, connection: Connection, visitor: str) -> Iterator[Page]:
    """Return every page that is read, each with addresses as a visitor would have them."""
    company = _company(connection, visitor)
    found = _Samples(connection, company)
    for rule in site.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint not in _OF_OTHERS:
            yield Page(rule.endpoint, list(_addresses(site, rule, found)))


def _addresses(site: Flask, rule: Rule, samples: "_Samples") -> Iterator[str]:
    asked = _ASKED.get(rule.endpoint, {})
    with site.test_request_context():
        for ids in samples.of(rule):
            values = {name: ids[name] for name in rule.arguments}
            built = rule.build(values)
            assert built is not None
            yield f"{built[1]}?{urlencode(asked)}" if asked else built[1]


def _company(connection: Connection, visitor: str) -> UUID | None:
    if visitor not in EMAILS:
        return None
    return connection.execute(
        select(Person.market_player_id).where(Person.email == EMAILS[visitor])
    ).scalar_one()


class _Samples:
    """Ids of what a company takes part in, or, for an operator and for nobody, of anything."""

    def __init__(self, connection: Connection, company: UUID | None) -> None:
        self._connection = connection
        self._company = company
        self._known: dict[frozenset[str], list[Ids]] = {
            frozenset(): [{}],
            frozenset({"service_id", "number"}): list(self._services()),
            frozenset({"request_id", "offer_id"}): list(self._requests()),
            frozenset({"subscription_id", "pod_id"}): list(self._subscriptions()),
            frozenset({"event_id"}): list(self._deliveries()),
            frozenset({"market_player_id"}): [{"market_player_id": company or self._largest()}],
            frozenset({"person_id"}): list(self._people()),
            frozenset({"replay_id"}): self._all(select(REPLAYS.job.c.id.label("replay_id"))),
            frozenset({"run_id"}): self._all(select(Resynchronisation.id.label("run_id"))),
        }

    def of(self, rule: Rule) -> list[Ids]:
        """Return what the arguments of a page may be. Raises Unknown."""
        for names, found in self._known.items():
            if rule.arguments <= names:
                return found
        raise Unknown(
            f"{rule.rule} has {sorted(rule.arguments)}; say in {__name__} where they come from."
        )

    def _services(self) -> Iterator[Ids]:
        """Give those with a document first."""
        documented = select(ServiceVersion.service_id, ServiceVersion.number).join(
            ApiDocument, ApiDocument.version_id == ServiceVersion.id
        )
        yield from self._all(documented.where(ServiceVersion.state == VersionState.PUBLISHED))
        for state in VersionState:
            query = select(ServiceVersion.service_id, ServiceVersion.number)
            query = query.where(ServiceVersion.state == state).order_by(ServiceVersion.id.desc())
            if self._company is not None:
                yield from self._all(query.where(ServiceVersion.provider_id == self._company))
            yield from self._all(query)

    def _requests(self) -> Iterator[Ids]:
        for state in RequestState:
            query = (
                select(ServiceRequest.id.label("request_id"), Offer.id.label("offer_id"))
                .outerjoin(Offer, Offer.request_id == ServiceRequest.id)
                .where(ServiceRequest.state == state)
                .order_by(ServiceRequest.id.desc())
            )
            if self._company is not None:
                query = query.where(
                    or_(
                        ServiceRequest.provider_id == self._company,
                        ServiceRequest.requester_id == self._company,
                    )
                )
            yield from self._all(query)

    def _subscriptions(self) -> Iterator[Ids]:
        pods = PointOfDelivery
        largest = (
            select(pods.subscription_id, func.min(pods.pod_id).label("pod_id"))
            .join(Subscription, Subscription.id == pods.subscription_id)
            .group_by(pods.subscription_id)
            .order_by(func.count().desc())
        )
        for state in (SubscriptionState.ACTIVE, *SubscriptionState):
            query = largest.where(Subscription.state == state)
            if self._company is not None:
                query = query.where(
                    or_(
                        Subscription.provider_id == self._company,
                        Subscription.requester_id == self._company,
                    )
                )
            yield from self._all(query)

    def _deliveries(self) -> Iterator[Ids]:
        event = OUTBOX.event.c
        for state in (EventState.DEAD, EventState.RETRYING, EventState.DELIVERED):
            query = select(event.event_id).where(event.state == state)
            if self._company is not None:
                query = query.where(event.lane == str(self._company))
            yield from self._all(query)

    def _people(self) -> Iterator[Ids]:
        company = Person.market_player_id
        mine = company.is_(None) if self._company is None else company == self._company
        yield from self._all(select(Person.id.label("person_id")).where(mine))

    def _largest(self) -> UUID | None:
        return self._connection.execute(
            select(Person.market_player_id).where(Person.email == EMAILS["provider"])
        ).scalar_one_or_none()

    def _all(self, query: Select[*tuple[Any, ...]]) -> list[Ids]:
        rows = self._connection.execute(query.limit(_EACH))
        return [dict(row._mapping) for row in rows]

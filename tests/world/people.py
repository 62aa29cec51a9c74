"""The companies of a test and what they do at the marketplace, each secret kept in mind."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import requests

from mpp_sdk.client import NO_RETRIES, api_key, bearer
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    ApiDocumentText,
    CredentialDraft,
    CredentialKind,
    DataStandard,
    Integration,
    MarketPlayerDraft,
    MarketPlayerRole,
    Offer,
    OfferDraft,
    Period,
    PlatformDraft,
    PlatformRole,
    Price,
    PriceModel,
    ServiceCategory,
    ServiceDescription,
    ServiceRequest,
    ServiceRequestDraft,
    ServiceVersion,
    Subscription,
    TokenRequest,
)
from mpp_sdk.contracts.notifications.client import NotificationsClient

BOTH_ROLES = (PlatformRole.PROVIDER, PlatformRole.REQUESTER)


@dataclass
class Person:
    """Somebody with a token: an operator, or a company's people."""

    token: str
    client: MarketplaceClient

    @property
    def headers(self) -> dict[str, str]:
        """What authenticates a call."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Company(Person):
    """A registered company with a credential for its platform."""

    name: str
    player_id: UUID
    credential_id: UUID
    key: str
    key_id: UUID
    signing_secret: str = ""

    @property
    def key_headers(self) -> dict[str, str]:
        """What authenticates a call of its platform."""
        return {"X-API-Key": self.key}


@dataclass
class Register:
    """Signs people in and companies up at one marketplace; `secrets` holds all that it was told."""

    url: str
    secrets: set[str] = field(default_factory=set)
    operator: Person = field(init=False)

    @property
    def api(self) -> str:
        """The base URL of the marketplace's own contract."""
        return f"{self.url}/api/v1"

    def sign_in_operator(self, client_id: str, client_secret: str) -> None:
        """Sign the operator in."""
        self.secrets.add(client_secret)
        self.operator = self.sign_in(client_id, client_secret)

    def sign_in(self, client_id: str, client_secret: str) -> Person:
        """Return somebody with a fresh token."""
        anonymous = MarketplaceClient(self.api, requests.Session(), retries=NO_RETRIES)
        token = anonymous.issue_token(
            TokenRequest(
                grant_type="client_credentials", client_id=client_id, client_secret=client_secret
            )
        ).access_token
        self.secrets.add(token)
        return Person(
            token,
            MarketplaceClient(
                self.api, requests.Session(), bearer(lambda: token), retries=NO_RETRIES
            ),
        )

    def company(
        self,
        name: str,
        roles: list[MarketPlayerRole],
        platform_url: str = "http://127.0.0.1:9",
        inbound_key: str = "the-key-of-a-platform-that-does-not-run",
    ) -> Company:
        """Return a new company: registered, active, with a platform and a key for it."""
        anonymous = MarketplaceClient(self.api, requests.Session(), retries=NO_RETRIES)
        registration = anonymous.register_market_player(
            MarketPlayerDraft(name=name, roles=roles, country="ES", contact_email="a@b.example")
        )
        credential = registration.credential
        assert credential.client_id
        assert credential.client_secret
        player_id = registration.market_player.market_player_id
        self.operator.client.activate_market_player(player_id, ActionReason(reason="Verified."))
        person = self.sign_in(credential.client_id, credential.client_secret)
        platform = person.client.set_platform(
            player_id, PlatformDraft(base_url=platform_url, api_key=inbound_key)
        ).body
        issued = person.client.issue_credential(
            player_id,
            CredentialDraft(kind=CredentialKind.API_KEY, label="platform", roles=list(BOTH_ROLES)),
        )
        assert issued.api_key
        assert platform.signing_secret
        self.secrets |= {
            credential.client_secret,
            issued.api_key,
            platform.signing_secret,
            inbound_key,
        }
        return Company(
            person.token,
            person.client,
            name,
            player_id,
            credential.credential_id,
            issued.api_key,
            issued.credential_id,
            platform.signing_secret,
        )

    def notifications(self, company: Company) -> NotificationsClient:
        """Return the notifications client of a company's platform."""
        return NotificationsClient(
            f"{self.url}/notifications/v1",
            requests.Session(),
            api_key(company.key),
            retries=NO_RETRIES,
        )


def description(name: str, interval: str = "PT1H") -> ServiceDescription:
    """Return what a service of meter data is."""
    return ServiceDescription(
        name=name,
        summary="Readings of households",
        category=ServiceCategory.METERING_DATA,
        provider_role=MarketPlayerRole.DSO,
        countries=["ES"],
        data_standard=DataStandard.CIM_IEC_62325,
        consent_required=True,
        price=Price(model=PriceModel.FREE),
        terms="Readings of the day before by noon.",
        interim_status_interval=interval,
        integration=Integration(contract="metering", contract_version="1.0.0"),
    )


def draft(provider: Company, name: str) -> ServiceVersion:
    """Return a drafted service."""
    return provider.client.create_service(description(name)).body


def publish(provider: Company, name: str) -> ServiceVersion:
    """Return a published service."""
    drafted = draft(provider, name)
    return provider.client.publish_service_version(drafted.service_id, drafted.version).body


def document(provider: Company, drafted: ServiceVersion) -> ServiceVersion:
    """Return a draft that has a document of its own."""
    info = f"{{title: {drafted.description.name}, version: '1'}}"
    text = f"{{openapi: 3.0.3, info: {info}, paths: {{}}}}"
    provider.client.write_api_document(
        drafted.service_id, drafted.version, ApiDocumentText(text=text), if_match="*"
    )
    return drafted


def request(requester: Company, service: ServiceVersion) -> ServiceRequest:
    """Return a request for a service."""
    return requester.client.request_service(ServiceRequestDraft(service_id=service.service_id)).body


def offer(provider: Company, requested: ServiceRequest, interval: str = "PT1H") -> Offer:
    """Return an open offer."""
    now = datetime.now(UTC)
    return provider.client.make_offer(
        requested.service_request_id,
        OfferDraft(
            terms="Readings of the day before by noon.",
            price=Price(model=PriceModel.FREE),
            validity=Period(start=now - timedelta(minutes=1)),
            interim_status_interval=interval,
            valid_until=now + timedelta(days=14),
        ),
    ).body


def subscribe(
    provider: Company, requester: Company, service: ServiceVersion, interval: str = "PT1H"
) -> Subscription:
    """Return a subscription, PENDING."""
    requested = request(requester, service)
    offered = offer(provider, requested, interval)
    return requester.client.accept_offer(requested.service_request_id, offered.offer_id).body

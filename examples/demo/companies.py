"""The people of the demonstration: what an operator and two companies do at the marketplace."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import requests

from mpp_sdk.client import bearer
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    CredentialDraft,
    CredentialKind,
    IntegrationTest,
    MarketPlayerDraft,
    MarketPlayerRole,
    PlatformDraft,
    PlatformRole,
    TokenRequest,
)

T = TypeVar("T")


class DidNotHappen(Exception):
    """Something that the demonstration waited for, or asked for, did not come."""


@dataclass(frozen=True)
class Company:
    """A registered company: its ids, and its people's client of the marketplace."""

    name: str
    player_id: UUID
    credential_id: UUID
    client: MarketplaceClient


@dataclass(frozen=True)
class PlatformAccess:
    """What a company enters into its platform's settings: the two secrets from the marketplace."""

    credential_id: UUID
    api_key: str
    signing_secret: str


def sign_in(marketplace_url: str, client_id: str, client_secret: str) -> MarketplaceClient:
    """Return a client of the marketplace that gets its own token."""
    base_url = f"{marketplace_url}/api/v1"
    anonymous = MarketplaceClient(base_url, requests.Session())
    token = anonymous.issue_token(
        TokenRequest(
            grant_type="client_credentials", client_id=client_id, client_secret=client_secret
        )
    )
    return MarketplaceClient(base_url, requests.Session(), bearer(lambda: token.access_token))


def register(
    marketplace_url: str, operator: MarketplaceClient, name: str, roles: list[MarketPlayerRole]
) -> Company:
    """Sign a company up, and have the operator activate it."""
    anonymous = MarketplaceClient(f"{marketplace_url}/api/v1", requests.Session())
    registration = anonymous.register_market_player(
        MarketPlayerDraft(
            name=name, roles=roles, country="ES", contact_email="integration@company.example"
        )
    )
    player_id = registration.market_player.market_player_id
    operator.activate_market_player(player_id, ActionReason(reason="The licence was verified."))
    credential = registration.credential
    client = sign_in(
        marketplace_url, expect(credential.client_id), expect(credential.client_secret)
    )
    return Company(name, player_id, credential.credential_id, client)


def connect_platform(company: Company, platform_url: str, inbound_key: str) -> PlatformAccess:
    """State the connection settings of a company's platform and get its two secrets."""
    settings = company.client.set_platform(
        company.player_id, PlatformDraft(base_url=platform_url, api_key=inbound_key)
    )
    issued = company.client.issue_credential(
        company.player_id,
        CredentialDraft(
            kind=CredentialKind.API_KEY,
            label="platform",
            roles=[PlatformRole.PROVIDER, PlatformRole.REQUESTER],
        ),
    )
    return PlatformAccess(
        issued.credential_id, expect(issued.api_key), expect(settings.body.signing_secret)
    )


def run_set_up_test(company: Company) -> IntegrationTest:
    """Return the result of the integration set-up test of a company's platform."""
    return company.client.test_platform(company.player_id)


def expect(value: T | None) -> T:
    """Return a value that the contract promises here. Raises LookupError when it is missing."""
    if value is None:
        raise LookupError("The marketplace left out a value that it promises here.")
    return value


def wait_until(what: str, condition: Callable[[], T | None], seconds: float = 60) -> T:
    """Return what a condition gives once it gives anything. Raises DidNotHappen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.03)
    raise DidNotHappen(f"{what} did not happen within {seconds:.0f} seconds.")

"""The capabilities of the market over real HTTP: statuses, headers, and what is in the answers."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import requests

from marketplace import app
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import service as identity
from marketplace.identity.domain import AccessRole, CredentialKind
from mpp_sdk import clock
from mpp_sdk.ids import new_id
from mpp_sdk.web.server import BackgroundServer, compose
from tests.unit.marketplace.market import DAY, Company, Market, description, offer_draft


class Client:
    """Calls the marketplace with a company's API key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def __call__(
        self, method: str, path: str, body: Any = None, *, expect: int, **headers: str
    ) -> requests.Response:
        base = path if path.startswith("/notifications") else f"/api/v1{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = requests.request(
            method,
            self.url + base,
            json=body,
            headers={"X-API-Key": self.key, **named},
            timeout=30,
        )
        assert answer.status_code == expect, answer.text
        return answer


@pytest.fixture
def url(market: Market) -> Iterator[str]:
    with BackgroundServer(compose(app.bound_contracts(market.environment))) as address:
        yield address


def client(url: str, market: Market, company: Company) -> Client:
    issued = market.call(
        company,
        identity.issue_credential,
        company.id,
        CredentialKind.API_KEY,
        "test",
        frozenset({AccessRole.PROVIDER, AccessRole.REQUESTER}),
    )
    return Client(url, issued.secret)


@pytest.fixture
def seller(url: str, market: Market, provider: Company) -> Client:
    return client(url, market, provider)


@pytest.fixture
def buyer(url: str, market: Market, requester: Company) -> Client:
    return client(url, market, requester)


@pytest.fixture
def other(url: str, market: Market, stranger: Company) -> Client:
    return client(url, market, stranger)


def wire(model: Any, **changes: Any) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True) | changes


def test_the_whole_way_over_http(
    market: Market, seller: Client, buyer: Client, other: Client
) -> None:
    drafted = seller("POST", "/services", wire(description()), expect=201)
    version = drafted.headers["Location"].removeprefix("/api/v1")
    other("GET", version, expect=404)
    seller("PUT", version, wire(description(name="Readings")), expect=428)
    seller("PUT", version, wire(description()), expect=412, If_Match='"99"')
    edited = seller("PUT", version, wire(description(name="Readings")), expect=200, If_Match="*")
    assert edited.headers["ETag"] != drafted.headers["ETag"]
    seller("POST", f"{version}/publish", expect=200, If_Match=edited.headers["ETag"])
    seller("POST", f"{version}/publish", expect=409)
    found = buyer("GET", "/services?q=read&consentRequired=true&country=ES", expect=200).json()
    [service] = found["items"]
    assert service["description"]["name"] == "Readings"
    assert service["provider"]["roles"] == ["DSO"]

    draft = {"serviceId": service["serviceId"], "message": "Please", "expectedPods": 3}
    key = str(new_id())
    asked = buyer("POST", "/service-requests", draft, expect=201, Idempotency_Key=key)
    again = buyer("POST", "/service-requests", draft, expect=201, Idempotency_Key=key)
    assert again.json() == asked.json()
    request = asked.headers["Location"].removeprefix("/api/v1")
    seller("POST", "/service-requests", draft, expect=409)
    offered = seller("POST", f"{request}/offers", wire(offer_draft()), expect=201)
    proposal = {"message": "Cheaper", "price": {"model": "FREE"}}
    countered = buyer("POST", f"{request}/counter", proposal, expect=200).json()
    assert countered["counterProposal"] == proposal
    assert countered["currentOffer"]["state"] == "SUPERSEDED"
    buyer("POST", f"{request}/counter", proposal, expect=409)
    backwards = wire(offer_draft())
    backwards["validity"]["end"] = "2020-01-01T00:00:00Z"
    problem = seller("POST", f"{request}/offers", backwards, expect=400).json()
    assert problem["errors"][0]["pointer"] == "/validity/end"
    offered = seller("POST", f"{request}/offers", wire(offer_draft()), expect=201)
    offer = offered.headers["Location"].removeprefix("/api/v1")
    assert offered.json()["revision"] == 2
    other("POST", f"{offer}/accept", expect=404)
    seller("POST", f"{offer}/accept", expect=403)
    accepted = buyer("POST", f"{offer}/accept", expect=201, If_Match=offered.headers["ETag"])
    subscription = accepted.headers["Location"].removeprefix("/api/v1")
    assert accepted.json()["state"] == "PENDING"
    assert "fxb_" not in accepted.text
    again = buyer("POST", f"{offer}/accept", expect=409).json()
    assert (again["state"], again["allowed"]) == ("ACCEPTED", [])

    row = market.subscription(UUID(accepted.json()["subscriptionId"]))
    for role in PlatformRole:
        market.acknowledge(row.id, role)
    active = seller("GET", subscription, expect=200)
    assert active.json()["acknowledgedBy"] == ["provider", "requester"]

    moment = clock.now()
    notice = {
        "eventId": str(new_id()),
        "occurredAt": moment.isoformat(),
        "subscriptionId": str(row.id),
        "podId": "ES0021000000000001JN",
        "state": "GRANTED",
        "validity": {"start": moment.isoformat(), "end": (moment + DAY).isoformat()},
    }
    consent = "/notifications/v1/service/consent"
    assert seller("POST", consent, notice, expect=200).json()["outcome"] == "APPLIED"
    assert seller("POST", consent, notice, expect=200).json()["outcome"] == "DUPLICATE"
    buyer("POST", consent, notice, expect=403)
    other("POST", consent, notice, expect=404)
    impossible = notice | {"eventId": str(new_id()), "state": "DENIED"}
    impossible["occurredAt"] = clock.now().isoformat()
    problem = seller("POST", consent, impossible, expect=409).json()
    assert (problem["state"], problem["allowed"]) == ("GRANTED", ["WITHDRAWN", "EXPIRED"])
    activation = {k: v for k, v in notice.items() if k != "validity"}
    activation |= {"eventId": str(new_id()), "state": "ACTIVE"}
    told = seller("POST", "/notifications/v1/service/activation", activation, expect=200)
    assert told.json()["outcome"] == "APPLIED"
    interim = {
        "eventId": str(new_id()),
        "occurredAt": moment.isoformat(),
        "subscriptionId": str(row.id),
        "status": "OPERATIONAL",
        "activePods": 1,
    }
    seller("POST", "/notifications/v1/service/interim", interim, expect=200)

    for path in (
        f"{subscription}/consents?state=GRANTED",
        f"{subscription}/activations?state=ACTIVE",
        f"{subscription}/interim-statuses?status=OPERATIONAL",
        f"{subscription}/points-of-delivery?consent=GRANTED&activation=ACTIVE",
        f"/audit-trail?subscriptionId={row.id}&entityKind=Consent",
        "/subscriptions?state=ACTIVE&platformRole=requester",
        "/service-requests?state=CONFIRMED",
        f"{request}/offers?state=ACCEPTED",
        f"{version.rpartition('/')[0]}?state=PUBLISHED",
    ):
        assert len(buyer("GET", path, expect=200).json()["items"]) == 1, path
    for path in (subscription, f"{subscription}/consents", f"{subscription}/interim-statuses"):
        other("GET", path, expect=404)
    for path in ("/subscriptions", "/service-requests", "/monitoring/overdue"):
        assert other("GET", path, expect=200).json()["items"] == []

    seller("POST", f"{subscription}/suspend", {"reason": "Repairs"}, expect=200)
    buyer("POST", f"{subscription}/resume", {"reason": "Now"}, expect=403)
    seller("POST", f"{subscription}/resume", {"reason": "Repaired"}, expect=200)
    ended = buyer("POST", f"{subscription}/cancel", {"reason": "Enough"}, expect=200).json()
    assert (ended["state"], ended["reason"]) == ("CANCELED", "Enough")
    [pod] = buyer("GET", f"{subscription}/points-of-delivery", expect=200).json()["items"]
    assert (pod["consent"], pod["activation"]) == ("GRANTED", "ENDED")
    late = {"eventId": str(new_id()), "occurredAt": clock.now().isoformat()}
    activation_path = "/notifications/v1/service/activation"
    refused = seller("POST", activation_path, activation | late, expect=410).json()
    assert "The subscription is CANCELED" in refused["detail"]
    seller("POST", activation_path, activation | late | {"state": "ENDED"}, expect=200)
    seller("POST", consent, notice | late | {"state": "WITHDRAWN"}, expect=200)


MALFORMED = (
    "/services/not-an-id",
    "/services/{id}/versions/0",
    "/services/{id}/versions/x",
    "/services?cursor=nonsense",
    "/services?limit=0",
    "/service-requests/1",
    "/subscriptions/1/consents",
    "/audit-trail?since=2026-12-01T00:00:00",
    "/audit-trail?since=2026-12-02T00:00:00Z&until=2026-12-01T00:00:00Z",
)
UNKNOWN = (
    "/services/{id}",
    "/services/{id}/versions",
    "/services/{id}/versions/1",
    "/service-requests/{id}",
    "/service-requests/{id}/offers",
    "/service-requests/{id}/offers/{id}",
    "/subscriptions/{id}",
    "/subscriptions/{id}/consents",
    "/subscriptions/{id}/activations",
    "/subscriptions/{id}/interim-statuses",
    "/subscriptions/{id}/points-of-delivery",
)
SEARCHED_FOR = ("%22%27%3B--", "NEAR(", "%F0%9F%92%A1", "*", "a%20OR%20b")


def test_what_is_malformed_unknown_or_odd(buyer: Client) -> None:
    for path in MALFORMED:
        buyer("GET", path.replace("{id}", str(new_id())), expect=400)
    for path in UNKNOWN:
        buyer("GET", path.replace("{id}", str(new_id())), expect=404)
    for text in SEARCHED_FOR:
        buyer("GET", f"/services?q={text}", expect=200)
    buyer("GET", "/services?q=%00", expect=400)

"""The generated clients, against a server of the generated handlers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest
import requests
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mpp_sdk import errors
from mpp_sdk.client import ProblemError, UnexpectedAnswer, api_key, bearer
from mpp_sdk.contracts.eu_mp import handler as eu_mp
from mpp_sdk.contracts.eu_mp.client import EuMpClient
from mpp_sdk.contracts.eu_mp.models import (
    Acknowledgement,
    AcknowledgementOutcome,
    ConnectionStatus,
    ConnectionTest,
    HeldEventPage,
    HeldServiceOfferPage,
    IssuedApiKey,
    NotificationReplay,
    NotificationReplayOrder,
    PlatformRole,
    PointsOfDeliveryRequested,
    ServiceOfferCanceled,
    ServiceOfferChanged,
    ServiceOfferConfirmed,
)
from mpp_sdk.contracts.metering import handler as metering
from mpp_sdk.contracts.metering.client import MeteringClient
from mpp_sdk.contracts.metering.models import (
    ActivationState,
    PointOfDeliveryPage,
    PointOfDeliveryStatus,
    PointsOfDeliveryRequest,
)
from mpp_sdk.web.binding import bind, methods_of
from mpp_sdk.web.call import Principal, Reply, current_call, no_edge
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer, compose

EVENT_ID = UUID("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90")
MOMENT = datetime(2026, 12, 1, 10, tzinfo=UTC)
APPLIED = AcknowledgementOutcome.APPLIED


class Platform(eu_mp.EuMpHandler):
    def confirm_service_offer(
        self, platform_role: PlatformRole, body: ServiceOfferConfirmed
    ) -> Acknowledgement:
        assert isinstance(platform_role, PlatformRole)
        assert body.occurred_at.tzinfo is not None
        return Acknowledgement(event_id=body.event_id, outcome=APPLIED)

    def cancel_service_offer(
        self, platform_role: PlatformRole, body: ServiceOfferCanceled
    ) -> Acknowledgement:
        raise errors.IllegalTransition("Subscription", "EXPIRED", "cancel", [])

    def suspend_service_offer(
        self, platform_role: PlatformRole, body: ServiceOfferChanged
    ) -> Acknowledgement:
        return Acknowledgement(event_id=body.event_id, outcome=APPLIED)

    def resume_service_offer(
        self, platform_role: PlatformRole, body: ServiceOfferChanged
    ) -> Acknowledgement:
        return Acknowledgement(event_id=body.event_id, outcome=APPLIED)

    def receive_requested_points_of_delivery(
        self, platform_role: PlatformRole, body: PointsOfDeliveryRequested
    ) -> Acknowledgement:
        return Acknowledgement(event_id=body.event_id, outcome=APPLIED)

    def refresh_api_key(self) -> IssuedApiKey:
        return IssuedApiKey(
            api_key=(current_call().idempotency_key or "none").ljust(20, "."),
            valid_from=MOMENT,
            valid_until=MOMENT,
            previous_key_valid_until=MOMENT,
        )

    def test_connection(self) -> ConnectionTest:
        return ConnectionTest(
            status=ConnectionStatus.AVAILABLE, contract="eu-mp", contract_version="1", time=MOMENT
        )

    def list_held_events(
        self, since: datetime, limit: int = 50, cursor: str | None = None
    ) -> HeldEventPage:
        return HeldEventPage(items=[], next_cursor=cursor)

    def list_held_service_offers(
        self, limit: int = 50, cursor: str | None = None
    ) -> HeldServiceOfferPage:
        return HeldServiceOfferPage(items=[], next_cursor=cursor)

    def replay_notifications(self, body: NotificationReplayOrder) -> NotificationReplay:
        return NotificationReplay(queued=0, kept_since=body.since)


class Meters(metering.MeteringHandler):
    def list_points_of_delivery(
        self,
        subscription_id: UUID,
        limit: int = 50,
        cursor: str | None = None,
        activation: ActivationState | None = None,
    ) -> PointOfDeliveryPage:
        pod = PointOfDeliveryStatus(pod_id="ES1", activation=activation, updated_at=MOMENT)
        return PointOfDeliveryPage(items=[pod] * limit, next_cursor=cursor)

    def request_points_of_delivery(
        self, subscription_id: UUID, body: PointsOfDeliveryRequest
    ) -> PointOfDeliveryPage:
        return PointOfDeliveryPage(items=[])

    def read_validated_measure_data(
        self,
        subscription_id: UUID,
        pod_id: str,
        start: datetime,
        end: datetime,
        max_points: int = 5000,
    ) -> Reply:
        text = f"{pod_id} {start.isoformat()} {end.isoformat()} {max_points}"
        return Reply(text.encode(), headers={"Link": '</first>; rel="prev", </more>; rel="next"'})


@dataclass(frozen=True)
class Owner:
    def authenticate(self, scheme: str, credential: str) -> Principal:
        if credential != "fxk_good":
            raise errors.Unauthenticated("The key has expired.")
        return Principal("m", "Marketplace")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    bound = [
        bind(Contract.load(name), methods_of(handler), edge=no_edge, authenticator=Owner())
        for name, handler in (("eu_mp", Platform()), ("metering", Meters()))
    ]
    with BackgroundServer(compose(bound)) as base:
        yield base


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


def changed() -> ServiceOfferChanged:
    return ServiceOfferChanged(
        event_id=EVENT_ID, occurred_at=MOMENT, subscription_id=EVENT_ID, reason="Review"
    )


def test_every_example_of_the_contract_makes_its_way(url: str, session: requests.Session) -> None:
    client = EuMpClient(url + "/eu-mp/v1/", session, api_key("fxk_good"))
    contract = Contract.load("eu_mp")
    path = contract.document["paths"]["/service-offer/confirmed/{platformRole}"]["post"]
    example = path["requestBody"]["content"]["application/json"]["example"]
    body = ServiceOfferConfirmed.model_validate(example)

    answer = client.confirm_service_offer(PlatformRole.REQUESTER, body)

    assert answer == Acknowledgement(event_id=body.event_id, outcome=APPLIED)


def test_an_idempotency_key_goes_along(url: str, session: requests.Session) -> None:
    client = EuMpClient(url + "/eu-mp/v1", session, api_key("fxk_good"))

    assert client.refresh_api_key(idempotency_key="k-1").api_key.startswith("k-1.")
    made = {client.refresh_api_key().api_key for _ in range(2)}
    assert len(made) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in made)


def test_a_refusal_carries_the_problem(url: str, session: requests.Session) -> None:
    client = EuMpClient(url + "/eu-mp/v1", session, api_key("fxk_good"))
    body = ServiceOfferCanceled.model_validate(
        changed().model_dump(by_alias=True) | {"state": "CANCELED"}
    )

    with pytest.raises(ProblemError) as refused:
        client.cancel_service_offer(PlatformRole.PROVIDER, body)

    assert refused.value.status == refused.value.problem.status == 409
    assert refused.value.problem.state == "EXPIRED"
    assert refused.value.problem.allowed == []
    assert "which does not allow 'cancel'" in str(refused.value)


def test_the_credential_is_asked_for_at_each_call(url: str, session: requests.Session) -> None:
    keys = iter(["fxk_old", "fxk_good"])
    client = EuMpClient(url + "/eu-mp/v1", session, lambda: {"X-API-Key": next(keys)})

    with pytest.raises(ProblemError, match="The key has expired"):
        client.test_connection()
    assert client.test_connection().status is ConnectionStatus.AVAILABLE


def test_a_token_goes_into_the_authorization_header(url: str, session: requests.Session) -> None:
    client = EuMpClient(url + "/eu-mp/v1", session, bearer(lambda: "fxk_good"))

    with pytest.raises(ProblemError, match="Present an API key"):  # EU-MP takes no tokens
        client.test_connection()


def test_an_answer_that_breaks_the_contract_is_told_apart(
    url: str, session: requests.Session
) -> None:
    client = EuMpClient(url + "/metering/v1/subscriptions", session, api_key("fxk_good"))
    with pytest.raises(ProblemError) as unknown:
        client.test_connection()
    assert unknown.value.status == 404

    async def maybe(_: Request) -> Response:
        return PlainTextResponse('{"status": "MAYBE"}')

    app = compose([], [Route("/test", maybe)])
    with BackgroundServer(app) as base, pytest.raises(UnexpectedAnswer) as broken:
        EuMpClient(base, session).test_connection()
    assert "(200, text/plain) is no ConnectionTest: /status enum: " in str(broken.value)
    assert "/contractVersion missing: Field required" in str(broken.value)
    assert "MAYBE" not in str(broken.value)
    assert broken.value.__cause__ is None
    assert broken.value.answer is not None
    assert broken.value.answer.body == b'{"status": "MAYBE"}'


def test_parameters_are_encoded_and_typed(url: str, session: requests.Session) -> None:
    client = MeteringClient(url + "/metering/v1", session, api_key("fxk_good"))

    page = client.list_points_of_delivery(EVENT_ID, limit=2, activation=ActivationState.ACTIVE)
    default = client.list_points_of_delivery(EVENT_ID, cursor="abc=")

    assert [item.activation for item in page.items] == [ActivationState.ACTIVE] * 2
    assert len(default.items) == 50
    assert default.next_cursor == "abc="


@pytest.mark.parametrize("media_type", ["application/json", "application/xml"])
def test_a_document_comes_as_it_is(url: str, session: requests.Session, media_type: str) -> None:
    client = MeteringClient(url + "/metering/v1", session, api_key("fxk_good"))

    answer = client.read_validated_measure_data(
        EVENT_ID, "ES:1_2", MOMENT, MOMENT, max_points=7, accept=media_type
    )

    assert answer.body == f"ES:1_2 {MOMENT.isoformat()} {MOMENT.isoformat()} 7".encode()
    assert answer.media_type == media_type
    assert answer.next_link == "/more"


def test_a_redirect_is_not_followed(session: requests.Session) -> None:
    async def moved(_: Request) -> Response:
        return PlainTextResponse("moved", 307, {"Location": "/elsewhere"})

    app = compose([], [Route("/test", moved)])
    with BackgroundServer(app) as base, pytest.raises(ProblemError) as refused:
        EuMpClient(base, session).test_connection()

    assert refused.value.status == 307
    assert refused.value.problem.detail == "moved"

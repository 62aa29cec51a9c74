"""The TypeScript example keeps the contracts that it serves, by the conformance kit."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import requests

from examples.demo.processes import free_port
from mpp_sdk import webhooks
from mpp_sdk.client import api_key
from mpp_sdk.conformance import Credentials, Run, Target, Verdict, cases_of, run
from mpp_sdk.conformance.subject import opened
from mpp_sdk.contracts.metering.client import MeteringClient
from mpp_sdk.contracts.metering.models import PointsOfDeliveryRequest
from mpp_sdk.ids import new_id
from mpp_sdk.transport import AddressPolicy
from mpp_sdk.web.contract import Contract
from tests.services.node import ExamplePlatform

POD, REFUSED_POD = "METER-1", "METER-2"
SECRETS = (webhooks.new_signing_secret(), webhooks.new_signing_secret())
START = datetime(2026, 10, 20, 22, tzinfo=UTC)
"""The readings go over the night in which clocks in Europe are set back."""
HOURS = 240
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamplePlatform]:
    folder = tmp_path_factory.mktemp("provider") / "platform"
    made = ExamplePlatform(folder, free_port(), {POD: True, REFUSED_POD: False})
    made.environment |= {
        "MPP_SIGNING_SECRETS": ",".join(SECRETS),
        "MPP_MARKETPLACE_URL": NOWHERE,
    }
    rows = [
        f"{(START + timedelta(hours=hour)).isoformat()},{hour / 1000:.3f}" for hour in range(HOURS)
    ]
    (made.readings / f"{POD}.csv").write_text("\n".join(["start,value", *rows]))
    made.start()
    yield made
    made.stop()


def confirmed(platform: ExamplePlatform, key: str) -> UUID:
    """Return a subscription of which the platform was told, with the key of its requester."""
    path = "/service-offer/confirmed/{platformRole}"
    operation = Contract.load("eu_mp").document["paths"][path]["post"]
    event = json.loads(
        json.dumps(operation["requestBody"]["content"]["application/json"]["example"])
    )
    moment, subscription_id = datetime.now(UTC), new_id()
    event |= {
        "eventId": str(new_id()),
        "subscriptionId": str(subscription_id),
        "occurredAt": moment.isoformat(),
    }
    event["terms"]["validity"] = {"start": START.isoformat()}
    event["b2b"]["apiKey"] = key
    body = json.dumps(event).encode()
    answer = requests.post(
        f"{platform.url}/eu-mp/v1/service-offer/confirmed/provider",
        data=body,
        headers={
            "X-API-Key": platform.inbound_key,
            "Content-Type": "application/json",
            **webhooks.sign(event["eventId"], moment, body, SECRETS[:1]),
        },
        timeout=10,
    )
    assert answer.json()["outcome"] == "APPLIED"
    return subscription_id


def conforming(platform: ExamplePlatform, target: Target) -> Run:
    """Return what came of every case of a contract, having printed what has not passed."""
    with opened(target, Contract.load(target.contract.replace("-", "_")), platform) as subject:
        done = run(subject, cases_of(target.contract))
    for result in done.results:
        if result.outcome != "PASSED":
            print(result.case.id, result.outcome, result.detail)
    return done


def test_it_keeps_the_metering_contract(platform: ExamplePlatform) -> None:
    key, foreign_key = (f"fxb_{letter * 40}" for letter in "st")
    mine, foreign = confirmed(platform, key), confirmed(platform, foreign_key)
    client = MeteringClient(f"{platform.url}/metering/v1", requests.Session(), api_key(key))
    client.request_points_of_delivery(mine, PointsOfDeliveryRequest(pod_ids=[POD, REFUSED_POD]))
    target = Target(
        platform.url,
        "metering",
        Credentials(key),
        AddressPolicy(allow_private=True, allow_http=True),
        subscription_id=mine,
        foreign_subscription_id=foreign,
        pod_ids=(POD,),
        period=(START, START + timedelta(hours=HOURS)),
        refused_pod_id=REFUSED_POD,
    )
    assert conforming(platform, target).verdict is Verdict.CONFORMS


def test_it_keeps_the_eu_mp_contract(platform: ExamplePlatform) -> None:
    target = Target(
        platform.url,
        "eu-mp",
        Credentials(platform.inbound_key, SECRETS),
        AddressPolicy(allow_private=True, allow_http=True),
    )
    assert conforming(platform, target).verdict is Verdict.CONFORMS

"""Nothing of a company can be seen by another one: every operation, taken from the contract."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import requests

from mpp_sdk.client import ProblemError
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import (
    CredentialDraft,
    CredentialKind,
    DeliveryReplayDraft,
    DeliveryReplayState,
    EventKind,
    FinishedDeliveryState,
    PlatformRole,
)
from mpp_sdk.contracts.notifications.models import (
    ActivationNotification,
    ActivationState,
    ConsentNotification,
    ConsentState,
    InterimNotification,
    ServiceStatus,
)
from mpp_sdk.ids import new_id
from mpp_sdk.web.contract import Contract, Operation
from tests.world.people import Company
from tests.world.processes import POD_WITH_CONSENT, PODS, without_limits
from tests.world.scene import FIRST_DRAFT, FIRST_DRAFTED_VERSION, Scene, staged

CONTRACT = Contract.load("marketplace")
BY_PATH_ID = [one for one in CONTRACT.operations if "{" in one.path]
LISTS = [one for one in CONTRACT.operations if any(p.name == "cursor" for p in one.parameters)]
WITHOUT_FILTER = {"limit", "cursor"}
SECRET = re.compile(rb"\b(?:fxk|fxs|fxt|fxb|whsec)_[A-Za-z0-9+/_-]{16,}")

Ids = Mapping[str, str]


@dataclass
class Caller:
    """Somebody who calls: its name in the tests and its credential."""

    name: str
    headers: dict[str, str]
    company: Company | None = None


@dataclass
class Isolation:
    """The scene, what belongs to the first pair alone, and all answers that were read."""

    scene: Scene
    answers: list[bytes]

    @cached_property
    def intruders(self) -> list[Caller]:
        second = self.scene.second
        return [
            Caller("second requester", second.requester.headers, second.requester),
            Caller("its platform", second.requester.key_headers, second.requester),
            Caller("second provider", second.provider.headers, second.provider),
            Caller("its platform", second.provider.key_headers, second.provider),
        ]

    @cached_property
    def strangers(self) -> list[Caller]:
        return [
            Caller("nobody", {}),
            Caller("unknown key", {"X-API-Key": "fxk_there-is-no-such-key-anywhere"}),
            Caller("unknown token", {"Authorization": "Bearer fxt_there-is-no-such-token"}),
        ]

    @cached_property
    def owners(self) -> list[Caller]:
        first = self.scene.first
        return [
            Caller("first requester", first.requester.headers, first.requester),
            Caller("first provider", first.provider.headers, first.provider),
        ]

    @cached_property
    def events(self) -> list[str]:
        """The deliveries of the first pair's subscription."""
        subscription_id = self.scene.first.subscription.subscription_id
        found = self.scene.register.operator.client.list_deliveries(subscription_id=subscription_id)
        return [str(delivery.event_id) for delivery in found.items]

    @cached_property
    def replays(self) -> list[str]:
        """Replays to the first pair's platforms, one asked for by an operator, one by a company."""
        first = self.scene.first
        client = first.requester.client
        draft = DeliveryReplayDraft(
            reason="For the test.", market_player_id=first.provider.player_id
        )
        made = [
            self.scene.register.operator.client.request_replay(draft),
            client.request_replay(
                DeliveryReplayDraft(
                    reason="Confirmations cannot be sent again: they are passed over.",
                    states=[FinishedDeliveryState.DELIVERED],
                    kind=EventKind.SERVICE_OFFER_CONFIRMED,
                    since=now() - timedelta(days=1),
                )
            ),
        ]
        deadline = time.monotonic() + 30
        while client.read_replay(made[1].replay_id).state is not DeliveryReplayState.DONE:
            assert time.monotonic() < deadline, "The replay was not done in time."
            time.sleep(0.05)
        return [str(replay.replay_id) for replay in made]

    @cached_property
    def resynchronisation(self) -> str:
        """A run over every platform, which operators alone read of."""
        marketplace = self.scene.marketplace
        done = subprocess.run(
            [
                *(sys.executable, "-m", "marketplace", "database", "resynchronise", "--json"),
                "--since=2020-01-01T00:00:00Z",
            ],
            env={**os.environ, **marketplace.environment},
            check=False,
            capture_output=True,
        )
        return str(json.loads(done.stdout)["resynchronisationId"])

    @property
    def operator(self) -> Caller:
        return Caller("operator", self.scene.register.operator.headers)

    @cached_property
    def private(self) -> set[str]:
        """Every id and name that nobody outside of the first pair may see."""
        first = self.scene.first
        requester, provider = first.requester, first.provider
        tests = [
            str(test.test_id)
            for company in (requester, provider)
            for test in company.client.list_platform_tests(company.player_id).items
        ]
        trail = [
            str(entry.audit_id)
            for entry in requester.client.list_audit_trail(
                subscription_id=first.subscription.subscription_id, limit=200
            ).items
        ]
        assert tests
        assert trail
        assert len(self.events) >= 2
        return {
            requester.name,
            *map(str, (requester.player_id, requester.credential_id, requester.key_id)),
            *map(str, (provider.credential_id, provider.key_id)),
            *map(str, (first.request.service_request_id, first.offer.offer_id)),
            str(first.confirmed_request.service_request_id),
            str(first.confirmed_offer.offer_id),
            str(first.subscription.subscription_id),
            str(first.draft.service_id),
            FIRST_DRAFT,
            FIRST_DRAFTED_VERSION,
            *PODS,
            *tests,
            *trail,
            *self.events,
            *self.replays,
        }

    @cached_property
    def contexts(self) -> list[Ids]:
        """Ids of the first pair that belong together."""
        first = self.scene.first
        return [
            *(
                {
                    "marketPlayerId": str(one.player_id),
                    "credentialId": str(credential_id),
                }
                for one in (first.requester, first.provider)
                for credential_id in (one.key_id, one.credential_id)
            ),
            {"serviceId": str(first.draft.service_id), "version": "1"},
            {"serviceId": str(first.service.service_id), "version": "2"},
            {
                "serviceRequestId": str(first.request.service_request_id),
                "offerId": str(first.offer.offer_id),
            },
            {
                "serviceRequestId": str(first.confirmed_request.service_request_id),
                "offerId": str(first.confirmed_offer.offer_id),
            },
            {"subscriptionId": str(first.subscription.subscription_id)},
            *({"eventId": event_id} for event_id in self.events),
            *({"replayId": replay_id} for replay_id in self.replays),
        ]

    def mixed(self, company: Company) -> list[Ids]:
        """Ids of the first pair below an id of the caller's own."""
        first, second = self.scene.first, self.scene.second
        return [
            {
                "marketPlayerId": str(company.player_id),
                "credentialId": str(first.requester.key_id),
            },
            {
                "serviceRequestId": str(second.request.service_request_id),
                "offerId": str(first.offer.offer_id),
            },
        ]

    @cached_property
    def filters(self) -> Mapping[str, list[str]]:
        """What the first pair's things are found by."""
        first = self.scene.first
        subscription_id = str(first.subscription.subscription_id)
        return {
            "subscriptionId": [subscription_id],
            "serviceId": [str(first.service.service_id), str(first.draft.service_id)],
            "providerId": [str(first.provider.player_id)],
            "marketPlayerId": [str(first.requester.player_id), str(first.provider.player_id)],
            "entityId": [
                subscription_id,
                str(first.offer.offer_id),
                str(first.requester.player_id),
                f"{subscription_id}/{POD_WITH_CONSENT}",
            ],
            "podId": list(PODS),
            "q": [first.requester.name, "nobody else", "draft"],
            "country": ["ES"],
            "area": ["ES"],
            "reasonContains": ["platform"],
            "resynchronisationId": [self.resynchronisation],
            "since": ["2020-01-01T00:00:00Z"],
            "until": ["2100-01-01T00:00:00Z"],
        }

    def call(
        self, caller: Caller, operation: Operation, ids: Ids, query: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Call an operation; its body is the contract's own example."""
        path = operation.path
        for name, value in ids.items():
            path = path.replace("{" + name + "}", value)
        assert "{" not in path
        headers = dict(caller.headers)
        if any(parameter.name == "If-Match" for parameter in operation.parameters):
            headers["If-Match"] = "*"
        response = requests.request(
            operation.method,
            self.scene.register.api + path,
            params=query,
            json=_example(operation),
            headers=headers,
            timeout=30,
        )
        self.answers.append(response.content)
        return response

    def seen(self, response: requests.Response) -> set[str]:
        """Return what of the first pair an answer tells, apart from what was sent."""
        sent = response.request.url or ""
        return {one for one in self.private if one in response.text and one not in sent}

    def chosen(self, operation: Operation) -> list[Ids]:
        """Return the ids of the first pair for an operation. Fails when there are none."""
        names = {p.name for p in operation.parameters if p.place == "path"}
        chosen = {
            tuple((name, context[name]) for name in sorted(names))
            for context in self.contexts
            if names <= set(context)
        }
        assert chosen, f"No id of the first company is known for {operation.operation_id}"
        return [dict(one) for one in sorted(chosen)]


@pytest.fixture(scope="module")
def isolation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Isolation]:
    # Everything is also asked with credentials that are none, which would be too many failures.
    with staged(tmp_path_factory.mktemp("scene"), without_limits("FLEXAGORA_")) as scene:
        yield Isolation(scene, [])


def _name(operation: Operation) -> str:
    return operation.operation_id


def _example(operation: Operation) -> Any:
    if not operation.body_media_types:
        return None
    node = CONTRACT.document["paths"][operation.path][operation.method.lower()]
    return node["requestBody"]["content"]["application/json"]["example"]


def _takes(operation: Operation, caller: Caller) -> bool:
    return "X-API-Key" not in caller.headers or "apiKey" in operation.schemes


def _is_public(operation: Operation, ids: Ids, isolation: Isolation) -> bool:
    """Return whether a call only reads what everybody may: a published service."""
    published = str(isolation.scene.first.service.service_id)
    return (
        operation.method == "GET"
        and ids.get("serviceId") == published
        and "version" not in {p.name for p in operation.parameters}
    )


@pytest.mark.parametrize("operation", BY_PATH_ID, ids=_name)
def test_an_id_of_another_company_is_as_good_as_unknown(
    isolation: Isolation, operation: Operation
) -> None:
    for ids in isolation.chosen(operation):
        for caller in isolation.intruders:
            response = isolation.call(caller, operation, ids)
            if _is_public(operation, ids, isolation):
                assert response.status_code == 200
            else:
                # A key opens nothing where only a token does.
                refused = (403, 404) if _takes(operation, caller) else (401,)
                assert response.status_code in refused, (caller.name, ids, response.text)
            assert isolation.seen(response) == set(), caller.name


@pytest.mark.parametrize("operation", BY_PATH_ID, ids=_name)
def test_an_id_of_another_company_below_an_own_one_is_as_good_as_unknown(
    isolation: Isolation, operation: Operation
) -> None:
    names = {p.name for p in operation.parameters if p.place == "path"}
    for caller in isolation.intruders:
        assert caller.company is not None
        for ids in isolation.mixed(caller.company):
            if names == set(ids):
                response = isolation.call(caller, operation, ids)
                assert response.status_code in (403, 404), (caller.name, ids, response.text)
                assert isolation.seen(response) == set(), caller.name


@pytest.mark.parametrize("operation", CONTRACT.operations, ids=_name)
def test_without_a_credential_there_is_nothing(isolation: Isolation, operation: Operation) -> None:
    names = {p.name for p in operation.parameters if p.place == "path"}
    if not operation.security:
        assert operation.name in ("issue_token", "register_market_player")
        return
    for caller in isolation.strangers:
        for ids in isolation.chosen(operation) if names else [{}]:
            response = isolation.call(caller, operation, ids)
            assert response.status_code == 401, caller.name
            assert response.headers["WWW-Authenticate"]
            assert isolation.seen(response) == set()


@pytest.mark.parametrize("operation", [one for one in BY_PATH_ID if one.method == "GET"], ids=_name)
def test_the_owner_reads_what_the_others_do_not(isolation: Isolation, operation: Operation) -> None:
    """Without this, the other tests could pass because nothing is there."""
    for ids in isolation.chosen(operation):
        answers = [isolation.call(caller, operation, ids) for caller in isolation.owners]
        assert 200 in [answer.status_code for answer in answers], ids


def _queries(isolation: Isolation, operation: Operation) -> Iterator[dict[str, str]]:
    """Yield no filter, and each filter with each value that leads to the first pair."""
    yield {"limit": "200"}
    for parameter in operation.parameters:
        if parameter.place != "query" or parameter.name in WITHOUT_FILTER:
            continue
        schema = parameter.schema
        values = schema.get("enum") or isolation.filters.get(parameter.name)
        if values is None and schema.get("type") == "boolean":
            values = ["true", "false"]
        assert values, f"Nothing is known for the filter {parameter.name} of {_name(operation)}"
        for value in values:
            yield {"limit": "200", parameter.name: str(value)}


def _is_for_operators_alone(isolation: Isolation, operation: Operation) -> None:
    filled = False
    for query in _queries(isolation, operation):
        for caller in (*isolation.intruders, *isolation.owners):
            response = isolation.call(caller, operation, {}, query)
            refused = 403 if _takes(operation, caller) else 401
            assert response.status_code == refused, (caller.name, response.text)
            assert isolation.seen(response) == set()
        read = isolation.call(isolation.operator, operation, {}, query)
        assert read.status_code == 200
        filled = filled or bool(read.json()["items"])
    assert filled


@pytest.mark.parametrize("operation", LISTS, ids=_name)
def test_no_list_holds_anything_of_another_company(
    isolation: Isolation, operation: Operation
) -> None:
    names = {p.name for p in operation.parameters if p.place == "path"}
    if operation.roles == {"operator"}:
        _is_for_operators_alone(isolation, operation)
        return
    owned = False
    for ids in isolation.chosen(operation) if names else [{}]:
        for query in _queries(isolation, operation):
            for caller in isolation.intruders:
                response = isolation.call(caller, operation, ids, query)
                if names and not _is_public(operation, ids, isolation):
                    assert response.status_code in (403, 404)
                else:
                    assert response.status_code == 200, response.text
                # What was asked for must not be there either: an echo is no item.
                if response.status_code == 200:
                    assert [one for one in isolation.private if one in response.text] == [], query
            for owner in isolation.owners:
                answer = isolation.call(owner, operation, ids, query)
                if answer.status_code == 200:
                    owned = owned or bool(json.loads(answer.text)["items"])
    # Nothing is overdue, and a public list holds nothing that is private.
    assert owned or operation.name == "list_overdue"


@pytest.mark.parametrize("operation", [one for one in LISTS if "{" not in one.path], ids=_name)
def test_a_cursor_of_another_company_leads_to_nothing_of_it(
    isolation: Isolation, operation: Operation
) -> None:
    refused = (401, 403) if operation.roles == {"operator"} else (200, 400)
    for owner in (*isolation.owners, isolation.operator):
        page = isolation.call(owner, operation, {}, {"limit": "1"}).json()
        if "nextCursor" not in page:
            continue
        for caller in isolation.intruders:
            query = {"limit": "200", "cursor": page["nextCursor"]}
            response = isolation.call(caller, operation, {}, query)
            assert response.status_code in refused
            assert isolation.seen(response) == set()


def test_a_body_that_names_what_is_another_companys_is_refused(isolation: Isolation) -> None:
    first, caller = isolation.scene.first, isolation.intruders[0]
    subscription_id = str(first.subscription.subscription_id)
    for body in (
        {"serviceId": str(first.draft.service_id)},
        {"serviceId": str(first.service.service_id), "supersedes": subscription_id},
    ):
        response = requests.post(
            f"{isolation.scene.register.api}/service-requests",
            json=body,
            headers=caller.headers,
            timeout=30,
        )
        isolation.answers.append(response.content)
        assert response.status_code in (403, 404), response.text
        assert isolation.seen(response) <= set(body.values())


@pytest.mark.parametrize("which", ["second provider", "second requester", "own requester"])
def test_only_the_provider_of_a_subscription_notifies(isolation: Isolation, which: str) -> None:
    scene = isolation.scene
    company = {
        "second provider": scene.second.provider,
        "second requester": scene.second.requester,
        "own requester": scene.first.requester,
    }[which]
    client = scene.register.notifications(company)
    before = scene.first.requester.client.list_points_of_delivery(
        scene.first.subscription.subscription_id
    )
    about = {
        "event_id": new_id(),
        "occurred_at": now(),
        "subscription_id": scene.first.subscription.subscription_id,
    }

    with pytest.raises(ProblemError) as consent:
        client.notify_consent(
            ConsentNotification(pod_id=POD_WITH_CONSENT, state=ConsentState.WITHDRAWN, **about)
        )
    with pytest.raises(ProblemError) as activation:
        client.notify_activation(
            ActivationNotification(pod_id=POD_WITH_CONSENT, state=ActivationState.ENDED, **about)
        )
    with pytest.raises(ProblemError) as interim:
        client.notify_interim(InterimNotification(status=ServiceStatus.UNAVAILABLE, **about))

    expected = {404} if which != "own requester" else {403, 404}
    assert {consent.value.status, activation.value.status, interim.value.status} <= expected
    assert (
        scene.first.requester.client.list_points_of_delivery(
            scene.first.subscription.subscription_id
        )
        == before
    )


def _metering(isolation: Isolation, key: str, subscription_id: object) -> list[requests.Response]:
    base = f"{isolation.scene.provider_platform.url}/metering/v1/subscriptions/{subscription_id}"
    data = f"{base}/validated-measure-data/{POD_WITH_CONSENT}"
    period = {"start": "2010-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}
    headers = {"X-API-Key": key}
    answers = [
        requests.get(f"{base}/points-of-delivery", headers=headers, timeout=30),
        requests.get(data, params=period, headers=headers, timeout=30),
        requests.post(
            f"{base}/points-of-delivery",
            json={"podIds": ["ONE-MORE-POD"]},
            headers=headers,
            timeout=30,
        ),
    ]
    isolation.answers += [answer.content for answer in answers]
    return answers


def test_the_key_of_another_subscription_opens_no_readings(isolation: Isolation) -> None:
    scene = isolation.scene
    mine, other = scene.first.subscription.subscription_id, scene.second_at_first.subscription_id

    assert [a.status_code for a in _metering(isolation, scene.second_key, mine)] == [404] * 3
    assert [a.status_code for a in _metering(isolation, "no-such-key", mine)] == [401] * 3
    pods, readings, _ = _metering(isolation, scene.second_key, other)
    assert pods.status_code == 200
    assert not any(pod in pods.text for pod in PODS)
    assert readings.status_code in (403, 404)
    assert "quantity" not in readings.text
    pods, readings, _ = _metering(isolation, scene.first_key, mine)
    assert (pods.status_code, readings.status_code) == (200, 200)
    assert "quantity" in readings.text


def test_no_secret_is_ever_given_again_or_written_down(isolation: Isolation) -> None:
    scene = isolation.scene
    requester = scene.first.requester
    issued = [
        requester.client.issue_credential(
            requester.player_id,
            CredentialDraft(
                kind=CredentialKind.API_KEY, label="again", roles=[PlatformRole.REQUESTER]
            ),
            idempotency_key="once",
        )
        for _ in range(2)
    ]
    assert issued[0] == issued[1]
    assert issued[0].api_key
    secrets = scene.secrets() | {issued[0].api_key}
    for operation in (one for one in BY_PATH_ID + LISTS if one.method == "GET"):
        names = {p.name for p in operation.parameters if p.place == "path"}
        for ids in isolation.chosen(operation) if names else [{}]:
            for caller in (*isolation.owners, Caller("operator", scene.register.operator.headers)):
                isolation.call(caller, operation, ids)

    assert len(secrets) > 20
    assert len(isolation.answers) > 100  # those of the tests that ran in this process
    for answer in isolation.answers:
        assert _told(answer, secrets) == []
    written = [one for one in scene.folder.rglob("*") if one.is_file() and _is_of_the_run(one)]
    assert {one.suffix for one in written} >= {".db", ".log", ".jsonl"}
    for file in written:
        assert _told(file.read_bytes(), secrets) == [], file.name


def _is_of_the_run(file: Path) -> bool:
    return file.suffix != ".key"  # those encrypt what is in the databases


def _told(content: bytes, secrets: set[str]) -> list[bytes]:
    known = (secret.encode() for secret in secrets if secret.encode() in content)
    return list(chain(known, SECRET.findall(content)))

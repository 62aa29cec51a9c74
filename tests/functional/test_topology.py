"""The production topology: the main job over TLS, crashes of its parts, and rolling restarts."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from examples.demo.companies import (
    Company,
    connect_platform,
    register,
    run_set_up_test,
    wait_until,
)
from examples.demo.environments import PlatformSecrets, platform_environment
from examples.demo.processes import ServerProcess
from mpp_sdk.contracts.marketplace.models import (
    DeliveryState,
    MarketPlayerRole,
    SubscriptionState,
)
from tests.functional.marketplace import deliveries, negotiate, publish, until_state
from tests.functional.traffic import Targets, Traffic, two_sides
from tests.topology import Address, Topology, running
from tests.world.processes import CUSTOMERS, PODS

OPERATOR, AGGREGATOR = "examples.local_operator:LocalOperator", "examples.aggregator:Aggregator"


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    with running(tmp_path_factory.mktemp("topology"), platforms=4) as started:
        yield started


def _platform(
    topology: Topology, company: Company, handler: str, address: Address
) -> ServerProcess:
    """Return the platform of a company as a process, connected to the marketplace over TLS."""
    label = handler.partition(":")[0].rpartition(".")[2]
    inbound = f"test-{secrets.token_urlsafe(24)}"
    access = connect_platform(company, address.url, inbound)
    given = PlatformSecrets(inbound, access.api_key, access.signing_secret)
    customers = topology.folder / "customers.json"
    customers.write_text(json.dumps(CUSTOMERS))
    environment = {
        **platform_environment(
            topology.folder, label, company.name, address.port, topology.url, given
        ),
        "MPP_ALLOW_HTTP": "false",
        "SSL_CERT_FILE": str(topology.authority.file),
        "OPERATOR_CUSTOMERS": str(customers),
        "AGGREGATOR_PODS": ",".join(PODS),
    }
    log = topology.folder / f"{label}.log"
    return ServerProcess(label, ["mpp_sdk", "serve", handler], address.port, environment, log)


def test_the_main_job_is_done_over_tls_while_a_web_process_and_a_worker_are_killed(
    topology: Topology,
) -> None:
    operator = topology.operator()
    with ExitStack() as stack:
        companies = []
        for name, role, handler, address in (
            ("Crevillent Distribution", MarketPlayerRole.DSO, OPERATOR, topology.platforms[0]),
            ("Levante Aggregation", MarketPlayerRole.AGGREGATOR, AGGREGATOR, topology.platforms[1]),
        ):
            company = register(topology.url, operator, name, [role])
            platform = _platform(topology, company, handler, address)
            stack.callback(platform.stop)
            platform.start()
            assert run_set_up_test(company).passed
            companies.append(company)
        provider, requester = companies
        offer = negotiate(requester, provider, publish(provider))
        topology.workers[0].process.kill()
        accepted = requester.client.accept_offer(offer.service_request_id, offer.offer_id).body
        topology.web[0].process.kill()
        subscription_id = accepted.subscription_id
        until_state(requester, subscription_id, SubscriptionState.ACTIVE, 120)

        def integrated() -> bool:
            known = requester.client.list_points_of_delivery(subscription_id).items
            done = [pod for pod in known if pod.activation == "ACTIVE" or pod.consent == "DENIED"]
            return len(done) == len(PODS)

        wait_until("The integration of each point of delivery", integrated, 120)
        for part in (topology.workers[0], topology.web[0]):
            part.start()
        sent = deliveries(operator, subscription_id)
        assert {one.state for one in sent} == {DeliveryState.DELIVERED}


def test_rolling_restarts_of_web_and_workers_fail_no_call_and_send_nothing_twice(
    topology: Topology,
) -> None:
    operator = topology.operator()
    with two_sides(topology.folder, topology.url, operator, topology.platforms[2:]) as (
        provider,
        requester,
    ):
        traffic = Traffic(Targets(topology.url), provider, requester)
        traffic.start()
        for part in topology.parts:
            part.process.stop()
            assert part.process.exit_status == 0
            traffic.go_on()
            part.start()
            traffic.go_on()
        traffic.stop()
        assert not traffic.failures, (traffic.failures[:5], topology.complaints_of_the_proxy())
        traffic.check(operator)


def test_the_proxy_keeps_to_what_it_promises(topology: Topology) -> None:
    answer = requests.get(
        f"{topology.url}/healthz", headers={"X-Correlation-Id": "mine"}, timeout=10
    )
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    assert "nginx/" not in answer.headers["Server"]
    for hidden in ("/metrics", "/readyz"):
        assert requests.get(f"{topology.url}{hidden}", timeout=10).status_code == 404
    body = b"{" + b" " * 3_000_000
    refused = requests.post(f"{topology.url}/api/v1/services", data=body, timeout=10)
    assert refused.status_code == 413
    contract = requests.get(
        f"{topology.url}/api/v1/services", headers={"X-Correlation-Id": "a-correlation"}, timeout=10
    )
    assert contract.headers["X-Correlation-Id"] == "a-correlation"

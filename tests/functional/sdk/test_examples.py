"""The two example platforms, run as an integrator runs them: processes, configured from outside."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo.processes import ServerProcess, free_port
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.database import open_database
from mpp_sdk.metering.store import MeteringStore
from tests.functional.sdk.support import (
    FIRST_INBOUND,
    FIRST_OUTBOUND,
    FakeMarketplace,
    confirmed,
    eu_mp_client,
    wait_for,
)

REPOSITORY = Path(__file__).parents[3]
CUSTOMERS = json.loads((REPOSITORY / "examples" / "customers.json").read_text())
WITHDRAWS = "HOUSEHOLD-C"
GRANTED = {one["pod"] for one in CUSTOMERS if one["consents"]} - {WITHDRAWS}
[DENIED] = [one["pod"] for one in CUSTOMERS if not one["consents"]]


@pytest.mark.parametrize("example", ["local_operator.py", "aggregator.py"])
def test_an_example_is_short(example: str) -> None:
    lines = (REPOSITORY / "examples" / example).read_text().splitlines()
    assert 40 < len(lines) < 120


def test_the_aggregator_gets_what_customers_allow_and_nothing_else(tmp_path: Path) -> None:
    marketplace = FakeMarketplace(tmp_path)
    marketplace_of_b = FakeMarketplace(_made(tmp_path / "b"))
    with marketplace.served() as for_operator, marketplace_of_b.served() as for_aggregator:
        operator_env = _environment(tmp_path / "operator", for_operator)
        aggregator_env = _environment(tmp_path / "aggregator", for_aggregator) | {
            "AGGREGATOR_POINTS_PER_PAGE": "1000",
            "AGGREGATOR_PAUSE_SECONDS": "0.2",
        }
        event = confirmed()
        with _running("examples.local_operator:LocalOperator", operator_env) as operator:
            event.b2b.base_url = operator
            eu_mp_client(operator).confirm_service_offer(PlatformRole.PROVIDER, event)
            with _running("examples.aggregator:Aggregator", aggregator_env) as aggregator:
                eu_mp_client(aggregator).confirm_service_offer(PlatformRole.REQUESTER, event)
                received = _store(aggregator_env)
                wait_for(lambda: received.count(WITHDRAWS) > 0, seconds=60)
                withdrawn = _command(operator_env, "consents", "withdraw", WITHDRAWS)
                assert json.loads(withdrawn)["activation"] == "ENDED"
                held = _store(operator_env)
                wait_for(
                    lambda: (
                        {pod.mrid for pod in received.pods()} == GRANTED
                        and all(received.digest(pod) == held.digest(pod) for pod in GRANTED)
                    ),
                    seconds=30,
                )
                wait_for(lambda: len(marketplace.story(WITHDRAWS)) == 6)
    assert marketplace.story(WITHDRAWS)[-2:] == ["Consent WITHDRAWN", "Activation ENDED"]
    assert marketplace.story(DENIED) == ["Consent REQUESTED", "Consent DENIED"]
    log = (tmp_path / "operator" / "access.log").read_text().splitlines()
    reads = [json.loads(line) for line in log if "read_validated_measure_data" in line]
    refused = [read["path"] for read in reads if read["status"] == 403]
    assert refused
    assert all(path.endswith(f"/{WITHDRAWS}") for path in refused)
    assert FIRST_OUTBOUND not in "".join(log)


def test_the_command_line_sets_up_a_platform(tmp_path: Path) -> None:
    marketplace = FakeMarketplace(tmp_path)
    with marketplace.served() as url:
        environment = _environment(tmp_path / "platform", url)
        issued = json.loads(_command(environment, "keys", "issue"))
        assert issued["apiKey"].startswith("fxk_")
        assert json.loads(_command(environment, "test"))["contract"] == "notifications"
        _command(environment, "keys", "refresh")
        shown = _command(environment, "keys", "show")
        refused = subprocess.run(
            [sys.executable, "-m", "mpp_sdk", "consents", "withdraw", "POD-9"],
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert issued["apiKey"] not in shown
    assert {json.loads(line)["direction"] for line in shown.splitlines()} == {
        "inbound",
        "outbound",
    }
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("There is no point of delivery POD-9")


def _environment(directory: Path, marketplace_url: str) -> dict[str, str]:
    _made(directory)
    return os.environ | {
        "MPP_NAME": directory.name,
        "MPP_DATABASE_URL": f"sqlite:///{directory / 'platform.db'}",
        "MPP_MARKETPLACE_URL": marketplace_url,
        "MPP_API_KEY": FIRST_OUTBOUND,
        "MPP_INBOUND_API_KEY": FIRST_INBOUND,
        "MPP_ALLOW_PRIVATE_ADDRESSES": "true",
        "MPP_ALLOW_HTTP": "true",
        "MPP_ACCESS_LOG": str(directory / "access.log"),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONWARNINGS": "ignore",
    }


@contextmanager
def _running(handler: str, environment: dict[str, str]) -> Iterator[str]:
    port = free_port()
    module = ["mpp_sdk", "serve", handler, "--port", str(port)]
    log = Path(environment["MPP_ACCESS_LOG"]).with_name("server.log")
    server = ServerProcess(handler, module, port, environment, log)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def _command(environment: dict[str, str], *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "mpp_sdk", *words],
        env=environment,
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    ).stdout


def _store(environment: dict[str, str]) -> MeteringStore:
    return MeteringStore(open_database(environment["MPP_DATABASE_URL"]))


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory

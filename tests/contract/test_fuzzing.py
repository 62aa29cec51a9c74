"""Every served contract, fuzzed for a bounded time: no answer that the contract does not describe.

`python -m tests.contract.fuzz` does the same at length. FLEXAGORA_TEST_FUZZ_CASES says how many
random cases each operation gets here (more where a contract has few operations),
FLEXAGORA_TEST_FUZZ_SEED with which seed.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer, compose

from .fuzzing import Target, fuzz
from .targets import NAMES, served_contracts

CASES = int(os.environ.get("FLEXAGORA_TEST_FUZZ_CASES", "5"))
SEED = int(os.environ.get("FLEXAGORA_TEST_FUZZ_SEED", "1"))
AT_LEAST = 75
"""How many random cases a contract gets, or chance decides whether one gets past 400 and 404."""
SAMPLE = 0.1
"""The share of the systematic cases that is made; thousands belong to the long run."""


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Target]]:
    with served_contracts(tmp_path_factory.mktemp("world"), renew_every=10) as served:
        yield served


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_as_the_contract_says(targets: dict[str, Target], name: str) -> None:
    labels = {f"{one.method} {one.path}" for one in targets[name].contract.operations}
    each = max(CASES, AT_LEAST // len(labels))

    outcome = fuzz(targets[name], per_operation=each, sample=SAMPLE, seed=SEED)

    assert outcome.errors == []
    assert list(outcome.findings.values()) == []
    assert set(outcome.operations) == labels
    assert outcome.cases > len(labels) * CASES / 2
    assert len(outcome.succeeded) > len(labels) / 2  # it got past 400 and 404


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_let_in_without_a_credential(targets: dict[str, Target], name: str) -> None:
    target = replace(targets[name], credentials=None)

    outcome = fuzz(target, per_operation=3, seed=SEED, phases=("examples", "fuzzing"))

    assert outcome.errors == []
    assert list(outcome.findings.values()) == []
    assert outcome.statuses[401] > len(target.contract.operations)


@pytest.mark.parametrize(
    ("status", "anonymous", "found"),
    [
        (200, False, {"response_schema_conformance", "negative_data_rejection"}),
        (200, True, {"credentials"}),
        (400, False, {"content_type_conformance", "refused"}),
        (418, False, {"status_code_conformance"}),
        (500, False, {"not_a_server_error"}),
    ],
)
def test_what_is_wrong_is_found(status: int, anonymous: bool, found: set[str]) -> None:
    errors = [{"pointer": "/eventId", "rule": "format", "detail": "This is no rule."}]

    async def wrong(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"errors": errors}, status)(scope, receive, send)

    contract = Contract.load("eu_mp")
    with BackgroundServer(compose([], [Mount(contract.base_path, wrong)])) as url:
        target = Target(
            "wrong",
            contract,
            url + contract.base_path,
            None if anonymous else lambda operation, random: {"X-API-Key": "a"},
        )
        outcome = fuzz(target, per_operation=5, seed=SEED, phases=("examples", "fuzzing"))

    assert {finding.check for finding in outcome.findings.values()} >= found

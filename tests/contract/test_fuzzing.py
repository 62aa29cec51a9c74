"""Every served contract, fuzzed for a bounded time: no answer that the contract does not describe.

`python -m tests.contract.fuzz` does the same at length. FLEXAGORA_FUZZ_CASES says how many random
cases each operation gets here, FLEXAGORA_FUZZ_SEED with which seed.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from .fuzzing import Target, fuzz
from .targets import NAMES, served_contracts

CASES = int(os.environ.get("FLEXAGORA_FUZZ_CASES", "6"))
SEED = int(os.environ.get("FLEXAGORA_FUZZ_SEED", "1"))
SAMPLE = 0.1
"""The share of the systematic cases that is made; thousands belong to the long run."""


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Target]]:
    with served_contracts(tmp_path_factory.mktemp("world"), renew_every=10) as served:
        yield served


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_as_the_contract_says(targets: dict[str, Target], name: str) -> None:
    outcome = fuzz(targets[name], per_operation=CASES, sample=SAMPLE, seed=SEED)

    assert outcome.errors == []
    assert list(outcome.findings.values()) == []
    labels = {f"{one.method} {one.path}" for one in targets[name].contract.operations}
    assert set(outcome.operations) == labels
    assert outcome.cases > len(labels) * CASES / 2
    assert len(outcome.succeeded) > len(labels) / 3  # it got past 400 and 404


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_let_in_without_a_credential(targets: dict[str, Target], name: str) -> None:
    target = replace(targets[name], credentials=None)

    outcome = fuzz(target, per_operation=3, seed=SEED, phases=("examples", "fuzzing"))

    assert outcome.errors == []
    assert list(outcome.findings.values()) == []
    assert outcome.statuses[401] > len(target.contract.operations)

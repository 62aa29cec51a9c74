"""What the docs show of the conformance kit is what the kit has."""

from mpp_sdk.conformance import cases_of
from tools.conformance.cases import LIST, cases_page


def test_the_list_in_the_docs_is_that_of_the_kit() -> None:
    assert LIST.read_text(encoding="utf-8") == cases_page(), (
        "run python -m tools.conformance --list"
    )


def test_every_case_is_in_the_list_once() -> None:
    lines = cases_page().splitlines()
    for contract in ("eu-mp", "notifications", "metering", "flexoffer"):
        for case in cases_of(contract):
            assert sum(line.startswith(f"| `{case.id}` |") for line in lines) == 1, case.id

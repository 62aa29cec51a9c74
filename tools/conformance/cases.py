"""The page of the docs that lists the kit's cases, made from the cases themselves."""

from pathlib import Path

from mpp_sdk.conformance import Case, cases_of
from mpp_sdk.conformance.registry import EVERY_CONTRACT

LIST = Path(__file__).parents[2] / "docs" / "conformance-cases.md"
_CONTRACTS = ("eu-mp", "notifications", "metering", "flexoffer")


def cases_page() -> str:
    """Return the page, in Markdown."""
    every = {one.id: one for contract in _CONTRACTS for one in cases_of(contract)}
    lines = [
        "# The cases of the conformance kit",
        "",
        "Made by `python -m tools.conformance` from the cases themselves; "
        "`flexagora conformance --list` prints those of a",
        "contract. An id never changes its meaning. A case marked *safe* leaves a server as it "
        "was: `--safe` runs these alone.",
        "[The kit](conformance.md) is explained on a page of its own.",
        "",
        "## Every contract",
        "",
        "Where a contract has nothing that a case is about, the case is not among its own.",
        "",
        *_table([one for one in every.values() if one.contract == EVERY_CONTRACT]),
    ]
    for contract in _CONTRACTS:
        own = [one for one in every.values() if one.contract == contract]
        lines += ["", f"## {contract}", "", *_table(own)]
    return "\n".join(lines) + "\n"


def _table(cases: list[Case]) -> list[str]:
    rows = [
        f"| `{one.id}` | {_cell(one.title)} | {_cell(one.why)} | {'safe' if one.harmless else ''} |"
        for one in cases
    ]
    return ["| id | a sound server | why it matters | |", "| --- | --- | --- | --- |", *rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

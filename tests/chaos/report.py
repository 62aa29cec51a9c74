"""What runs have shown: as JSON for programs, as a page for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.chaos.checker import Fault
from tests.chaos.run import Outcome


def write(folder: Path, outcomes: Mapping[str, Outcome]) -> Path:
    """Write chaos.json and chaos.md; return the page."""
    found = {name: asdict(one) | {"passed": one.passed} for name, one in outcomes.items()}
    (folder / "chaos.json").write_text(json.dumps(found, indent=2, default=str) + "\n")
    page = folder / "chaos.md"
    page.write_text(page_of(outcomes))
    return page


def page_of(outcomes: Mapping[str, Outcome]) -> str:
    """Return the page."""
    lines = ["# What was injected, and what it showed", "", *_table(outcomes), ""]
    for name, outcome in outcomes.items():
        lines += [f"## {name}, on {outcome.database}", ""]
        lines += [f"Seed {outcome.seed}, {outcome.seconds:.0f} s, {outcome.actions} actions.", ""]
        lines += _counts("kill", outcome.kills) + _counts("other fault", outcome.faults)
        lines += _counts("state in the marketplace's books", outcome.books)
        lines += _counts("answer to the harness", outcome.answers)
        lines += [f"- {one}" for one in outcome.ended_by_themselves]
        lines += [f"- A fault could not be done: {one}" for one in outcome.could_not_be_done]
        for finding in outcome.findings[:50]:
            lines += [f"- **{finding.fault}**: {finding.what} ({finding.where})"]
            lines += [f"  - {line}" for line in finding.history]
        lines.append("")
    return "\n".join(lines)


def _table(outcomes: Mapping[str, Outcome]) -> Sequence[str]:
    faults = (Fault.LOST, Fault.TWICE, Fault.ORDER)
    head = ["run", "events", "kills", *faults, "again on the wire", "in flight", "unexplained"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, one in outcomes.items():
        counts = [sum(each.fault is fault for each in one.findings) for fault in faults]
        others = sum(each.fault not in faults for each in one.findings)
        cells = [name, one.events, sum(one.kills.values()), *counts, one.duplicates, one.in_flight]
        lines.append("| " + " | ".join(map(str, [*cells, others])) + " |")
    return lines


def _counts(what: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return []
    lines = [f"| {what} | times |", "| --- | ---: |"]
    return [*lines, *(f"| {name} | {count} |" for name, count in sorted(counts.items())), ""]

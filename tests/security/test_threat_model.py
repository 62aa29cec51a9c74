"""Every control that the threat model names has the test that it names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security" / "threat-model.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def names_in(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


def test_every_test_that_is_named_is_there() -> None:
    named = _TEST.findall(PAGE.read_text("utf-8"))
    assert len(named) > 40
    missing = [f"{file}::{test}" for file, test in named if test not in names_in(ROOT / file)]
    assert missing == []


def test_every_control_names_a_test() -> None:
    page = PAGE.read_text("utf-8").partition("## Entry points")[2].partition("## What is not")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    controls = [row for row in rows if not row.startswith("| attack |")]
    assert len(controls) > 30
    assert [row for row in controls if not _TEST.search(row)] == []


def test_the_page_can_be_reported_to() -> None:
    assert "docs/security/threat-model.md" in (ROOT / "SECURITY.md").read_text("utf-8")

"""What the base install of the SDK brings along, and what importing a part of it loads."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_ROW = re.compile(r"^\| ([a-z0-9-]+) \| (.+) \| (?:-|`(mpp_sdk/[\w/]+\.py)`) \|$", re.MULTILINE)
_MODULES = {"jsonschema-rs": "jsonschema_rs", "pydantic-settings": "pydantic_settings"}


def documented() -> dict[str, tuple[str, str]]:
    """Return what each dependency is for and where it is used, as the docs have it."""
    text = (ROOT / "docs" / "sdk-size.md").read_text(encoding="utf-8")
    return {name: (reason, where) for name, reason, where in _ROW.findall(text)}


def test_every_base_dependency_is_justified_and_nothing_else() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        stated = tomllib.load(file)["project"]["dependencies"]
    names = [re.split(r"[\[<>=;~! ]", one, maxsplit=1)[0] for one in stated]
    assert sorted(documented()) == sorted(names)


@pytest.mark.parametrize(("name", "where"), [(n, w) for n, (_, w) in documented().items() if w])
def test_it_is_used_where_the_docs_say(name: str, where: str) -> None:
    tree = ast.parse((ROOT / where).read_text(encoding="utf-8"))
    imported = {
        module.partition(".")[0]
        for node in ast.walk(tree)
        for module in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert _MODULES.get(name, name) in imported


@pytest.mark.parametrize(
    ("module", "left_alone"),
    [
        (
            "mpp_sdk.contracts.notifications.client",
            ["connexion", "starlette", "uvicorn", "sqlalchemy", "typer", "rich", "marketplace"],
        ),
        (
            "mpp_sdk.platform",
            ["marketplace", "lxml", "prometheus_client", "opentelemetry", "dramatiq", "psycopg"],
        ),
    ],
)
def test_a_part_loads_no_more_than_it_needs(module: str, left_alone: list[str]) -> None:
    code = f"import sys, {module}; print(*(sys.modules.keys() & set({left_alone})))"
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == []

"""The guides are true to the code: links, settings, commands and code blocks."""

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import requests
import typer
from pydantic import SecretStr, TypeAdapter
from pydantic_settings import BaseSettings
from typer.core import TyperGroup

from marketplace.catalogue import domain as catalogue
from marketplace.core.settings import Settings
from marketplace.identity import domain as identity
from marketplace.subscriptions import domain as subscriptions
from mpp_sdk.__main__ import app as platform_command
from mpp_sdk.commands import GROUP, add_extras, own_commands
from mpp_sdk.metering.store import MeteringStore
from mpp_sdk.outbox import EventState
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state import domain as state
from mpp_sdk.web.server import BackgroundServer

flexagora = own_commands()
add_extras(flexagora, entry_points(group=GROUP))
ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs"
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *GUIDES.rglob("*.md"), *ROOT.glob("examples/**/*.md")]
    if path.name != "0000-template.md"
)
SETTINGS: list[tuple[str, type[BaseSettings], str]] = [
    ("operator.md", Settings, "FLEXAGORA_"),
    ("integrator.md", PlatformSettings, "MPP_"),
]
# Set by the tests, or names of what is not a setting.
NO_SETTINGS = {
    "FLEXAGORA_SECRETS_DIR",
    "FLEXAGORA_TEST_POSTGRES_URL",
    "FLEXAGORA_TEST_RABBITMQ_URL",
    "MPP_SECRETS_DIR",
}
INBOUND_KEY = "fxk_a-key-that-only-this-test-knows"

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(
    r"(?:^|[\s`(/])(flexagora|python -m mpp_sdk) ((?:[a-z][a-z-]*(?: |`|$))+)", re.MULTILINE
)
_SETTING = re.compile(r"\b(?:FLEXAGORA|MPP)_[A-Z][A-Z_]*[A-Z]\b")


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page that are in a language."""
    found = []
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        indent, name, code = match.groups()
        if name == language:
            found.append(re.sub(rf"^{indent}", "", code, flags=re.MULTILINE))
    return found


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks() -> Iterator[Any]:
    for page in PAGES:
        for number, code in enumerate(blocks(page, "python"), start=1):
            yield pytest.param(code, id=f"{name_of(page)}-{number}")


def test_the_guides_are_there() -> None:
    names = {page.name for page in PAGES}
    assert {"README.md", "integrator.md", "operator.md", "concepts.md", "contracts.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize(("guide", "settings", "prefix"), SETTINGS, ids=["operator", "integrator"])
def test_the_table_of_settings_is_that_of_the_code(
    guide: str, settings: type[BaseSettings], prefix: str
) -> None:
    text = (GUIDES / guide).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(f"| `{prefix}")]

    assert rows == [
        f"| `{prefix}{name.upper()}` | {shown(field.default)} | {field.description} |"
        for name, field in settings.model_fields.items()
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_setting_that_is_mentioned_exists(page: Path) -> None:
    known = {f"{prefix}{name.upper()}" for _, s, prefix in SETTINGS for name in s.model_fields}
    mentioned = set(_SETTING.findall(page.read_text(encoding="utf-8")))

    assert mentioned - known - NO_SETTINGS == set()


def shown(default: object) -> str:
    """Return a default as the guides show it."""
    match default:
        case None:
            return "none"
        case bool():
            return str(default).lower()
        case timedelta():
            return str(TypeAdapter(timedelta).dump_python(default, mode="json"))
        case "" | ():
            return "empty"
        case _:
            return str(default)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_shown_exists(page: Path) -> None:
    unknown = [
        " ".join([program, *words])
        for program, words in commands(page)
        if not exists(program, words)
    ]
    assert unknown == []


def test_every_command_is_in_a_guide() -> None:
    shown_in_guides = {(program, *words) for page in PAGES for program, words in commands(page)}
    for program, app in (("flexagora", flexagora), ("python -m mpp_sdk", platform_command)):
        for path in leaves(group_of(app)):
            assert any(one[: len(path) + 1] == (program, *path) for one in shown_in_guides), (
                f"{program} {' '.join(path)}"
            )


def test_help_is_given_for_a_command_that_is_shown() -> None:
    for command in (
        [sys.executable, "-m", "marketplace", "operator", "create", "--help"],
        [sys.executable, "-m", "mpp_sdk", "consents", "grant", "--help"],
    ):
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr.decode()


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands that a page shows in code: the program, and the words after it."""
    text = page.read_text(encoding="utf-8")
    code = "\n".join(body for _, name, body in _FENCE.findall(text) if name == "sh")
    inline = "\n".join(re.findall(r"`([^`\n]+)`", prose(page)))
    for program, words in _COMMAND.findall(f"{code}\n{inline}"):
        yield program, words.replace("`", "").split()


def group_of(app: typer.Typer) -> TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def exists(program: str, words: Sequence[str]) -> bool:
    """Return whether the words name a command; those after it are its arguments."""
    command: Any = group_of(flexagora if program == "flexagora" else platform_command)
    for word in words:
        known = getattr(command, "commands", None)
        if known is None:
            return True
        if word not in known:
            return False
        command = known[word]
    return True


def leaves(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("code", list(python_blocks()))
def test_python_compiles_and_its_imports_exist(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            missing = [one.name for one in node.names if not hasattr(module, one.name)]
            assert missing == [], node.module


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "json")], ids=name_of)
def test_json_is_json(page: Path) -> None:
    for text in blocks(page, "json"):
        json.loads(text)


def test_the_state_diagrams_are_those_of_the_code() -> None:
    lifecycles: list[Mapping[Any, Mapping[str, Any]]] = [
        identity.MARKET_PLAYER.steps,
        catalogue.VERSION.steps,
        subscriptions.REQUEST.steps,
        subscriptions.OFFER.steps,
        subscriptions.SUBSCRIPTION.steps,
        state.CONSENT.steps,
        state.ACTIVATION.steps,
    ]
    *drawn, delivery = [
        re.findall(r"(\w+) --> (\w+)", diagram)
        for diagram in blocks(GUIDES / "concepts.md", "mermaid")
        if diagram.startswith("stateDiagram")
    ]

    assert [{(a, b) for a, b in edges if a != b} for edges in drawn] == [
        {(a.value, b.value) for a in steps if a for b in steps[a].values() if a is not b}
        for steps in lifecycles
    ]
    assert {name for edge in delivery for name in edge} == {one.value for one in EventState}


@pytest.mark.parametrize(
    ("name", "contracts"),
    [("my_provider", {"eu-mp", "metering"}), ("my_requester", {"eu-mp"})],
)
def test_the_minimal_platform_serves(
    name: str, contracts: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = minimal_platform(name)
    assert len(code.splitlines()) <= 30
    (tmp_path / "readings").mkdir()
    [readings] = blocks(GUIDES / "integrator.md", "csv")
    (tmp_path / "readings" / "POD-1.csv").write_text(readings)
    monkeypatch.chdir(tmp_path)

    platform = made_of(code, tmp_path)
    assert {bound.contract.name for bound in platform.bound_contracts()} == contracts
    if name == "my_provider":
        store: MeteringStore = vars(platform)["store"]
        assert store.count("POD-1") == 3

    with BackgroundServer(platform.app()) as url:
        test = f"{url}/eu-mp/v1/test"
        answer = requests.get(test, headers={"X-API-Key": INBOUND_KEY}, timeout=10)
        assert answer.status_code == 200
        assert answer.json()["contract"] == "eu-mp"
        assert requests.get(test, timeout=10).status_code == 401


def minimal_platform(name: str) -> str:
    """Return the code that the integrator's guide tells to save under a name."""
    text = (GUIDES / "integrator.md").read_text(encoding="utf-8")
    _, told, after = text.partition(f"`{name}.py`")
    assert told
    code = _FENCE.search(after)
    assert code is not None
    assert code[2] == "python"
    return code[3]


def made_of(code: str, folder: Path) -> MarketPlayerPlatform:
    """Return the platform of a class `Handler`, with a database in a folder."""
    names: dict[str, Any] = {}
    exec(compile(code, "the guide", "exec"), names)
    platform = names["Handler"](
        PlatformSettings(
            database_url=f"sqlite:///{folder / 'platform.db'}",
            inbound_api_key=SecretStr(INBOUND_KEY),
        )
    )
    assert isinstance(platform, MarketPlayerPlatform)
    return platform

"""The dashboard, the alert rules and their pages: they name what there is, and all of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import Expr, MatchOp, VectorSelector

from marketplace.app import Application, open_environment
from marketplace.core.settings import Settings
from mpp_sdk.web.server import BackgroundServer

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "docker" / "prometheus" / "alerts.yaml"
DASHBOARDS = ROOT / "docker" / "grafana" / "dashboards"
PAGES = ROOT / "docs" / "operations" / "alerts"
GUIDE = ROOT / "docs" / "operations" / "README.md"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
OF_THE_TARGET = {"job", "instance"}
SECTIONS = [
    "Likely causes",
    "How to see which",
    "What to do",
    "What happens to data meanwhile",
]
Exposed = dict[str, list[dict[str, str]]]


def panels() -> list[dict[str, Any]]:
    found = [
        panel
        for file in sorted(DASHBOARDS.glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
    ]
    assert len(found) > 20
    return found


def expressions() -> list[str]:
    queries = [
        target["expr"].replace("$__rate_interval", "5m")
        for panel in panels()
        for target in panel.get("targets", ())
    ]
    return [rule["expr"] for rule in RULES] + queries


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Exposed:
    """Return the labels of every sample that a running marketplace exposes, by its name."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("var"),
        broker_url="amqp://guest:guest@127.0.0.1:9",
        operations_port=0,
    )
    application = Application(open_environment(settings))
    with application.operations.listening() as url, BackgroundServer(application.app):
        text = requests.get(f"{url}/metrics", timeout=10).text
    found: Exposed = {}
    for family in text_string_to_metric_families(text):
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
        for end in ends.get(family.type, ("",)):  # also of those that have no sample yet
            found.setdefault(family.name + end, [])
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def selectors(expression: str) -> Iterator[VectorSelector]:
    found: list[VectorSelector] = []

    def visit(node: Expr) -> bool:
        if isinstance(node, VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    yield from found


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_parses_and_asks_for_what_there_is(expression: str, exposed: Exposed) -> None:
    asked = list(selectors(expression))
    assert asked or "vector" in expression
    for selector in asked:
        name = selector.name
        if name == "up":  # Prometheus's own
            continue
        assert name in exposed, f"{name} is not exposed"
        samples = exposed[str(name)]
        for matcher in selector.matchers.matchers:
            if not samples or matcher.name in OF_THE_TARGET:
                continue
            values = {sample.get(matcher.name) for sample in samples}
            assert None not in values, f"{name} has no label {matcher.name}"
            if matcher.op == MatchOp.Equal:
                assert matcher.value in values, f"{name}: {matcher.name} is never {matcher.value}"


def test_every_alert_is_complete_and_has_its_page() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names)) >= 20
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket", "info")
        assert rule["annotations"]["summary"]
        page = PAGES / f"{rule['alert']}.md"
        assert rule["annotations"]["runbook_url"] == str(page.relative_to(ROOT))
        text = page.read_text()
        assert text.startswith(f"# {rule['alert']}: ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
        assert f"| `{rule['alert']}` | {rule['labels']['severity']} |" in GUIDE.read_text()


def test_every_page_is_of_an_alert_and_every_link_leads_somewhere() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {rule["alert"] for rule in RULES}
    for page in [GUIDE, *PAGES.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+\.md)", page.read_text()):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_the_guide_names_every_metric_and_no_other(exposed: Exposed) -> None:
    documented = set(re.findall(r"`(flexagora_[a-z_]+)`", GUIDE.read_text()))
    ours = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in exposed
        if name.startswith("flexagora_")
    }
    assert documented == ours


def test_panels_have_names_and_places_of_their_own() -> None:
    for file in DASHBOARDS.glob("*.json"):
        dashboard = json.loads(file.read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert at["x"] + at["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells
            assert panel["title"]
            for target in panel.get("targets", ()):
                assert target["datasource"]["uid"] == "${datasource}"

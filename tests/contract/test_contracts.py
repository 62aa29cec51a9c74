"""The contracts are good documents, and what is generated from them is what is committed."""

import importlib
import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

from mpp_sdk.web.contract import Contract
from mpp_sdk.web.validation import Validators
from tools.contracts.__main__ import main as generate
from tools.contracts.bundle import BundleError, bundle
from tools.contracts.code import class_name
from tools.spectral.__main__ import install, lint

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = ROOT / "openapi"
SOURCES = sorted(p for p in OPENAPI.glob("*.yaml") if not p.name.startswith("."))
APIS = [path.stem for path in SOURCES if path.stem != "common"]


def test_the_contracts_are_there() -> None:
    assert {"eu-mp", "flexoffer", "marketplace", "metering", "notifications"} <= set(APIS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_document_is_valid_openapi(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert document["openapi"] == "3.0.3"  # connexion 3 takes nothing later
    OpenAPIV30SpecValidator(document, base_uri=path.as_uri()).validate()


@pytest.mark.parametrize("api", APIS)
def test_every_bundle_stands_alone(api: str) -> None:
    document = bundle(OPENAPI / f"{api}.yaml")
    OpenAPIV30SpecValidator(document).validate()
    references = set(_references(document))
    defined = {
        f"#/components/{kind}/{name}"
        for kind, named in document["components"].items()
        if kind != "securitySchemes"
        for name in named
    }

    assert references == defined  # nothing is missing, nothing is left over
    assert Contract.load(api.replace("-", "_")).document["paths"] == document["paths"]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [reference for value in node.values() for reference in _references(value)]
    if isinstance(node, list):
        return [reference for value in node for reference in _references(value)]
    return []


@pytest.mark.parametrize("api", APIS)
def test_every_example_keeps_its_own_contract(api: str) -> None:
    contract = Contract.load(api.replace("-", "_"))
    validators = Validators(contract)
    checked = 0
    for place, media in _media_types(contract.document, ""):
        if "schema" not in media or "example" not in media:
            continue
        found = validators.compile(media["schema"]).iter_errors(media["example"])
        errors = [f"{error.instance_path}: {error.message}" for error in found]
        assert not errors, f"{place}: {errors}"
        checked += 1
    assert checked >= len(contract.operations)


def _media_types(node: Any, place: str) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return []
    found = []
    for name, value in node.items():
        if name == "content" and isinstance(value, dict):
            found += [(f"{place}/{kind}", media) for kind, media in value.items() if "json" in kind]
        else:
            found += _media_types(value, f"{place}/{name}")
    return found


def test_the_paths_of_the_sources_are_kept_to_the_letter() -> None:
    offered = {
        api: {(o.method, o.path) for o in Contract.load(api).operations}
        for api in ("eu_mp", "flexoffer", "notifications")
    }

    assert offered["eu_mp"] >= {
        ("POST", "/service-offer/confirmed/{platformRole}"),
        ("POST", "/service-offer/canceled/{platformRole}"),
        ("POST", "/apikey"),
        ("GET", "/test"),
    }
    assert offered["flexoffer"] == {
        ("GET", "/contract"),
        ("GET", "/bill"),
        ("POST", "/flexoffer"),
        ("GET", "/flexoffer"),
        ("GET", "/flexoffer/{from}/{to}"),
        ("GET", "/flexoffer/{id}"),
        ("PUT", "/flexoffer/{id}"),
        ("DELETE", "/flexoffer/{id}"),
        ("GET", "/flexoffer/stream"),
        ("POST", "/flexoffer/measurement"),
        ("GET", "/timeseries/measurement/{from}/{to}"),
        ("GET", "/timeseries/baseline/{from}/{to}"),
        ("GET", "/timeseries/schedule/{from}/{to}"),
        ("GET", "/kpi"),
    }
    assert offered["notifications"] >= {
        ("POST", "/service/consent"),
        ("POST", "/service/activation"),
        ("POST", "/service/interim"),
        ("POST", "/apikey"),
        ("GET", "/test"),
    }


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the contracts and of what was generated from them."""
    shutil.copytree(OPENAPI, tmp_path / "openapi")
    shutil.copytree(
        ROOT / "mpp_sdk" / "contracts",
        tmp_path / "mpp_sdk" / "contracts",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


def check(root: Path) -> int:
    return generate(["--check", "--root", str(root)])


def test_generating_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(ROOT) == 0, capsys.readouterr().out


def test_a_changed_contract_is_noticed(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(copied) == 0
    path = copied / "openapi" / "common.yaml"
    path.write_text(path.read_text().replace("ENDED]", "ENDED, OVER]"))

    assert check(copied) == 1
    told = capsys.readouterr().out
    for name in ("eu_mp/document.json", "metering/models.py", "notifications/models.py"):
        assert (f"would change: mpp_sdk/contracts/{name}" in told) == (name[:2] != "eu")

    assert generate(["--root", str(copied)]) == 0
    assert check(copied) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "eu_mp" / "client.py").write_text("# by hand\n"),
        lambda folder: (folder / "eu_mp" / "handler.py").unlink(),
        lambda folder: (folder / "eu_mp" / "extra.py").write_text("# left over\n"),
    ],
)
def test_a_change_by_hand_is_noticed(copied: Path, change: Callable[[Path], object]) -> None:
    change(copied / "mpp_sdk" / "contracts")

    assert check(copied) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"#/components/schemas/Reading": "#/components/schemas/Missing"}, "has no components"),
        ({"operationId: read": "summary: read"}, "no operationId"),
        ({"type: object": "type: object\n      type: string"}, "is there twice"),
        ({"schema: {$ref": "schema: {title: inline}\n          x: {$ref"}, "needs a name"),
    ],
)
def test_a_contract_that_cannot_be_generated_from_is_refused(
    tmp_path: Path, changes: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SMALL
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "openapi").mkdir()
    (tmp_path / "openapi" / "small.yaml").write_text(text)

    assert generate(["--root", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


CURSOR = "parameters: [{name: cursor, in: query, schema: {type: string}}]\n      responses:"


@pytest.mark.parametrize("operation_id", ["read", "list_readings"])
def test_a_list_in_pages_that_cannot_be_read_on_is_refused(
    tmp_path: Path, operation_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "openapi").mkdir()
    text = SMALL.replace("responses:", CURSOR).replace(": read\n", f": {operation_id}\n")
    (tmp_path / "openapi" / "small.yaml").write_text(text)

    assert generate(["--root", str(tmp_path)]) == 2
    assert f"{operation_id} takes a cursor" in capsys.readouterr().err


@pytest.mark.parametrize("api", [api for api in APIS if api != "common"])
def test_both_clients_have_every_operation_and_an_iterator_for_every_list(api: str) -> None:
    package = f"mpp_sdk.contracts.{api.replace('-', '_')}"
    name = class_name(api)
    threads = getattr(importlib.import_module(f"{package}.client"), f"{name}Client")
    loop = getattr(importlib.import_module(f"{package}.async_client"), f"Async{name}Client")
    document = bundle(OPENAPI / f"{api}.yaml")
    nodes = {
        node["operationId"].rpartition(".")[2]: node
        for item in document["paths"].values()
        for method, node in item.items()
        if method in ("get", "put", "post", "delete")
    }
    operations = {one: str(node.get("parameters", ())) for one, node in nodes.items()}
    streams = {one for one in nodes if "text/event-stream" in str(nodes[one]["responses"])}
    streams = {one for one in operations if one.startswith("stream_")}
    lists = {one for one, given in operations.items() if "parameters/Cursor'" in given}
    iterators = {f"iter_{one.removeprefix('list_')}" for one in lists}
    if api == "metering":
        iterators.add("iter_validated_measure_data")  # goes by `Link`

    assert {one for one in vars(threads) if not one.startswith("_")} == {*operations, *iterators}
    for one in (*operations, *iterators):
        by_thread, by_loop = (inspect.signature(getattr(kind, one)) for kind in (threads, loop))
        assert by_thread.parameters == by_loop.parameters
        goes_on = one in iterators | streams
        assert inspect.iscoroutinefunction(getattr(loop, one)) != goes_on
    for one in iterators & {f"iter_{name.removeprefix('list_')}" for name in lists}:
        parameters = inspect.signature(getattr(threads, one)).parameters
        assert "page_size" in parameters
        assert not {"limit", "cursor"} & parameters.keys()


def test_two_components_of_one_name_are_refused(tmp_path: Path) -> None:
    here = "{$ref: '#/components/schemas/Value'}"
    both = f"allOf: [{here}, {here.replace('#', 'common.yaml#')}]"
    (tmp_path / "small.yaml").write_text(
        SMALL.replace("      type: object\n", f"      {both}\n") + "    Value: {type: number}\n"
    )
    (tmp_path / "common.yaml").write_text("components: {schemas: {Value: {type: string}}}\n")

    with pytest.raises(BundleError, match=r"in both small\.yaml and common\.yaml"):
        bundle(tmp_path / "small.yaml")


SMALL = """
openapi: 3.0.3
info: {title: Small, version: 1.0.0}
servers: [{url: /small}]
security: []
paths:
  /reading:
    get:
      operationId: read
      responses:
        "200":
          description: It.
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Reading"}
components:
  schemas:
    Reading:
      type: object
      properties: {value: {type: number}}
"""


@pytest.fixture(scope="module")
def spectral() -> None:
    install()


@pytest.mark.usefixtures("spectral")
def test_the_contracts_keep_their_style() -> None:
    result = lint(OPENAPI, capture=True)

    assert result.returncode == 0, result.stdout + result.stderr


STYLE: dict[str, Callable[[dict[str, Any]], object]] = {
    "flexagora-security": lambda d: d.pop("security"),
    "flexagora-operation-id": lambda d: _get(d).update(operationId="Read-It"),
    "flexagora-operation-texts": lambda d: _get(d).pop("description"),
    "flexagora-problem-responses": lambda d: _get(d)["responses"].update(
        {"404": {"description": "No.", "content": {"application/json": {}}}}
    ),
    "flexagora-error-has-content": lambda d: _get(d)["responses"].update(
        {"404": {"description": "No."}}
    ),
    "flexagora-common-errors": lambda d: _get(d)["responses"].pop("503"),
    "flexagora-body-errors": lambda d: _post(d)["responses"].pop("415"),
    "flexagora-request-examples": lambda d: _json(_post(d)["requestBody"]).pop("example"),
    "flexagora-response-examples": lambda d: _json(_get(d)["responses"]["200"]).pop("example"),
    "flexagora-named-enums": lambda d: _schema(d)["properties"].update(
        kind={"type": "string", "enum": ["A", "B"]}
    ),
    "flexagora-named-objects": lambda d: _schema(d)["properties"].update(
        nested={"type": "object", "properties": {"a": {"type": "string"}}}
    ),
    "oas3-valid-media-example": lambda d: _json(_post(d)["requestBody"]).update(example={}),
}


def _get(document: dict[str, Any]) -> Any:
    return document["paths"]["/test"]["get"]


def _post(document: dict[str, Any]) -> Any:
    return document["paths"]["/service-offer/canceled/{platformRole}"]["post"]


def _json(node: dict[str, Any]) -> Any:
    return node["content"]["application/json"]


def _schema(document: dict[str, Any]) -> Any:
    return document["components"]["schemas"]["ServiceOfferChanged"]


@pytest.mark.usefixtures("spectral")
def test_each_rule_of_style_finds_what_breaks_it(tmp_path: Path) -> None:
    shutil.copy(OPENAPI / ".spectral.yaml", tmp_path)
    shutil.copy(OPENAPI / "common.yaml", tmp_path)
    for rule, breaks in STYLE.items():
        document = yaml.safe_load((OPENAPI / "eu-mp.yaml").read_text(encoding="utf-8"))
        breaks(document)
        (tmp_path / f"{rule}.yaml").write_text(json.dumps(document))
    result = lint(tmp_path, capture=True)
    found: dict[str, str] = {}
    for line in result.stdout.splitlines():
        if line.startswith("/"):
            name = Path(line.strip()).stem
        elif line.strip():
            found[name] = found.get(name, "") + line

    assert result.returncode == 1
    for rule in STYLE:
        assert rule in found.get(rule, ""), f"{rule} finds nothing: {found.get(rule)}"

"""The C# of the release artifact, compiled as it comes, talks with Python over HTTP."""

import io
import json
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from examples.demo.processes import free_port
from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import AcknowledgementOutcome, PlatformRole
from mpp_sdk.ids import new_id
from mpp_sdk.platform import MarketPlayerPlatform
from tests.functional.sdk.support import (
    FIRST_INBOUND,
    canceled,
    confirmed,
    eu_mp_client,
    served,
    settings,
)
from tests.services import mono
from tools import node
from tools.sdks import artifacts, generator

HERE = Path(__file__).parent / "csharp"
NEWTONSOFT = "jillejr.newtonsoft.json-for-unity/Plugins/Newtonsoft.Json Editor/Newtonsoft.Json.dll"
# Mono's compiler knows C# up to 7.2; the project file of the SDK states the same.
COMMON = ("-langversion:7.2", "-warnaserror", "-r:System.Net.Http.dll", "-r:Newtonsoft.Json.dll")
SDK_ONLY = ("-target:library", "-r:System.Runtime.Serialization.dll", "-nowarn:219,414,1591")


@dataclass(frozen=True)
class Csharp:
    """The compiled program of the tests."""

    command: tuple[str, ...]

    def run(self, *arguments: str, given: str = "") -> dict[str, Any]:
        """Return what it prints, by name. Fails with what it says when it fails."""
        result = subprocess.run(
            [*self.command, *arguments], input=given, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return {line["name"]: line["value"] for line in lines}


@pytest.fixture(scope="module")
def csharp(tmp_path_factory: pytest.TempPathFactory) -> Csharp:
    """Compile the artifact into a library, and the program of the tests against it."""
    tools = mono.provide()
    folder = tmp_path_factory.mktemp("csharp")
    _, packed = artifacts.build("csharp", generator.generated("csharp"))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder / "artifact")
    (folder / "Newtonsoft.Json.dll").write_bytes((node.install(HERE) / NEWTONSOFT).read_bytes())
    sources = sorted(str(path) for path in (folder / "artifact").rglob("*.cs"))
    for command in (
        [*COMMON, *SDK_ONLY, "-out:Flexagora.dll", *sources],
        [*COMMON, "-r:Flexagora.dll", "-out:program.exe", str(HERE / "Program.cs")],
    ):
        result = subprocess.run(
            [tools.compiler, *command], cwd=folder, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
    return Csharp((str(tools.runtime), str(folder / "program.exe")))


def test_its_client_calls_a_platform(csharp: Csharp, tmp_path: Path) -> None:
    platform = MarketPlayerPlatform(settings(f"sqlite:///{tmp_path / 'platform.db'}", tmp_path))
    event = confirmed()
    document = json.loads(event.to_json()) | {"ofALaterVersion": {"is": "ignored"}}
    with served(platform) as url:
        said = csharp.run("call", f"{url}/eu-mp/v1", FIRST_INBOUND, given=json.dumps(document))
    assert said["test"]["contract"] == "eu-mp"
    assert said["first"] == {"eventId": str(event.event_id), "outcome": "APPLIED"}
    assert said["again"] == {"eventId": str(event.event_id), "outcome": "DUPLICATE"}
    assert [one["eventId"] for one in said["held"]["items"]] == [str(event.event_id)]
    assert len(set(said["keys"])) == 1
    assert said["refused"]["status"] == 401
    assert said["refused"]["problem"]["title"] == "Authentication is required"
    held = platform.subscriptions.get(event.subscription_id)
    assert held.terms == event.terms  # C# has read it and written it again


def test_values_of_a_later_version_do_not_stop_it(csharp: Csharp) -> None:
    acknowledged = {"eventId": str(new_id()), "outcome": "POSTPONED"}
    assert csharp.run("read", given=json.dumps(acknowledged)) == {"read": "UnknownDefaultOpenApi"}


def test_a_missing_property_stops_it(csharp: Csharp) -> None:
    said = csharp.run("read", given=json.dumps({"eventId": str(new_id())}))
    assert "outcome" in said["failed"]


def test_its_client_sends_forms(csharp: Csharp) -> None:
    forms: list[dict[str, list[str]]] = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
            forms.append(parse_qs(body))
            answer = b'{"access_token": "x", "token_type": "Bearer", "expires_in": 5, "scope": ""}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as it is called)
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        said = csharp.run("token", url, "a client", "of & secret")
        server.shutdown()
    assert forms == [
        {
            "grant_type": ["client_credentials"],
            "client_id": ["a client"],
            "client_secret": ["of & secret"],
        }
    ]
    assert said["token"]["access_token"] == "x"


@pytest.fixture(scope="module")
def url(csharp: Csharp) -> Iterator[str]:
    """Give the base URL of the contract while the C# program serves it."""
    prefix = f"http://127.0.0.1:{free_port()}/eu-mp/v1"
    with subprocess.Popen(
        [*csharp.command, "serve", prefix, FIRST_INBOUND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert json.loads(process.stdout.readline()) == {"name": "serves", "value": prefix}
        yield prefix
        process.stdin.close()
        process.wait(10)


def test_its_server_answers_the_client_of_python(url: str) -> None:
    client = eu_mp_client(url.removesuffix("/eu-mp/v1"))
    event = confirmed()
    assert client.test_connection().contract == "eu-mp"
    for outcome in (AcknowledgementOutcome.APPLIED, AcknowledgementOutcome.DUPLICATE):
        acknowledged = client.confirm_service_offer(PlatformRole.PROVIDER, event)
        assert acknowledged.event_id == event.event_id
        assert acknowledged.outcome is outcome
    end = canceled(event, clock.now() - event.occurred_at)
    client.cancel_service_offer(PlatformRole.PROVIDER, end)
    held = client.list_held_events(since=event.occurred_at)
    assert {(one.event_id, one.occurred_at, one.platform_role) for one in held.items} >= {
        (event.event_id, event.occurred_at, PlatformRole.PROVIDER),
        (end.event_id, end.occurred_at, PlatformRole.PROVIDER),
    }


@pytest.mark.parametrize(
    ("change", "pointer", "rule"),
    [
        ({"eventId": "not a UUID"}, "/eventId", "type"),
        ({"terms": {"text": "And nothing else."}}, "/terms", "type"),
        ({"occurredAt": None}, "/occurredAt", "type"),
    ],
)
def test_its_server_names_what_is_wrong(
    url: str, change: dict[str, object], pointer: str, rule: str
) -> None:
    document = json.loads(confirmed().to_json()) | change
    answer = requests.post(
        f"{url}/service-offer/confirmed/provider",
        json=document,
        headers={"X-API-Key": FIRST_INBOUND},
        timeout=10,
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert answer.json()["errors"][0]["rule"] == rule


def test_its_server_asks_for_what_is_required(url: str) -> None:
    answer = requests.get(f"{url}/events", headers={"X-API-Key": FIRST_INBOUND}, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": "since", "rule": "required", "detail": "since is missing."}
    ]

"""What the Java SDK tells the marketplace arrives, in order and applied once, whatever happens."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from examples.demo.companies import wait_until
from examples.demo.processes import free_port
from mpp_sdk.ids import new_id
from mpp_sdk.webhooks import new_signing_secret
from tests.functional.sdk.support import FIRST_OUTBOUND, FakeMarketplace
from tests.sdk.java.compiled import JavaSdk
from tests.services.processes import Killable

HERE = Path(__file__).parent / "java"
SUBSCRIPTION = str(new_id())


@pytest.fixture(scope="module")
def program(java_sdk: JavaSdk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the compiled program of these tests."""
    folder = tmp_path_factory.mktemp("telling")
    java_sdk.compile([HERE / "Telling.java"], folder)
    return folder


@contextmanager
def telling(
    sdk: JavaSdk, program: Path, folder: Path, marketplace_url: str, *pods: str
) -> Iterator[Killable]:
    """Give a platform that tells of points of delivery, for as long as the block runs."""
    process = Killable(
        [*sdk.command("Telling", program), SUBSCRIPTION, *pods],
        folder=folder,
        environment={
            "MPP_PORT": "0",
            "MPP_JOURNAL": str(folder / "platform.journal"),
            "MPP_MARKETPLACE_URL": marketplace_url,
            "MPP_API_KEY": FIRST_OUTBOUND,
            "MPP_SIGNING_SECRETS": new_signing_secret(),
            "MPP_ALLOW_PRIVATE_ADDRESSES": "true",
            "MPP_ALLOW_HTTP": "true",
        },
        log=folder / "platform.log",
    )
    process.start()
    try:
        yield process
    finally:
        process.stop()


def test_what_is_told_survives_outages_lost_answers_and_a_crash(
    java_sdk: JavaSdk, program: Path, tmp_path: Path
) -> None:
    port = free_port()
    journal = tmp_path / "platform.journal"
    with telling(java_sdk, program, tmp_path, f"http://127.0.0.1:{port}", "POD-1") as process:
        wait_until("A failed attempt", lambda: '"failures":1' in _text(journal))
        process.kill()

    marketplace = FakeMarketplace(
        tmp_path, lose_answers_to={"notify_consent", "notify_activation", "refresh_api_key"}
    )
    with (
        marketplace.served(port) as url,
        telling(java_sdk, program, tmp_path, url, "POD-2"),
    ):
        wait_until("Both stories", lambda: len(marketplace.story("POD-2")) >= 2)
        wait_until("The new key", lambda: '"refreshId"' not in _key(journal))

    told = {str(one.event_id): one for one in marketplace.received}
    states = [getattr(one, "state", None) for one in told.values()]
    assert states == ["GRANTED", "ACTIVE", "GRANTED", "ACTIVE"]  # in order, each event once
    assert marketplace.calls.count("notify_consent") >= 3  # the lost answer was asked for again
    assert len(marketplace.keys.all()) == 2  # and so was the key, which was issued once


@dataclass
class Answers:
    """Answers each call by a function of its number, and remembers the calls."""

    answer: Callable[[int], tuple[int, dict[str, str]]]
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Give the URL while it answers."""
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                refresh = self.path.endswith("/apikey")
                status, headers = (503, {}) if refresh else answers.answer(len(answers.bodies))
                if not refresh:
                    answers.bodies.append(json.loads(body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                content = json.dumps(
                    {"eventId": str(new_id()), "outcome": "APPLIED"} if status == 200 else {}
                ).encode()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()


@pytest.mark.parametrize("status", [400, 410, 422])
def test_what_is_refused_for_good_is_not_sent_again_and_holds_nothing_up(
    java_sdk: JavaSdk, program: Path, tmp_path: Path, status: int
) -> None:
    answers = Answers(lambda number: (status if number == 0 else 200, {}))
    with (
        answers.served() as url,
        telling(java_sdk, program, tmp_path, url, "POD-1"),
    ):
        wait_until(
            "The second", lambda: "notification/done/" in _text(tmp_path / "platform.journal")
        )
    assert [body["state"] for body in answers.bodies] == ["GRANTED", "ACTIVE"]
    assert "notification/dead/" in _text(tmp_path / "platform.journal")


@pytest.mark.parametrize("named", ["3600", "Sat, 01 Jan 2050 00:00:00 GMT"])
def test_retry_after_is_not_undercut(
    java_sdk: JavaSdk, program: Path, tmp_path: Path, named: str
) -> None:
    answers = Answers(lambda _: (HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": named}))
    journal = tmp_path / "platform.journal"
    with answers.served() as url, telling(java_sdk, program, tmp_path, url, "POD-1"):
        wait_until("The first attempt", lambda: '"failures":1' in _text(journal))
    [waiting] = [
        value
        for line in _text(journal).splitlines()
        for key, value in json.loads(line).items()
        if key.startswith("notification/waiting/") and value and value["failures"]
    ]
    assert len(answers.bodies) == 1  # and what comes after it in its subscription waits for it
    first, following = (
        datetime.fromisoformat(waiting[name][:19]) for name in ("firstAttemptAt", "nextAttemptAt")
    )
    assert following - first >= timedelta(hours=1)


def _text(journal: Path) -> str:
    return journal.read_text() if journal.exists() else ""


def _key(journal: Path) -> str:
    lines = [line for line in _text(journal).splitlines() if '"outbound-key"' in line]
    return lines[-1]

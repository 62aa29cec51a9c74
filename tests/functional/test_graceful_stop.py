"""What a process does that is told to stop: it drains, ends what is under way, and ends with 0."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from examples.demo.environments import marketplace_environment
from examples.demo.processes import free_port
from tests.services.processes import Killable

READY_SECONDS = 120
DRAIN = "PT3S"


@contextmanager
def served(kind: str, folder: Path, drain: str = DRAIN) -> Iterator[tuple[Killable, str]]:
    """Give a serving process that is ready, and its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    if kind == "marketplace":
        arguments = ["marketplace", "serve"]
        settings = {**marketplace_environment(folder, port), "FLEXAGORA_DRAIN_DELAY": drain}
    else:
        arguments = ["mpp_sdk", "serve", "mpp_sdk.platform:MarketPlayerPlatform"]
        settings = {
            "MPP_PORT": str(port),
            "MPP_DATABASE_URL": f"sqlite:///{folder}/platform.db",
            "MPP_DRAIN_DELAY": drain,
        }
    process = Killable(
        [sys.executable, "-m", *arguments],
        folder=Path.cwd(),
        environment=settings,
        log=folder / "process.log",
    )

    def ready() -> bool:
        try:
            return requests.get(f"{url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    try:
        process.start()
        process.wait_until(ready, READY_SECONDS)
        yield process, url
    finally:
        process.kill()


def ended(process: Killable) -> int:
    """Return the exit status once it has ended by itself."""
    deadline = time.monotonic() + 60
    while process.exit_status is None:
        assert time.monotonic() < deadline, "It does not stop."
        time.sleep(0.05)
    return process.exit_status


@pytest.mark.parametrize("kind", ["marketplace", "platform"])
def test_it_says_that_it_is_not_ready_and_takes_calls_until_it_has_drained(
    kind: str, tmp_path: Path
) -> None:
    with served(kind, tmp_path) as (process, url), requests.Session() as kept:
        before = kept.get(f"{url}/healthz", timeout=10)
        assert before.status_code == 200
        assert "Connection" not in before.headers
        process.send_signal(signal.SIGTERM)
        answers: list[tuple[int, int, str | None]] = []
        while True:
            try:
                alive = kept.get(f"{url}/healthz", timeout=10)
                ready = kept.get(f"{url}/readyz", timeout=10)
            except requests.ConnectionError:
                break
            connection = ready.headers.get("Connection")
            answers.append((alive.status_code, ready.status_code, connection))
            time.sleep(0.2)
        assert ended(process) == 0
        assert len(answers) > 2
        assert {(alive, ready) for alive, ready, _ in answers[1:]} == {(200, 503)}
        assert {connection for *_, connection in answers[2:]} == {"close"}


@pytest.mark.parametrize("kind", ["marketplace", "platform"])
def test_a_second_signal_ends_the_draining(kind: str, tmp_path: Path) -> None:
    with served(kind, tmp_path, drain="PT4M") as (process, _):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.exit_status is None
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0


def test_a_call_that_is_under_way_gets_its_answer(tmp_path: Path) -> None:
    """Its body comes while the process stops."""
    with served("marketplace", tmp_path, drain="PT0S") as (process, url):
        begun = threading.Event()

        def body() -> Iterator[bytes]:
            yield b'{"name": '
            begun.set()
            time.sleep(2)
            yield b'"x"}'

        answers: list[int] = []

        def call() -> None:
            target = f"{url}/api/v1/market-players"
            headers = {"Content-Type": "application/json"}
            answers.append(
                requests.post(target, data=body(), headers=headers, timeout=20).status_code
            )

        caller = threading.Thread(target=call)
        caller.start()
        begun.wait()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        caller.join()
        assert answers == [400]
        assert ended(process) == 0


def test_who_connects_and_is_slow_to_ask_is_answered_too(tmp_path: Path) -> None:
    with served("platform", tmp_path, "PT0S") as (process, url):
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
            process.send_signal(signal.SIGTERM)
            while _takes_connections(port):
                time.sleep(0.01)
            caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert caller.recv(65_536).startswith(b"HTTP/1.1 200 OK")
        assert ended(process) == 0


def _takes_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except ConnectionRefusedError:
        return False
    return True

"""A server as a process of its own, and its access log in a file."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import requests
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mpp_sdk.web import server as server_module
from mpp_sdk.web.server import compose

PROGRAM = """
import sys, time
from pathlib import Path
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from mpp_sdk.web.access_log import log_to_file
from mpp_sdk.web.server import compose, serve

def slow(request):
    print("begun", flush=True)
    time.sleep(0.5)
    return PlainTextResponse("done")

log_to_file(Path(sys.argv[1]))
serve(compose([], [Route("/slow", slow)]), port=0, on_start=lambda url: print(url, flush=True))
"""


def test_a_server_that_is_told_to_stop_ends_its_calls_first(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    answers: list[str] = []
    caller = threading.Thread(
        target=lambda: answers.append(requests.get(url + "/slow", timeout=60).text)
    )
    caller.start()
    assert process.stdout.readline().strip() == "begun"
    process.send_signal(signal.SIGTERM)
    caller.join(60)
    _, errors = process.communicate(timeout=60)

    assert answers == ["done"], errors
    assert url.startswith("http://127.0.0.1:")
    [line] = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["path"], line["status"]) == ("/slow", 200)


def test_who_has_connected_and_was_not_taken_yet_is_answered_when_it_stops() -> None:
    """Only the system knows of the connections: the event loop had no turn since they came."""
    app = compose([], [Route("/", lambda request: PlainTextResponse("taken"))])
    listener = server_module._listen("127.0.0.1", 0)
    address = listener.getsockname()
    callers: list[socket.socket] = []

    async def stop_as_they_connect() -> None:
        server = server_module._Server(server_module._config(app), 0.0, lambda: None)
        config = server.config
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        for _ in range(20):
            caller = socket.create_connection(address, timeout=20)
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            callers.append(caller)
        await server.shutdown(sockets=[listener])

    asyncio.run(stop_as_they_connect())
    answers = [caller.recv(65_536) for caller in callers]
    for caller in callers:
        caller.close()
    assert [answer[-5:] for answer in answers] == [b"taken"] * 20

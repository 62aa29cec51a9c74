"""A server as a process of its own, and its access log in a file."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests

PROGRAM = """
import sys, time
from pathlib import Path
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from mpp_sdk.web.access_log import log_to_file
from mpp_sdk.web.server import compose, serve

def slow(request):
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
        target=lambda: answers.append(requests.get(url + "/slow", timeout=10).text)
    )
    caller.start()
    time.sleep(0.25)
    process.send_signal(signal.SIGTERM)
    caller.join(10)
    _, errors = process.communicate(timeout=10)

    assert answers == ["done"], errors
    assert url.startswith("http://127.0.0.1:")
    [line] = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["path"], line["status"]) == ("/slow", 200)

"""What a handler costs that the SDK serves, beside bare Starlette and a generated Flask server."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import requests

from benchmarks.load import run_round
from benchmarks.serving import flask_stub
from benchmarks.serving.handlers import KEY
from benchmarks.serving.served import PATH
from examples.demo.processes import free_port
from mpp_sdk.ids import new_id
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.exchange import Exchange
from mpp_sdk.web.validation import JSON, Validators

CONNECTIONS = 32
PODS = (5, 500)
_ROUNDS = 9
_ROUND_S = 2.0
_PER_SECOND_AT_MOST = 20_000
_START_S = 60
_CHECKS = 1_000
_KINDS = {
    "starlette": "bare Starlette",
    "platform": "mpp_sdk.platform",
    "unchecked": "mpp_sdk.platform, nothing checked",
    "flask": "openapi-generator python-flask",
}


def run(quick: bool = False) -> None:
    """Print how the servers compare, and what checking a call takes."""
    rounds, seconds = (2, 1.0) if quick else (_ROUNDS, _ROUND_S)
    print("Making the Flask server: generating it, and an environment with what it needs ...")
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        folder = Path(made)
        command = flask_stub.make(folder)
        servers = {kind: stack.enter_context(_serving(kind, folder, command)) for kind in _KINDS}
        for pods in PODS:
            print(
                f"POST {PATH}, {pods} PoDs, {CONNECTIONS} connections, one process each;"
                f" medians of {rounds} rounds"
            )
            _compare(servers, pods, rounds, seconds)


@dataclass(frozen=True)
class _Server:
    """A server's process and the port that it listens on."""

    process: subprocess.Popen[str]
    port: int


@dataclass
class _Result:
    """What each round of a server came to: calls a second, their latency, and CPU time a call."""

    rates: list[float] = field(default_factory=list)
    latest: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def _compare(servers: dict[str, _Server], pods: int, rounds: int, seconds: float) -> None:
    results = {kind: _Result() for kind in _KINDS}
    for server in servers.values():
        run_round("127.0.0.1", server.port, _requests(pods, 1.0), 1.0, expected=202)  # to warm up
    for number in range(rounds):
        # There and back, so that what else the machine does weighs on all of them alike.
        for kind in list(_KINDS)[:: 1 if number % 2 else -1]:
            _measure(servers[kind], _requests(pods, seconds), seconds, results[kind])
    ours = results["platform"]
    for kind, name in _KINDS.items():
        its = results[kind]
        line = (
            f"{name:<34} {median(its.rates):7,.0f}/s  p99 {median(its.latest) * 1000:6.1f} ms"
            f"  CPU {median(its.cpu) * 1e6:7,.0f} us a call"
        )
        if kind != "platform":
            rate = median([a / b for a, b in zip(ours.rates, its.rates, strict=True)])
            cpu = median([a / b for a, b in zip(ours.cpu, its.cpu, strict=True)])
            line += f"   mpp_sdk.platform: {rate:5.2f} times the calls, {cpu:5.2f} times the CPU"
        print(line)
    checked = _check_seconds(pods)
    print(
        f"checking parameters and body by themselves: {checked * 1e6:,.0f} us a call,"
        f" {checked / median(ours.cpu):.2f} of the CPU time of mpp_sdk.platform\n"
    )


def _measure(
    server: _Server, calls: Sequence[deque[bytes]], seconds: float, result: _Result
) -> None:
    before = _cpu_seconds(server.process.pid)
    done = run_round("127.0.0.1", server.port, calls, seconds, expected=202)
    used = _cpu_seconds(server.process.pid) - before
    result.rates.append(done.per_second)
    result.latest.append(done.percentile(0.99))
    result.cpu.append(used / len(done.latencies))


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its children have used so far."""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    own = (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(_cpu_seconds, children))


def _document(pods: int) -> bytes:
    ids = [f"ES0021000000{number:06}AB" for number in range(pods)]
    return json.dumps({"podIds": ids}).encode()


def _requests(pods: int, seconds: float) -> list[deque[bytes]]:
    body = _document(pods)
    path = PATH.format(subscription_id=new_id())
    one = (
        f"POST {path} HTTP/1.1\r\nHost: provider.example\r\nX-API-Key: {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    enough = int(_PER_SECOND_AT_MOST * seconds / CONNECTIONS)
    return [deque([one] * enough) for _ in range(CONNECTIONS)]


def _check_seconds(pods: int) -> float:
    """Return the CPU time it takes to read and check the parameters and the body of a call."""
    contract = Contract.load("metering")
    operation = contract.by_id["request_points_of_delivery"]
    validators = Validators(contract)
    body, subscription_id = _document(pods), str(new_id())

    def check() -> float:
        begun = time.process_time()
        for _ in range(_CHECKS):
            exchange = Exchange("POST", "", "", body=body)
            exchange.path_values = {"subscriptionId": subscription_id}
            validators.check_parameters(operation, exchange, {"query_string": b""})
            validators.check_body(operation, exchange, JSON)
        return (time.process_time() - begun) / _CHECKS

    return min(check() for _ in range(_ROUNDS))


@contextlib.contextmanager
def _serving(kind: str, folder: Path, flask: Sequence[str]) -> Iterator[_Server]:
    """Give a server of this kind, in a process of its own."""
    if kind == "flask":
        port = free_port()
        command, where = [*flask, "--bind", f"127.0.0.1:{port}"], folder / "server"
    else:
        own = folder / kind
        own.mkdir()
        command, where = [sys.executable, "-m", "benchmarks.serving.served", kind, str(own)], None
    with (folder / f"{kind}.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=where, stdout=subprocess.PIPE, stderr=log, text=True, env=dict(os.environ)
        )
    try:
        if kind != "flask":
            line = process.stdout.readline().strip() if process.stdout else ""
            port = int(urlsplit(line).port or 0)
        _wait_until_it_answers(port, process, folder / f"{kind}.log")
        yield _Server(process, port)
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_answers(port: int, process: subprocess.Popen[str], log: Path) -> None:
    url = f"http://127.0.0.1:{port}{PATH.format(subscription_id=new_id())}"
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    deadline = time.monotonic() + _START_S
    while True:
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.post(url, data=_document(2), headers=headers, timeout=10)
            if answer.status_code != 202 or len(answer.json()["items"]) != 2:
                raise RuntimeError(f"{answer.status_code}: {answer.text}")
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"It does not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)

"""Servers as processes of their own on the loopback address: started, waited for, stopped."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

READY_SECONDS = 120
STOP_SECONDS = 20


class DidNotStart(Exception):
    """A server ended, or did not answer in time; the text holds the end of its log."""


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on.

    It lies below those that a system gives to outgoing connections: one of these could take it
    before a server does.
    """
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311  # no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class ServerProcess:
    """A server that runs `python -m ...`; what it prints goes to a log file."""

    def __init__(
        self, name: str, module: Sequence[str], port: int, environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", *module]
        self._environment = dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises DidNotStart."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                end = "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])
                raise DidNotStart(f"{self.name} did not start. The end of {self._log}:\n{end}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a service manager would, and the hard way if it does not obey."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait(self, seconds: float) -> int:
        """Return its exit status once it has ended by itself. Raises TimeoutExpired."""
        if self._process is None:
            raise DidNotStart(f"{self.name} was not started.")
        return self._process.wait(seconds)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).status_code < 500
        except requests.RequestException:
            return False

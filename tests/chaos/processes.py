"""The processes of the harness: started, ended at a step, frozen, and started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.chaos.control import Control, Slot, Step

READY_SECONDS = 60
_GIVEN_UP = 10  # a database that is down for a moment makes some starts fail


class DidNotStart(Exception):
    """A process did not come up; the text holds the end of its log."""


@dataclass(frozen=True)
class Loss:
    """What was in flight when a process was killed or frozen, or a call's outcome was lost.

    unrecorded: sent, the outcome not recorded. unanswered: arrived, not answered.
    """

    at: float
    process: str
    how: str
    unrecorded: int
    unanswered: int

    @property
    def in_flight(self) -> int:
        return self.unrecorded + self.unanswered


class Process:
    """One process of the product. It comes back by itself for as long as it is wanted."""

    def __init__(
        self,
        name: str,
        kind: str,
        folder: Path,
        environment: Mapping[str, str],
        port: int | None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.port = port
        self.log = folder / f"{name}.log"
        self.wire = folder / f"{name}.wire"
        control = folder / f"{name}.control"
        self.control = Control(control)
        self.environment = {
            **environment,
            "CHAOS_CONTROL": str(control),
            "CHAOS_WIRE": str(self.wire),
            "CHAOS_NAME": name,
            "CHAOS_INCIDENTS": str(folder / "incidents.jsonl"),
        }
        self.limits: list[tuple[int, int]] = []
        self.pid: int | None = None
        self.wanted = False
        self.starts = 0
        self.failures = 0
        self.changed = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        if self.port is None:
            return self.pid is not None
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def end_of_log(self) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


class Supervisor:
    """Starts processes by way of the nursery, and again when they end. Ends what it has started."""

    def __init__(self, folder: Path, on_loss: Callable[[Loss], None]) -> None:
        self._on_loss = on_loss
        self._processes: dict[str, Process] = {}
        self._by_pid: dict[int, Process] = {}
        self._lock = threading.Lock()
        self._closing = False
        self.unexpected: list[str] = []
        with (folder / "nursery.log").open("ab") as log:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._listening = threading.Thread(target=self._listen, name="supervisor", daemon=True)
        self._listening.start()

    def start(self, process: Process, *, wait: bool = True) -> None:
        """Start a process and keep it running. Raises DidNotStart."""
        self._processes[process.name] = process
        process.wanted = True
        self._order(process)
        if wait:
            self.wait_for(process)

    def wait_for(self, process: Process, seconds: float = READY_SECONDS) -> None:
        """Return once it answers. Raises DidNotStart."""
        deadline = time.monotonic() + seconds
        while not process.answers():
            if time.monotonic() > deadline or process.failures >= _GIVEN_UP:
                raise DidNotStart(f"{process.name} does not answer.\n{process.end_of_log()}")
            time.sleep(0.05)

    def kill(self, process: Process) -> None:
        """End a process at once, and return when it is gone."""
        self._signal(process, signal.SIGKILL)

    def kill_at(self, process: Process, step: Step, passage: int, seconds: float) -> bool:
        """Have a process end at a step; return whether it came there in time. Else it goes on."""
        with process.changed:
            starts = process.starts
            process.control.arm(step, passage, signal.SIGKILL)
            gone = process.changed.wait_for(lambda: process.starts > starts, seconds)
        if not gone:
            process.control.disarm()
        return gone

    def freeze(self, process: Process, seconds: float) -> None:
        """Have a process stand still for so long."""
        pid = process.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        self._lose(process, f"SIGSTOP for {seconds:.0f} s")
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def stop(self, process: Process, seconds: float = 30) -> None:
        """End a process as a service manager would; it does not come back."""
        process.wanted = False
        pid = process.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        with process.changed:
            if not process.changed.wait_for(lambda: process.pid is None, seconds):
                self.unexpected.append(f"{process.name} did not stop within {seconds:.0f} s")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                process.changed.wait_for(lambda: process.pid is None, seconds)

    def close(self) -> None:
        """End everything that runs."""
        self._closing = True
        for process in self._processes.values():
            process.wanted = False
        if self._nursery.stdin is not None:
            self._nursery.stdin.close()
        self._nursery.wait(30)
        self._listening.join(10)

    def _signal(self, process: Process, number: int) -> None:
        pid = process.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        with process.changed:
            process.changed.wait_for(lambda: process.pid != pid, 10)

    def _order(self, process: Process) -> None:
        order = {
            "name": process.name,
            "kind": process.kind,
            "log": str(process.log),
            "environment": process.environment,
            "limits": process.limits,
        }
        with self._lock:
            if self._nursery.stdin is not None and not self._closing:
                self._nursery.stdin.write(json.dumps(order).encode() + b"\n")
                self._nursery.stdin.flush()

    def _listen(self) -> None:
        assert self._nursery.stdout is not None
        for line in self._nursery.stdout:
            said = json.loads(line)
            if "started" in said:
                self._started(self._processes[said["started"]], said["pid"])
            elif "ended" in said:
                self._ended(self._by_pid.pop(said["ended"]), said["status"])

    def _started(self, process: Process, pid: int) -> None:
        self._by_pid[pid] = process
        with process.changed:
            process.pid = pid
            process.starts += 1
            process.changed.notify_all()

    def _ended(self, process: Process, status: int) -> None:
        if self._closing:
            return
        reached = process.control.reached
        if status == -signal.SIGKILL:
            self._lose(process, f"SIGKILL {reached}" if reached else "SIGKILL at a random moment")
        elif process.wanted:
            self._lose(process, f"ended by itself with status {status}")
            self.unexpected.append(f"{process.name} ended by itself with status {status}")
            process.failures += 1
        process.control.begin_anew()
        with process.changed:
            process.pid = None
            process.changed.notify_all()
        if process.wanted:
            if status != -signal.SIGKILL:
                time.sleep(0.3)  # as a service manager does with what fails at its start
            self._order(process)

    def _lose(self, process: Process, how: str) -> None:
        control = process.control
        self._on_loss(Loss(time.time(), process.name, how, control.unrecorded, control.unanswered))


def read_incidents(file: Path) -> list[Loss]:
    """Return the calls whose outcome was lost without a kill."""
    if not file.exists():
        return []
    found = []
    for line in file.read_text().splitlines():
        said: dict[str, Any] = {}
        with contextlib.suppress(json.JSONDecodeError):  # cut off when the disk was full
            said = json.loads(line)
        if not said:
            continue
        how = f"{said['what']}: {said['why']}"
        found.append(Loss(said["at"], said["process"], how, int(said["count"]), 0))
    return found


__all__ = ["DidNotStart", "Loss", "Process", "Slot", "Step", "Supervisor", "read_incidents"]

"""Servers that a test may kill: each a process of its own, with all that it has started."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_POLICY = Path("/usr/sbin/policy-rc.d")
_STOP_SECONDS = 60
_WAIT_FOR_OTHERS = ("--option", "DPkg::Lock::Timeout=300")  # who install something at this moment


class CannotStart(Exception):
    """A server that a test needs cannot be had here; the text says what to install."""


@dataclass(frozen=True)
class Server:
    """A server. stop() ends it if it was started here."""

    url: str
    stop: Callable[[], None]


def running(variable: str, default: str, answers: Callable[[str], bool]) -> Server | None:
    """Return the server that a variable of the environment names, else the one of this machine.

    None when nothing answers at its usual address. Raises CannotStart when the one that is named
    does not answer.
    """
    named = os.environ.get(variable)
    if named and not answers(named):
        raise CannotStart(f"{variable} names a server that does not answer.")
    url = named or default
    return Server(url, _leave) if named or answers(default) else None


def _leave() -> None:
    """Leave what was there before as it is."""


def account(*names: str) -> str | None:
    """Return the first of these accounts that there is; None unless we are root, who can choose."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return next((name for name in names if name in known), None)


def give_to(path: Path, user: str | None) -> None:
    """Make an account the owner of a file or a folder."""
    if user is not None:
        shutil.chown(path, user)


def can_install() -> bool:
    """Return whether packages can be installed here without asking anybody."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages of Debian's, none of whose services is started."""
    print(f"Installing {' and '.join(packages)} for the tests ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    made = not _POLICY.exists()
    if made:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            subprocess.run(
                ["apt-get", "--quiet", *_WAIT_FOR_OTHERS, *command],
                check=True,
                capture_output=True,
                env=environment,
            )
    finally:
        if made:
            _POLICY.unlink()


class Killable:
    """A process that is started, stopped, killed, paused, and started again."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path,
        stop_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._command = list(command)
        self._folder = folder
        self._user = user
        self._environment = {**os.environ, **(environment or {})}
        self._log = log
        self._stop_with = stop_with
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process. Raises LookupError when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise LookupError(f"{self._command[0]} does not run.")
        return self._process.pid

    @property
    def family(self) -> list[int]:
        """The ids of the process and of all that it has started; empty when it does not run."""
        return self._family()

    @property
    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs, or was not started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; that it answers is for the caller to find out."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else [],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it and all that it has started at once (SIGKILL), as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        """End it as a service manager would, and the hard way if it does not obey in time."""
        if self._process is None or not self.runs:
            return
        self.resume()
        self._process.send_signal(self._stop_with)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, and to nothing that it has started."""
        _signal(self.pid, number)

    def pause(self) -> None:
        """Have it and all that it has started stand still (SIGSTOP)."""
        for pid in self._family():
            _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on (SIGCONT)."""
        for pid in self._family():
            _signal(pid, signal.SIGCONT)

    def end_of_log(self) -> str:
        """Return the last lines of what it has printed."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def wait_until(self, answers: Callable[[], bool], seconds: float) -> None:
        """Wait until it answers. Raises CannotStart with the end of its log, having ended it."""
        deadline = time.monotonic() + seconds
        while not answers():
            if not self.runs or time.monotonic() > deadline:
                self.kill()
                raise CannotStart(
                    f"{self._command[0]} did not start. The end of {self._log}:\n"
                    + self.end_of_log()
                )
            time.sleep(0.1)

    def _end(self, number: signal.Signals) -> None:
        family = self._family()
        for pid in family:
            _signal(pid, number)
        if self._process is not None:
            self._process.wait()
        while any(_runs(pid) for pid in family):  # memory and ports are free only then
            time.sleep(0.01)

    def _family(self) -> list[int]:
        return [self.pid, *_descendants(self.pid)] if self.runs else []


class PrivateServer:
    """A server of a test's own, and what can be done to its process."""

    _server: Killable

    def stop(self) -> None:
        """End it in order."""
        self._server.stop()

    def kill(self) -> None:
        """End it and all that it has started at once (SIGKILL), as a power cut would."""
        self._server.kill()

    def pause(self) -> None:
        """Have it and all that it has started stand still."""
        self._server.pause()

    def resume(self) -> None:
        """Have it go on."""
        self._server.resume()


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

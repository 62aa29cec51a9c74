"""nginx for the tests: a proxy of a test's own, with the configuration that the test gives."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.services.processes import CannotStart, Killable, can_install, install

_START_SECONDS = 30


class NoNginx(CannotStart):
    """There is no nginx, and none can be installed here; the text says what to do."""


class Nginx:
    """A proxy that runs in the foreground with all of its files in one folder."""

    def __init__(self, folder: Path, configuration: str, url: str) -> None:
        self._program = _program()
        self._folder = folder
        self.url = url
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "nginx.conf").write_text(configuration)
        self._server = Killable(
            self._command("-g", f"daemon off; {_workers()}"),
            folder=folder,
            log=folder / "nginx.log",
            stop_with=signal.SIGQUIT,  # calls under way end first
        )

    def check(self) -> None:
        """Raise CannotStart with what nginx has against the configuration."""
        tried = subprocess.run(self._command("-t"), check=False, capture_output=True, text=True)
        if tried.returncode:
            raise CannotStart(tried.stderr)

    def start(self) -> None:
        """Start it and wait until something is answered, be it an error. Raises CannotStart."""
        self.check()
        self._server.start()
        self._server.wait_until(self._answers, _START_SECONDS)

    def reload(self) -> None:
        """Have it read its configuration again; calls under way end with the old one."""
        self._server.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it when the calls under way have ended."""
        self._server.stop()

    def kill(self) -> None:
        """End it and its workers at once."""
        self._server.kill()

    def _command(self, *more: str) -> list[str]:
        files = ["-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]
        return [self._program, *files, "-e", str(self._folder / "error.log"), *more]

    def _answers(self) -> bool:
        try:
            requests.get(self.url, timeout=2, verify=False)  # only whether it listens
        except requests.RequestException:
            return False
        return True


@contextmanager
def private_nginx(folder: Path, configuration: str, url: str) -> Iterator[Nginx]:
    """Give a running nginx; url is where it answers. Raises NoNginx when it cannot be had."""
    proxy = Nginx(folder, configuration, url)
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.kill()


def _program() -> str:
    if _found() is None and can_install():
        install("nginx-light")
    found = _found()
    if found is None:
        raise NoNginx("The tests need nginx 1.22 or newer: install the package nginx-light.")
    return found


def _found() -> str | None:
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or shutil.which("nginx")


def _workers() -> str:
    """Have root's workers be root's: others cannot write into a test's folder."""
    return "user root;" if os.geteuid() == 0 else ""

"""PostgreSQL for the tests: a server that is reachable or started, and private ones to kill."""

import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from examples.demo.processes import free_port
from tests.services.processes import (
    CannotStart,
    Killable,
    PrivateServer,
    Server,
    account,
    can_install,
    give_to,
    install,
    running,
)

DEFAULT_URL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
_START_SECONDS = 60


class NoPostgreSQL(CannotStart):
    """There is no server, and none can be started here; the text says what to install."""


def provide() -> Server:
    """Return a server that answers.

    In this order: the one named in FLEXAGORA_TEST_POSTGRES_URL; one on the loopback address; one
    started in a container; one started from installed binaries; as root on Debian, one installed
    first. Raises CannotStart when nothing of this is possible.
    """
    found = running("FLEXAGORA_TEST_POSTGRES_URL", DEFAULT_URL, _answers)
    if found is not None:
        return found
    for engine in ("docker", "podman"):
        if shutil.which(engine) and _runs([engine, "info"]):
            return start_in_container(engine)
    return start_from_binaries()


def start_in_container(engine: str) -> Server:
    """Return a server in a new container that is removed when it stops."""
    port, password = free_port(), secrets.token_hex(16)
    name = f"flexagora-test-{port}"
    command = [engine, "run", "--detach", "--rm", "--name", name]
    command += ["--publish", f"127.0.0.1:{port}:5432", "--env", f"POSTGRES_PASSWORD={password}"]
    subprocess.run([*command, "docker.io/library/postgres:15"], check=True, capture_output=True)
    url = f"postgresql+psycopg://postgres:{password}@127.0.0.1:{port}/postgres"
    server = Server(url, lambda: _quietly([engine, "stop", name]))
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(url):
        if time.monotonic() > deadline:
            server.stop()
            raise NoPostgreSQL(f"The server that was started did not answer in {_START_SECONDS} s.")
        time.sleep(0.2)
    return server


def start_from_binaries() -> Server:
    """Return a server on the loopback address with a data directory that is removed afterwards."""
    stack = ExitStack()
    server = stack.enter_context(private_postgresql())
    return Server(server.url, stack.close)


class PrivatePostgreSQL(PrivateServer):
    """A server of a test's own. It keeps its address and its data when it is started again."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._binaries = _binaries()
        self._folder = folder
        self._user = account("postgres", "nobody")  # the server refuses to run as root
        self._data = folder / "data"
        port = free_port()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        given = {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            **settings,
        }
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        self._server = Killable(
            [str(self._binaries / "postgres"), "-D", str(self._data), *options],
            folder=folder,
            user=self._user,
            log=folder / "postgresql.log",
            stop_with=signal.SIGINT,  # its fast way: who is connected is not waited for
        )

    def create(self) -> None:
        """Make the data directory."""
        give_to(self._folder, self._user)
        command = [str(self._binaries / "initdb"), "--pgdata", str(self._data)]
        command += ["--username", "postgres", "--auth", "trust", "--no-sync"]
        subprocess.run(
            [*command, "--encoding", "UTF8", "--locale", "C"],
            check=True,
            capture_output=True,
            cwd=self._folder,
            user=self._user,
        )

    def start(self) -> None:
        """Start it and wait until it answers. Raises CannotStart."""
        self._server.start()
        self._server.wait_until(lambda: _answers(self.url), _START_SECONDS)

    @property
    def pids(self) -> list[int]:
        """The ids of its processes; empty when it does not run."""
        return self._server.family


@contextmanager
def private_postgresql(
    settings: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[PrivatePostgreSQL]:
    """Give a server that a test may kill, with settings of postgresql.conf.

    Its files are in the folder, or in a temporary one; they are removed afterwards. Raises
    NoPostgreSQL when there are no binaries and none can be installed.
    """
    home = Path(tempfile.mkdtemp(prefix="flexagora-pg-", dir=folder))
    try:
        server = PrivatePostgreSQL(home, settings or {})
        try:
            server.create()
            server.start()
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _binaries() -> Path:
    if not _installed() and can_install():
        install("postgresql")
    found = _installed()
    if not found:
        raise NoPostgreSQL(
            "The tests need PostgreSQL 15 or newer. Name a server in FLEXAGORA_TEST_POSTGRES_URL,"
            " or install Docker, Podman, or the package postgresql; tests that kill their server"
            " need the package."
        )
    return found[-1]


def _installed() -> list[Path]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path))
    return [one.parent for one in found]


def _answers(url: str) -> bool:
    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect():
            return True
    except DBAPIError:
        return False
    finally:
        engine.dispose()


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _quietly(command: list[str]) -> None:
    subprocess.run(command, check=False, capture_output=True)

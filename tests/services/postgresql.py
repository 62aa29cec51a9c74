"""A PostgreSQL server for the tests: one that is reachable, else one that is started for them."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

DEFAULT_URL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
_START_SECONDS = 60


class NoPostgreSQL(Exception):
    """There is no server, and none can be started here; the text says what to install."""


@dataclass(frozen=True)
class Server:
    """A server. stop() ends it if it was started here."""

    url: str
    stop: Callable[[], None]


def provide() -> Server:
    """Return a server that answers.

    In this order: the one named in FLEXAGORA_TEST_POSTGRES_URL; one on the loopback address; one
    started in a container; one started from installed binaries; as root on Debian, one installed
    first. Raises NoPostgreSQL when nothing of this is possible.
    """
    configured = os.environ.get("FLEXAGORA_TEST_POSTGRES_URL")
    if configured:
        if not _answers(configured):
            raise NoPostgreSQL("FLEXAGORA_TEST_POSTGRES_URL names a server that does not answer.")
        return Server(configured, _nothing)
    if _answers(DEFAULT_URL):
        return Server(DEFAULT_URL, _nothing)
    for engine in ("docker", "podman"):
        if shutil.which(engine) and _runs([engine, "info"]):
            return start_in_container(engine)
    if _binaries() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
    if _binaries() is None:
        raise NoPostgreSQL(
            "The tests need PostgreSQL 15 or newer. Name a server in FLEXAGORA_TEST_POSTGRES_URL,"
            " or install Docker, Podman, or the package postgresql."
        )
    return start_from_binaries()


def start_in_container(engine: str) -> Server:
    """Return a server in a new container that is removed when it stops."""
    port, password = _free_port(), secrets.token_hex(16)
    name = f"flexagora-test-{port}"
    command = [engine, "run", "--detach", "--rm", "--name", name]
    command += ["--publish", f"127.0.0.1:{port}:5432", "--env", f"POSTGRES_PASSWORD={password}"]
    subprocess.run([*command, "docker.io/library/postgres:15"], check=True, capture_output=True)
    url = f"postgresql+psycopg://postgres:{password}@127.0.0.1:{port}/postgres"
    server = Server(url, lambda: _quietly([engine, "stop", name]))
    return _once_it_answers(server)


def start_from_binaries() -> Server:
    """Return a server on the loopback address with a data directory that is removed afterwards."""
    binaries = _binaries()
    if binaries is None:
        raise NoPostgreSQL("The PostgreSQL server's binaries are not installed.")
    port = _free_port()
    folder = Path(tempfile.mkdtemp(prefix="flexagora-pg-"))
    prefix: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        prefix = ["runuser", "-u", "postgres", "--"]
    data, log = folder / "data", folder / "log"
    run = [*prefix, str(binaries / "initdb"), "--pgdata", str(data), "--username", "postgres"]
    subprocess.run(
        [*run, "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = [*prefix, str(binaries / "pg_ctl"), "--pgdata", str(data)]
    subprocess.run(
        [*control, "--log", str(log), "--options", options, "--wait", "start"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )

    def stop() -> None:
        _quietly([*control, "--mode", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)

    return _once_it_answers(
        Server(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres", stop)
    )


def _install() -> None:
    print("Installing PostgreSQL for the tests ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
        subprocess.run(
            ["apt-get", "--quiet", *command], check=True, capture_output=True, env=environment
        )


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path))
    return found[-1].parent if found else None


def _once_it_answers(server: Server) -> Server:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(server.url):
        if time.monotonic() > deadline:
            server.stop()
            raise NoPostgreSQL(f"The server that was started did not answer in {_START_SECONDS} s.")
        time.sleep(0.2)
    return server


def _answers(url: str) -> bool:
    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect():
            return True
    except OperationalError:
        return False
    finally:
        engine.dispose()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _quietly(command: list[str]) -> None:
    subprocess.run(command, check=False, capture_output=True)


def _nothing() -> None:
    """A server that was there before stays there."""

"""RabbitMQ for the tests: a broker that is reachable or started, and private ones to kill."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pika
import pika.exceptions

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

DEFAULT_URL = "amqp://guest:guest@127.0.0.1:5672"
_START_SECONDS = 120
_SERVERS = "rabbitmq_server-*/sbin/rabbitmq-server"
_FOLDERS = (Path("/usr/lib/rabbitmq/lib"), Path("/opt"), Path("/usr/local/lib"))


class NoRabbitMQ(CannotStart):
    """There is no broker, and none can be started here; the text says what to install."""


@dataclass(frozen=True)
class Tls:
    """The files of a broker's certificate, of its key, and of the authority that clients trust."""

    certificate: Path
    key: Path
    authority: Path


def provide() -> Server:
    """Return a broker that answers.

    In this order: the one named in FLEXAGORA_TEST_RABBITMQ_URL; one on the loopback address; one
    started from installed files; as root on Debian, one installed first. Raises CannotStart when
    nothing of this is possible.
    """
    found = running("FLEXAGORA_TEST_RABBITMQ_URL", DEFAULT_URL, _answers)
    if found is not None:
        return found
    stack = ExitStack()
    broker = stack.enter_context(private_rabbitmq())
    return Server(broker.url, stack.close)


class PrivateRabbitMQ(PrivateServer):
    """A broker of a test's own, on the loopback address alone; it keeps its address.

    Its name server (epmd) is its own too, so that nothing of it is left afterwards.
    """

    def __init__(self, folder: Path, tls: Tls | None) -> None:
        self._program = _program()
        self._folder = folder
        self._user = account("rabbitmq", "nobody")
        port, names, between_nodes = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}"
        self.tls_url = ""
        settings = ["loopback_users.guest = true", f"listeners.tcp.local = 127.0.0.1:{port}"]
        if tls is not None:
            tls_port = free_port()
            self.tls_url = f"amqps://guest:guest@localhost:{tls_port}"
            files = {"certfile": tls.certificate, "keyfile": tls.key, "cacertfile": tls.authority}
            for name, file in files.items():  # its account cannot read those of the test
                give_to(Path(shutil.copy(file, folder / name)), self._user)
            settings += [
                f"listeners.ssl.local = 127.0.0.1:{tls_port}",
                *(f"ssl_options.{name} = {folder / name}" for name in files),
                "ssl_options.versions.1 = tlsv1.2",
                "ssl_options.verify = verify_none",
            ]
        (folder / "rabbitmq.conf").write_text("\n".join(settings) + "\n")
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / "environment").touch()
        local = "-kernel inet_dist_use_interface {127,0,0,1}"
        self._environment = {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"flexagora-{port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(between_nodes),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": local,
            "RABBITMQ_CTL_ERL_ARGS": local,
            "RUNNING_UNDER_SYSTEMD": "1",  # so that its script becomes the server
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(names),
        }
        self._names = Killable(
            [_epmd(), "-address", "127.0.0.1", "-port", str(names)],
            folder=folder,
            user=self._user,
            log=folder / "epmd.log",
        )
        self._server = Killable(
            [str(self._program)],
            folder=folder,
            user=self._user,
            environment=self._environment,
            log=folder / "rabbitmq.log",
        )

    def start(self) -> None:
        """Start it and wait until it answers. Raises CannotStart."""
        give_to(self._folder, self._user)
        if not self._names.runs:
            self._names.start()
        self._server.start()
        self._server.wait_until(lambda: _answers(self.url), _START_SECONDS)

    def flush(self) -> None:
        """Delete every queue with what is in it, under the feet of those who use them."""
        for name in self.queues():
            self._control("delete_queue", name)

    def queues(self) -> dict[str, str]:
        """Return the type of each queue: `quorum`, `classic` or `stream`."""
        lines = self._control("list_queues", "name", "type", "--no-table-headers").splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}

    def close(self) -> None:
        """End it and what it needs."""
        self._server.kill()
        self._names.kill()

    def _control(self, *arguments: str) -> str:
        return subprocess.run(
            [str(self._program.with_name("rabbitmqctl")), "--quiet", *arguments],
            check=True,
            capture_output=True,
            text=True,
            cwd=self._folder,
            env={**os.environ, **self._environment},
            user=self._user,
        ).stdout


@contextmanager
def private_rabbitmq(tls: Tls | None = None) -> Iterator[PrivateRabbitMQ]:
    """Give a broker that a test may kill; with tls, it has a `tls_url` too.

    Raises NoRabbitMQ when it is not installed and cannot be.
    """
    folder = Path(tempfile.mkdtemp(prefix="flexagora-mq-"))
    try:
        broker = PrivateRabbitMQ(folder, tls)
        try:
            broker.start()
            yield broker
        finally:
            broker.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> Path:
    if not _installed() and can_install():
        install("rabbitmq-server")
    found = _installed()
    if not found:
        raise NoRabbitMQ(
            "The tests need RabbitMQ 3.10 or newer. Name a broker in FLEXAGORA_TEST_RABBITMQ_URL,"
            " or install the package rabbitmq-server; tests that kill their broker need the package"
        )
    return found[-1]


def _installed() -> list[Path]:
    return sorted(program for folder in _FOLDERS for program in folder.glob(_SERVERS))


def _epmd() -> str:
    found = shutil.which("epmd")
    if found is None:
        raise NoRabbitMQ("Erlang's epmd, which RabbitMQ needs, is not on the PATH.")
    return found


def _answers(url: str) -> bool:
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.blocked_connection_timeout = 5
    try:
        pika.BlockingConnection(parameters).close()
    except (pika.exceptions.AMQPError, OSError):
        return False
    return True

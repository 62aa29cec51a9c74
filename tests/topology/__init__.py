"""The topology of docker/compose.yaml from installed servers, on the loopback address.

A private PostgreSQL and a private RabbitMQ, a migration, two web processes that do not deliver, two
workers that do, and nginx with TLS from the configuration of docker/; platforms are reached over
TLS too. Secrets come from files. What is not exercised are the images and the engine's networks.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from cryptography.fernet import Fernet

from examples.demo.companies import sign_in
from examples.demo.processes import free_port
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from tests.services.certificates import Authority, Certificate
from tests.services.nginx import private_nginx
from tests.services.postgresql import private_postgresql
from tests.services.processes import Killable
from tests.services.rabbitmq import private_rabbitmq
from tests.world.clients import tried_once

TEMPLATE = Path(__file__).parents[2] / "docker" / "nginx" / "nginx.conf.template"
_ROOT = Path(__file__).parents[2]
_READY_SECONDS = 120
_HOST = "localhost"


@dataclass(frozen=True)
class Address:
    """Where a platform listens, and the URL with TLS by which others reach it."""

    port: int
    url: str


class Part:
    """One process of the marketplace."""

    def __init__(
        self, name: str, arguments: Sequence[str], settings: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        operations = free_port()
        self._ready = f"http://127.0.0.1:{operations}/readyz"
        self.process = Killable(
            [sys.executable, "-m", "marketplace", *arguments],
            folder=_ROOT,
            environment={
                **settings,
                "FLEXAGORA_DATA_DIR": str(folder / name),
                "FLEXAGORA_OPERATIONS_PORT": str(operations),
            },
            log=folder / f"{name}.log",
        )

    def start(self) -> None:
        """Start it and wait until it is ready. Raises CannotStart."""
        self.process.start()
        self.process.wait_until(self.is_ready, _READY_SECONDS)

    def is_ready(self) -> bool:
        """Return whether it says that it can do its work."""
        try:
            return requests.get(self._ready, timeout=5).status_code == 200
        except requests.RequestException:
            return False


class Topology:
    """The running parts."""

    def __init__(
        self, folder: Path, authority: Authority, settings: Mapping[str, str], platforms: int
    ) -> None:
        self.folder = folder
        self.authority = authority
        self._settings = dict(settings)
        self.url = self._settings["FLEXAGORA_PUBLIC_URL"]
        web = {**self._settings, "FLEXAGORA_DELIVER": "false", "FLEXAGORA_DRAIN_DELAY": "PT4S"}
        self.web_ports = [free_port(), free_port()]
        self.web = [
            Part(f"web-{number}", ["serve"], {**web, "FLEXAGORA_PORT": str(port)}, folder)
            for number, port in enumerate(self.web_ports, 1)
        ]
        self.workers = [
            Part(f"worker-{number}", ["deliver"], self._settings, folder) for number in (1, 2)
        ]
        self.platforms = [
            Address(free_port(), f"https://{_HOST}:{free_port()}") for _ in range(platforms)
        ]

    @property
    def parts(self) -> list[Part]:
        """Every process of the marketplace."""
        return [*self.web, *self.workers]

    def command(self, *arguments: str) -> str:
        """Return what a command of the marketplace prints."""
        return subprocess.run(
            [sys.executable, "-m", "marketplace", *arguments],
            cwd=_ROOT,
            env={**os.environ, **self._settings, "FLEXAGORA_DATA_DIR": str(self.folder)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def complaints_of_the_proxy(self) -> str:
        """Return the last that the proxy had to say, such as why it could not pass on a call."""
        log = self.folder / "proxy" / "nginx.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:])

    def operator(self) -> MarketplaceClient:
        """Return a client of a new operator's account."""
        made = json.loads(self.command("operator", "create", "--name=Test", "--json"))
        return tried_once(sign_in(self.url, made["clientId"], made["clientSecret"]))


@contextmanager
def running(folder: Path, *, platforms: int = 0) -> Iterator[Topology]:
    """Give the topology, and so many addresses for platforms, while the block runs.

    Meanwhile this process trusts its authority. Raises CannotStart.
    """
    authority = Authority(folder / "certificates")
    certificate = authority.issue(_HOST, "127.0.0.1")
    with ExitStack() as stack:
        stack.enter_context(_trusting(authority.file))
        database = stack.enter_context(private_postgresql())
        broker = stack.enter_context(private_rabbitmq())
        port, plain_port = free_port(), free_port()
        secret_files = {
            "flexagora_database_url": database.url,
            "flexagora_broker_url": broker.url,
            "flexagora_secret_keys": Fernet.generate_key().decode(),
        }
        secrets = folder / "secrets"
        secrets.mkdir()
        for name, value in secret_files.items():
            (secrets / name).write_text(value + "\n")
        settings = {
            "FLEXAGORA_SECRETS_DIR": str(secrets),
            "FLEXAGORA_PUBLIC_URL": f"https://{_HOST}:{port}",
            "FLEXAGORA_TRUSTED_PROXIES": "127.0.0.1",
            "FLEXAGORA_ALLOW_PRIVATE_ADDRESSES": "true",  # of the platforms, which are here
            "FLEXAGORA_JOB_INTERVAL": "PT1S",
            "SSL_CERT_FILE": str(authority.file),
        }
        topology = Topology(folder, authority, settings, platforms)
        topology.command("database", "upgrade")
        for part in topology.parts:
            stack.callback(part.process.kill)
            part.start()
        servers = [
            f"server 127.0.0.1:{one} max_fails=1 fail_timeout=2s;" for one in topology.web_ports
        ]
        given = {
            "FLEXAGORA_HTTP_LISTEN": f"127.0.0.1:{plain_port}",
            "FLEXAGORA_HTTPS_LISTEN": f"127.0.0.1:{port}",
            "FLEXAGORA_SERVER_NAME": _HOST,
            "FLEXAGORA_TLS_CERTIFICATE": str(certificate.chain),
            "FLEXAGORA_TLS_KEY": str(certificate.key),
            "FLEXAGORA_WEB": "\n".join(servers),
            "FLEXAGORA_WORKERS": "1",
        }
        configuration = _filled(folder / "proxy", given)
        stack.enter_context(private_nginx(folder / "proxy", configuration, topology.url))
        if topology.platforms:
            configuration = _before_platforms(folder / "platforms", certificate, topology.platforms)
            first = topology.platforms[0].url
            stack.enter_context(private_nginx(folder / "platforms", configuration, first))
        yield topology


def _filled(folder: Path, given: Mapping[str, str]) -> str:
    """Return the configuration of docker/ as envsubst fills it in."""
    values = {
        **given,
        "FLEXAGORA_RUN_DIR": str(folder),
        "FLEXAGORA_PROXY_LOG": str(folder / "access.log"),
    }
    return re.sub(r"\$\{([A-Z_]+)\}", lambda found: values[found.group(1)], TEMPLATE.read_text())


def _before_platforms(folder: Path, certificate: Certificate, addresses: Sequence[Address]) -> str:
    """Return the configuration of what ends TLS before the platforms."""
    servers = "".join(
        f"""
        server {{
            listen 127.0.0.1:{one.url.rpartition(":")[2]} ssl;
            location / {{
                proxy_pass http://127.0.0.1:{one.port};
                proxy_set_header Host $host;
            }}
        }}"""
        for one in addresses
    )
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
    pid {folder}/nginx.pid;
    worker_processes 1;
    events {{}}
    http {{
        {paths}
        access_log off;
        ssl_certificate {certificate.chain};
        ssl_certificate_key {certificate.key};
        {servers}
    }}"""


@contextmanager
def _trusting(authority: Path) -> Iterator[None]:
    """Have this process trust an authority, for whatever library it calls with."""
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(authority)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

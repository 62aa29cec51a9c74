"""The processes of a test: a marketplace and two platforms, as an operator would start them."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from examples.demo.environments import (
    PlatformSecrets,
    marketplace_environment,
    platform_environment,
)
from examples.demo.processes import ServerProcess, free_port

POD_WITH_CONSENT = "ZIVxxxxxxxxxx"
POD_WITHOUT_CONSENT = "571313000000002000"
PODS = (POD_WITH_CONSENT, POD_WITHOUT_CONSENT)

CUSTOMERS = [
    {"pod": POD_WITH_CONSENT, "readings": "stg_s02_report.xml", "consents": True},
    {
        "pod": POD_WITHOUT_CONSENT,
        "readings": "notify_validated_measure_data.xml",
        "consents": False,
    },
]


def without_limits(prefix: str) -> dict[str, str]:
    """Return the settings of a server that takes as many calls as anybody makes."""
    names = ("ADDRESS", "CREDENTIAL", "ANONYMOUS", "FAILURES")
    return {f"{prefix}RATE_LIMIT_{name}": "0" for name in names}


class MarketplaceProcess:
    """A marketplace with an SQLite database, its logs and its data in a folder."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            **marketplace_environment(folder, self.port),
            **(settings or {}),
        }
        self.server = ServerProcess(
            "The marketplace",
            ["marketplace", "serve"],
            self.port,
            self.environment,
            folder / "marketplace.log",
        )
        self.url = self.server.url

    @property
    def database_file(self) -> Path:
        """The file of the database."""
        return self.folder / "marketplace" / "flexagora.db"

    def create_operator(self) -> tuple[str, str]:
        """Return the client id and the secret of a new operator account."""
        command = ["-m", "marketplace", "operator", "create", "--name", "Test", "--json"]
        done = subprocess.run(
            [sys.executable, *command],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
        )
        created = json.loads(done.stdout)
        return created["clientId"], created["clientSecret"]


class PlatformProcess:
    """A platform that `python -m mpp_sdk serve` runs.

    Its address and its first inbound key are known before it does.
    """

    def __init__(self, folder: Path, handler: str) -> None:
        self.folder = folder
        self.handler = handler
        self.name = handler.partition(":")[0].rpartition(".")[2]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.inbound_key = f"inbound-{secrets.token_urlsafe(24)}"
        self.database_file = folder / f"{self.name}.db"
        self._server: ServerProcess | None = None

    def start(
        self,
        marketplace_url: str,
        api_key: str,
        signing_secret: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Start it. Without a signing secret it takes unsigned events."""
        self.folder.mkdir(parents=True, exist_ok=True)
        customers = self.folder / "customers.json"
        customers.write_text(json.dumps(CUSTOMERS))
        given = PlatformSecrets(self.inbound_key, api_key, signing_secret)
        environment = {
            **platform_environment(
                self.folder, self.name, self.name, self.port, marketplace_url, given
            ),
            "OPERATORCUSTOMERS": str(customers),
            "AGGREGATOR_PODS": ",".join(PODS),
            **(settings or {}),
        }
        self._server = ServerProcess(
            f"The platform {self.name}",
            ["mpp_sdk", "serve", self.handler],
            self.port,
            environment,
            self.folder / f"{self.name}.log",
        )
        self._server.start()

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._server is not None:
            self._server.stop()

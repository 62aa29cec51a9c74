"""The example platform in Java, as a process of its own."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from examples.demo.processes import free_port
from mpp_sdk.webhooks import new_signing_secret
from tests.sdk.java.compiled import JavaSdk
from tests.services.processes import Killable

READY_SECONDS = 120


class JavaPlatform:
    """A platform whose address, first key and signing secret are known before it runs.

    Its state lies in `folder` and outlives the process.
    """

    def __init__(
        self, sdk: JavaSdk, folder: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.inbound_key = f"inbound-{secrets.token_urlsafe(24)}"
        self.signing_secret = new_signing_secret()
        self.settings = dict(settings or {})
        self.name = "aggregator-in-java"
        self._sdk = sdk
        self._process: Killable | None = None

    @property
    def journal(self) -> Path:
        """The file of its state."""
        return self.folder / "platform.journal"

    @property
    def documents(self) -> Path:
        """The folder with the documents that it has fetched."""
        return self.folder / "documents"

    def recorded(self) -> dict[str, Any]:
        """Return what its journal holds, by key."""
        values: dict[str, Any] = {}
        for line in self.journal.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                values |= json.loads(line)
        return {key: value for key, value in values.items() if value is not None}

    def restart(self) -> None:
        """Kill it, and return once it answers again."""
        self.kill()
        self.start_again()

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "platform.log").read_text(errors="replace")

    def start(
        self,
        marketplace_url: str = "http://127.0.0.1:9",
        api_key: str = "",
        signing_secret: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Start it and wait until it answers. Raises CannotStart."""
        self.signing_secret = signing_secret or self.signing_secret
        self.settings |= {
            "MPP_NAME": self.name,
            "MPP_PORT": str(self.port),
            "MPP_JOURNAL": str(self.journal),
            "MPP_MARKETPLACE_URL": marketplace_url,
            "MPP_API_KEY": api_key,
            "MPP_INBOUND_API_KEY": self.inbound_key,
            "MPP_SIGNING_SECRETS": self.signing_secret,
            "MPP_ALLOW_PRIVATE_ADDRESSES": "true",
            "MPP_ALLOW_HTTP": "true",
            "AGGREGATOR_DOCUMENTS": str(self.documents),
            **(settings or {}),
        }
        self.start_again()

    def start_again(self) -> None:
        """Start it with the settings of the last time and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = Killable(
            self._sdk.command("Aggregator"),
            folder=self.folder,
            environment=self.settings,
            log=self.folder / "platform.log",
        )
        self._process.start()
        self._process.wait_until(self._answers, READY_SECONDS)

    def stop(self) -> None:
        """End it as a service manager would, if it runs."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        assert self._process is not None
        self._process.kill()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

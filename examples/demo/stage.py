"""What the stories of the demonstration happen on: its processes, and what is told of them."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from examples.demo import messages as who
from examples.demo.companies import (
    Company,
    DidNotHappen,
    PlatformAccess,
    connect_platform,
    run_set_up_test,
    sign_in,
    wait_until,
)
from examples.demo.drawing import STEPS, short
from examples.demo.environments import (
    PlatformSecrets,
    marketplace_environment,
    platform_environment,
)
from examples.demo.messages import Messages
from examples.demo.processes import ServerProcess, free_port
from examples.demo.report import Participant
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import TestOutcome

_SHOWN_EACH = (5, 6)
_NAMES = {person.key: f"{person.name} ({person.kind})" for person in who.PARTICIPANTS}


@dataclass(frozen=True)
class _Server:
    """What a server was started with."""

    name: str
    module: tuple[str, ...]
    port: int
    environment: Mapping[str, str]
    log: Path

    def process(self, *prefix: str) -> ServerProcess:
        module = (*prefix, *self.module)
        return ServerProcess(self.name, module, self.port, self.environment, self.log)


class Stage:
    """One run. Databases, logs and keys lie in a folder of their own."""

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder.resolve()
        self.started_at = datetime.now(UTC)
        self.messages = Messages(
            {
                platform.key: self.folder / f"{label}.access.jsonl"
                for label, platform in who.KEEPERS.items()
            }
        )
        self._console = console
        self._shown: set[tuple[str, str, int]] = set()
        self._servers: list[_Server] = []
        self._processes: list[ServerProcess] = []

    # ---- the processes

    def start_marketplace(self) -> None:
        """Start the marketplace."""
        port = free_port()
        environment = marketplace_environment(self.folder, port)
        module = ("marketplace", "serve")
        log = self.folder / "marketplace.log"
        self.marketplace_url = self._start(
            _Server("The marketplace", module, port, environment, log)
        )
        self.say(
            f"The marketplace runs at {self.marketplace_url}; its contracts are at"
            f" {self.marketplace_url}/docs."
        )

    def operator(self) -> MarketplaceClient:
        """Return the client of a new operator of the marketplace."""
        command = ["marketplace", "operator", "create", "--name", "Demonstration", "--json"]
        created = run(command, self._servers[0].environment)
        return sign_in(self.marketplace_url, created["clientId"], created["clientSecret"])

    def start_platform(
        self,
        company: Company,
        label: str,
        handler: str,
        participant: Participant,
        extra: Mapping[str, str],
    ) -> Mapping[str, str]:
        """Start a company's platform, have it tested, and return its settings."""
        port, inbound_key = free_port(), f"demo-{secrets.token_urlsafe(24)}"
        access: PlatformAccess = connect_platform(company, f"http://127.0.0.1:{port}", inbound_key)
        self.messages.callers[f"credential:{access.credential_id}"] = participant
        given = PlatformSecrets(inbound_key, access.api_key, access.signing_secret)
        environment = {
            **platform_environment(
                self.folder, label, company.name, port, self.marketplace_url, given
            ),
            **extra,
        }
        name, module = f"The platform of {company.name}", ("mpp_sdk", "serve", handler)
        log = self.folder / f"{label}.log"
        url = self._start(_Server(name, module, port, environment, log))
        test = run_set_up_test(company)
        kept = [step for step in test.steps if step.title and step.outcome is TestOutcome.PASSED]
        outcomes = ", ".join(
            f"{step.name} {'[green]ok[/]' if step.outcome is TestOutcome.PASSED else '[red]no[/]'}"
            for step in test.steps
            if step.title is None or step.outcome is TestOutcome.FAILED
        )
        self.say(f"{name} runs at {url}. Set-up test: {outcomes}, {len(kept)} rules kept.")
        return environment

    def set_clocks_on(self, by: timedelta) -> None:
        """Stop all processes, and start them again with their clocks set on."""
        self.stop()
        ahead = ("examples.demo.later", str(by.total_seconds()))
        self._processes = [server.process(*ahead) for server in self._servers]
        with ThreadPoolExecutor() as pool:
            list(pool.map(ServerProcess.start, self._processes))

    def stop(self) -> None:
        """End the processes that were started."""
        for process in reversed(self._processes):
            process.stop()

    def _start(self, server: _Server) -> str:
        process = server.process()
        self._servers.append(server)
        self._processes.append(process)
        process.start()
        return process.url

    # ---- telling

    def heading(self, step: int) -> None:
        """Print that a step begins."""
        title = f"{step}. {STEPS[step]}" if step else STEPS[0]
        self._console.print(f"\n[b]{title}[/]")

    def say(self, text: str) -> None:
        """Print a sentence."""
        self._console.print(f"  {text}")

    def show(self) -> None:
        """Print the messages since the last time; the like of one another only once."""
        for message in self.messages.new():
            kind = (message.sender, message.path, message.status)
            if kind in self._shown and message.step not in _SHOWN_EACH:
                continue
            self._shown.add(kind)
            tone = "green" if message.status < 300 else "red"
            elapsed = (message.at - self.started_at).total_seconds()
            self._console.print(
                f"  [dim]{elapsed:6.2f} s[/]  [b]{message.step}[/]  {_NAMES[message.sender]}"
                f" [dim]→[/] {_NAMES[message.receiver]}: {message.method} {short(message.path)}"
                f" [{tone}]{message.status}[/]",
            )

    def seen(self, step: int, status: int, path: str = "") -> bool:
        """Return whether there was such a message."""
        return any(
            message.step == step and message.status == status and path in message.path
            for message in self.messages.all
        )

    def until(self, what: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Show messages until a condition holds. Raises DidNotHappen."""

        def look() -> bool | None:
            self.show()
            return condition() or None

        wait_until(what, look, seconds)


def run(module: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Run `python -m ...` and return the JSON object that it prints last."""
    result = subprocess.run(
        [sys.executable, "-m", *module],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise DidNotHappen(f"`{' '.join(module)}` failed:\n{result.stderr[-2000:]}")
    printed: dict[str, str] = json.loads(result.stdout.strip().splitlines()[-1])
    return printed

"""How a server is restarted in the middle of a run: by a command, by a person, or not at all."""

import subprocess
from collections.abc import Callable
from typing import Protocol

from mpp_sdk.conformance.model import NotShown


class Restarter(Protocol):
    """Restarts the server under test."""

    def restart(self) -> None:
        """Return once the server answers again. Raises NotShown when it cannot be restarted."""


class CannotRestart:
    """Nobody is there to restart the server."""

    def restart(self) -> None:
        """Raise NotShown."""
        raise NotShown(
            "The server must be restarted for this: name a command with --restart-command, or run "
            "the kit at a terminal, where it asks for it."
        )


class RestartByCommand:
    """Runs a command of the user's own, which returns once the server answers again."""

    def __init__(self, command: str, timeout_s: float = 300.0) -> None:
        self._command = command
        self._timeout_s = timeout_s

    def restart(self) -> None:
        """Run it. Raises NotShown when it fails."""
        try:
            # The command is typed by whoever runs the kit, for their own shell.
            subprocess.run(self._command, shell=True, check=True, timeout=self._timeout_s)  # noqa: S602
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NotShown(f"The command that restarts the server failed: {error}") from error


class RestartByHand:
    """Asks a person, who says when it is done."""

    def __init__(self, ask: Callable[[str], bool]) -> None:
        self._ask = ask

    def restart(self) -> None:
        """Ask. Raises NotShown when the answer is no."""
        if not self._ask("Restart the server now. Does it answer again?"):
            raise NotShown("The server was not restarted.")

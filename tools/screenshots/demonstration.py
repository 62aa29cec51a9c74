"""The filled website of `flexagora serve --demo-data`, as a process of its own."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.demo.processes import ServerProcess, free_port

PROVIDER, REQUESTER, OPERATOR = "provider", "requester", "operator"

_SIGN_IN = re.compile(r"^  (provider|requester|operator) +(\S+@\S+) +(\S+)$", re.MULTILINE)
_SAID_SECONDS = 30


@dataclass(frozen=True)
class SignIn:
    """An account that the demonstration has told of."""

    email: str
    password: str


@dataclass(frozen=True)
class Demonstration:
    """A filled website: where it is, who may sign in, what it has printed, and its process."""

    url: str
    sign_ins: Mapping[str, SignIn]
    printed: str
    server: ServerProcess


@contextmanager
def running(folder: Path) -> Iterator[Demonstration]:
    """Give the demonstration with its data in a folder, for as long as the block runs.

    Raises DidNotStart.
    """
    port = free_port()
    log = folder / "flexagora.log"
    log.unlink(missing_ok=True)
    server = ServerProcess(
        "The demonstration",
        ["marketplace", "serve", "--demo-data", "--port", str(port)],
        port,
        {"FLEXAGORA_DATA_DIR": str(folder)},
        log,
    )
    server.start()
    try:
        printed = _printed(log)
        found = _SIGN_IN.findall(printed)
        sign_ins = {role: SignIn(email, password) for role, email, password in found}
        yield Demonstration(server.url, sign_ins, printed, server)
    finally:
        server.stop()


def _printed(log: Path) -> str:
    """Return what was printed, with the three sign-ins, which come just after the first answer."""
    deadline = time.monotonic() + _SAID_SECONDS
    while True:
        printed = log.read_text(encoding="utf-8")
        if len(_SIGN_IN.findall(printed)) == 3 or time.monotonic() > deadline:
            return printed
        time.sleep(0.05)

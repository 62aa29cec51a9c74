"""The SDK for TypeScript as its users have it, and the example platform as a process of Node.js."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import requests

from tests.services.processes import Killable
from tools import node
from tools.sdks import artifacts, documents, generator

HERE = documents.ROOT / "sdk" / "typescript"
_CACHE = generator.CACHE / "typescript-package"
_SOURCES = ("*.json", "runtime/*.ts", "example/*", "README.md")
_READY_SECONDS = 30


def package() -> Path:
    """Return the npm package, unpacked, with what it depends on beside it in `node_modules`.

    It is made again when something that it is made of has changed, and shared by all tests: leave
    it as it is. Raises CannotGenerate.
    """
    generated = generator.generated("typescript")
    modules = node.install(HERE)
    folder = _CACHE / _fingerprint(generated)
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".making-") as making:
                target = Path(making, "package")
                for name, held in artifacts.contents("typescript", generated).items():
                    path = target / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(held)
                (target / "node_modules").symlink_to(modules)
                target.rename(folder)  # at once, so that nobody sees half of it
    return folder


def project(folder: Path) -> Path:
    """Return a folder, made as a user's project in which the package is installed."""
    modules = folder / "node_modules"
    (modules / "@flexagora").mkdir(parents=True)
    (modules / "@flexagora" / "sdk").symlink_to(package())
    (modules / "@types").symlink_to(node.install(HERE) / "@types")
    (modules / "undici-types").symlink_to(node.install(HERE) / "undici-types")
    return folder


def example(folder: Path) -> Path:
    """Return a folder with a copy of the example platform that can be run."""
    shutil.copytree(HERE / "example", folder, dirs_exist_ok=True)
    return project(folder)


def compiler(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what the pinned TypeScript compiler says of a folder's project."""
    return run(folder, str(node.install(HERE) / "typescript" / "bin" / "tsc"), *arguments)


def run(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Return what `node` with these arguments has printed, and its exit status."""
    return subprocess.run(
        [node.program("node"), *arguments],
        cwd=folder,
        env={**node.environment(), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@cache
def executable() -> str:
    """Return Node.js itself: what is on the path may be a program that only starts it."""
    found = run(HERE, "--print", "process.execPath")
    found.check_returncode()
    return found.stdout.strip()


class ExamplePlatform:
    """The example provider: it keeps its address and its database over restarts.

    Its settings are given before it starts; `customers` says what each one answers.
    """

    def __init__(self, folder: Path, port: int, customers: Mapping[str, bool]) -> None:
        self.folder = example(folder)
        self.url = f"http://127.0.0.1:{port}"
        self.inbound_key = f"inbound-{secrets.token_urlsafe(24)}"
        self.readings = folder / "readings"
        self.readings.mkdir()
        (folder / "customers.json").write_text(json.dumps(dict(customers)))
        self.environment = {
            **os.environ,
            "MPP_PORT": str(port),
            "MPP_INBOUND_API_KEY": self.inbound_key,
            "MPP_ALLOW_HTTP": "true",
        }
        self._process: Killable | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises CannotStart."""
        self._process = Killable(
            [executable(), "main.ts", "serve"],
            folder=self.folder,
            environment=self.environment,
            log=self.folder / "platform.log",
        )
        self._process.start()
        self._process.wait_until(self._answers, _READY_SECONDS)

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.stop()

    def restart(self) -> None:
        """End it in order, start it again and wait until it answers."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would."""
        if self._process is not None:
            self._process.kill()

    def withdraw(self, pod_id: str, reason: str) -> None:
        """Record on the command line, while it is served, that a customer takes the consent back.

        Raises CalledProcessError.
        """
        done = run(self.folder, "main.ts", "withdraw", pod_id, reason, environment=self.environment)
        done.check_returncode()

    def log(self) -> str:
        """Return what it has printed so far."""
        return (self.folder / "platform.log").read_text()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False


def _fingerprint(generated: Path) -> str:
    """Return a short hash of all that the package is made of."""
    digest = hashlib.sha256(generated.name.encode())
    for pattern in _SOURCES:
        for path in sorted(HERE.glob(pattern)):
            digest.update(f"{path.relative_to(HERE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]

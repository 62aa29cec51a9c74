"""The artifact for Java, unpacked and compiled once for all who ask."""

import fcntl
import hashlib
import io
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.services import java
from tools.sdks import artifacts, generator

_CACHE = generator.CACHE / "java-classes"
_STRICT = ("-Xlint:all,-processing,-path", "-Werror", "-proc:none", "-encoding", "UTF-8")
# What the generator writes is no pleasure to a linter; what is written by hand here must be.
_LENIENT = ("-nowarn", "-proc:none", "-encoding", "UTF-8")
_QUICK = ("-XX:TieredStopAtLevel=1", "-Xshare:auto")


@dataclass(frozen=True)
class JavaSdk:
    """The compiled SDK with its example.

    `sources` is the unpacked artifact. The classes need nothing but Jackson and the JDK.
    """

    jdk: java.Jdk
    sources: Path
    classes: Path

    @property
    def class_path(self) -> str:
        """The class path of a program that uses it."""
        return f"{self.classes}:{generator.generator_jar()}"  # the generator's jar carries Jackson

    def command(self, main: str, *classes: Path) -> list[str]:
        """Return the command that runs a class."""
        path = ":".join([*map(str, classes), self.class_path])
        return [str(self.jdk.java), *_QUICK, "-Xmx256m", "-cp", path, main]

    def compile(self, sources: Sequence[Path], folder: Path) -> None:
        """Compile further sources against it, warnings being errors."""
        self._compile(_STRICT, sources, folder, self.class_path)

    def _compile(
        self, options: Sequence[str], sources: Sequence[Path], folder: Path, class_path: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        quick = [f"-J{option}" for option in _QUICK]
        done = subprocess.run(
            [str(self.jdk.javac), *quick, *options, "-cp", class_path, "-d", str(folder), *sources],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def compiled() -> JavaSdk:
    """Return the SDK for Java as it is shipped, compiled by the first who asks.

    Raises CannotStart without a JDK. Fails where it does not compile.
    """
    jdk = java.provide()
    _, packed = artifacts.build("java", generator.generated("java"))
    key = hashlib.sha256(packed + generator.generator_jar().name.encode()).hexdigest()[:16]
    folder = _CACHE / key
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".making-") as made:
                making = Path(made, "sdk")
                _make(jdk, packed, making)
                making.rename(folder)
    return _at(jdk, folder)


def _make(jdk: java.Jdk, packed: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder / "unpacked")
    sdk = _at(jdk, folder)
    written = sdk.sources / "src" / "main" / "java" / "org" / "flexagora"
    by_hand = [*(written / "runtime").rglob("*.java"), *(written / "platform").rglob("*.java")]
    example = sorted((sdk.sources / "example").rglob("*.java"))
    generated = set(written.rglob("*.java")) - set(by_hand)
    jar = str(generator.generator_jar())
    # The generated server interfaces and the runtime need each other: once all together, then
    # what is written by hand alone, by the strict rules.
    sdk._compile(_LENIENT, [*sorted(generated), *sorted(by_hand)], sdk.classes, jar)
    sdk.compile([*sorted(by_hand), *example], sdk.classes)
    resources = sdk.sources / "src" / "main" / "resources"
    (resources / "org" / "flexagora" / "contracts").rename(
        sdk.classes / "org" / "flexagora" / "contracts"
    )


def _at(jdk: java.Jdk, folder: Path) -> JavaSdk:
    found = list((folder / "unpacked").glob("*"))
    return JavaSdk(jdk, found[0] if found else folder, folder / "classes")

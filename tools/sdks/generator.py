"""Runs OpenAPI Generator over the contracts, with the committed configurations of `sdk/`."""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import string
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.sdks.documents import CONTRACTS, ROOT, document

LANGUAGES = ("csharp", "java", "typescript")
KINDS = ("client", "server")
SDK = ROOT / "sdk"
CACHE = ROOT / "build" / "sdk"

_PACKAGE = "openapi-generator-cli"
_VARIABLE = "FLEXAGORA_JAVA"
_OWN_FILES = (".openapi-generator", ".openapi-generator-ignore")


class CannotGenerate(Exception):
    """The code cannot be generated; the text says why, and what to do."""


def generated(language: str) -> Path:
    """Return a folder with the code of every contract and kind: `<contract>/<kind>/...`.

    It is generated when the contracts, the configuration, the templates or the generator have
    changed, and shared by everybody who asks: leave it as it is. Several processes may ask at once.
    Raises CannotGenerate.
    """
    folder = CACHE / language / fingerprint(language)
    if folder.is_dir():
        return folder
    with _alone(CACHE / f"{language}.lock"):
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as making:
                target = Path(making, "code")
                generate(language, target)
                target.rename(folder)  # at once, so that nobody sees half of it
    return folder


def generate(
    language: str,
    folder: Path,
    *,
    contracts: Iterable[str] = CONTRACTS,
    kinds: Iterable[str] = KINDS,
) -> None:
    """Generate `<contract>/<kind>/...` of a language into a folder. Raises CannotGenerate."""
    wanted = [(contract, kind) for contract in contracts for kind in kinds]
    with tempfile.TemporaryDirectory() as work:
        configurations = []
        for contract, kind in wanted:
            source = Path(work, f"{contract}.json")
            source.write_text(json.dumps(_document(language, contract)), encoding="utf-8")
            configuration = configuration_of(language, kind, contract)
            configuration |= {
                "inputSpec": str(source),
                "outputDir": str(folder / contract / kind),
            }
            path = Path(work, f"{contract}-{kind}-configuration.json")
            path.write_text(json.dumps(configuration), encoding="utf-8")
            configurations.append(str(path))
        run(["batch", "--fail-fast", "--threads", "2", *configurations], Path(work))
    for contract, kind in wanted:
        _clear(folder / contract / kind)


def configuration_of(language: str, kind: str, contract: str) -> dict[str, Any]:
    """Return `sdk/<language>/<kind>.yaml` for one contract.

    In it, ${contract} is its name, such as `eu-mp`; ${package} that without hyphens, `eump`;
    ${Contract} in capitals at the beginnings, `EuMp`; and ${version} the version of this software.
    `templateDir` is relative to the folder of the configuration. Raises CannotGenerate.
    """
    path = SDK / language / f"{kind}.yaml"
    if not path.is_file():
        raise CannotGenerate(f"there is no configuration sdk/{language}/{kind}.yaml")
    try:
        text = string.Template(path.read_text(encoding="utf-8")).substitute(
            contract=contract,
            package=contract.replace("-", ""),
            Contract=contract.title().replace("-", ""),
            version=version(),
        )
    except (KeyError, ValueError) as error:
        raise CannotGenerate(f"sdk/{language}/{kind}.yaml: unknown variable {error}") from error
    configuration = yaml.safe_load(text)
    if not isinstance(configuration, dict):
        raise CannotGenerate(f"sdk/{language}/{kind}.yaml is not a mapping")
    if "templateDir" in configuration:
        configuration["templateDir"] = str(path.parent / configuration["templateDir"])
    return configuration


@cache
def version() -> str:
    """Return the version of this software, which the generated SDKs have too."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def java() -> str:
    """Return the program `java`: the one that FLEXAGORA_JAVA names, else the one on the path.

    Raises CannotGenerate with what to install where there is none.
    """
    named = os.environ.get(_VARIABLE)
    program = shutil.which(named or "java")
    if program is not None:
        return program
    if named:
        raise CannotGenerate(f"{_VARIABLE} names no program: {named}")
    raise CannotGenerate(
        "Java is missing. Generating needs Java 11 or newer; of what is generated, only the SDK for"
        " Java does. Install it (on Debian: apt-get install default-jre-headless; elsewhere from"
        f" https://adoptium.net), or name the program in {_VARIABLE}."
    )


def generator_jar() -> Path:
    """Return the jar of OpenAPI Generator. Raises CannotGenerate when it is not installed."""
    found = importlib.util.find_spec("openapi_generator_cli")
    if found is None or found.origin is None:
        raise CannotGenerate(f"{_PACKAGE} is missing: install the extra `dev`")
    return Path(found.origin).with_name("openapi-generator.jar")


def _document(language: str, contract: str) -> dict[str, Any]:
    """Return a contract's document as a language needs it.

    The client for Java would need Apache's HTTP client besides the JDK's for a form, of which there
    is one: that by which people's scripts get a token. What the generator writes in Java for a
    union with a list does not compile.
    """
    java_can = language != "java"
    return document(contract, forms=java_can, unions=java_can)


def _command() -> Sequence[str]:
    # Given in English and UTC everywhere, so that what is generated is the same everywhere.
    settings = ("-Duser.language=en", "-Duser.country=US", "-Duser.timezone=UTC")
    quiet = ("-Dlog.level=error", "-Dfile.encoding=UTF-8", "-Xmx1g")
    # It runs for seconds: what compiles and collects at length costs more than it gains.
    brief = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
    return [java(), *settings, *quiet, *brief, "-jar", str(generator_jar())]


def run(arguments: Sequence[str], folder: Path) -> None:
    """Run OpenAPI Generator in a folder. Raises CannotGenerate with what it says."""
    result = subprocess.run(
        [*_command(), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    if result.returncode:
        said = "\n".join((result.stdout + result.stderr).strip().splitlines()[-30:])
        raise CannotGenerate(f"OpenAPI Generator failed with {result.returncode}:\n{said}")


def _environment() -> dict[str, str]:
    """Return the environment without what would change the options of Java."""
    options = ("JAVA_OPTS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS")
    return {name: value for name, value in os.environ.items() if name not in options}


def _clear(folder: Path) -> None:
    """Leave out what the generator keeps for itself. Raises CannotGenerate when it made nothing."""
    for name in _OWN_FILES:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise CannotGenerate(f"OpenAPI Generator made nothing for {'/'.join(folder.parts[-2:])}")


def fingerprint(language: str) -> str:
    """Return a short hash of all that what is generated depends on."""
    digest = hashlib.sha256(importlib.metadata.version(_PACKAGE).encode())
    for contract in CONTRACTS:
        digest.update(json.dumps(_document(language, contract)).encode())
        for kind in KINDS:
            configuration = configuration_of(language, kind, contract)
            configuration.pop("templateDir", None)  # its files count, not where they are
            digest.update(json.dumps(configuration).encode())
    folder = SDK / language / "templates"
    for path in sorted(folder.rglob("*.mustache")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    for name in ("generator.py", "documents.py"):
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

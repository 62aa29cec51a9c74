"""A JDK for the tests of the Java SDK: the machine's own, or one that is installed for them."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services.processes import CannotStart, can_install, install

VARIABLE = "FLEXAGORA_JAVA"
"""Names the program `java` of a JDK; `javac` is looked for beside it."""

OLDEST = 17
_PACKAGE = "default-jdk-headless"


@dataclass(frozen=True)
class Jdk:
    """The compiler and what runs its programs."""

    java: Path
    javac: Path


def provide() -> Jdk:
    """Return the programs, installed first as root on Debian.

    Those that FLEXAGORA_JAVA names come before those on the path. Raises CannotStart where there
    are none, or too old ones, and none can be installed.
    """
    named = os.environ.get(VARIABLE)
    if named is None and _found(None) is None and can_install():
        install(_PACKAGE)
    found = _found(named)
    if found is None:
        raise CannotStart(
            f"The tests of the Java SDK need a JDK, {OLDEST} or newer. Install the package"
            f" {_PACKAGE}, or name the java of a JDK in {VARIABLE}."
        )
    return found


def _found(named: str | None) -> Jdk | None:
    java = shutil.which(named or "java")
    if java is None:
        return None
    javac = shutil.which("javac", path=str(Path(java).parent)) or shutil.which("javac")
    if javac is None or _version(javac) < OLDEST:
        return None
    return Jdk(Path(java), Path(javac))


def _version(javac: str) -> int:
    told = subprocess.run([javac, "-version"], capture_output=True, text=True, check=False)
    number = re.search(r"javac (\d+)", told.stdout + told.stderr)
    return int(number[1]) if number else 0

"""A C# compiler and what runs its programs: Mono, found on the path or installed for the tests."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.services.processes import CannotStart, can_install, install

# 44 MB: the compiler, the runtime, and the libraries of .NET that the generated code uses.
_PACKAGES = (
    "mono-mcs",
    "libmono-system-net-http4.0-cil",
    "libmono-system-runtime-serialization4.0-cil",
    "libmono-system-data4.0-cil",
)


@dataclass(frozen=True)
class Mono:
    """The compiler and the runtime."""

    compiler: Path
    runtime: Path


def provide() -> Mono:
    """Return the programs, installed first as root on Debian.

    Raises CannotStart where there are none and none can be installed.
    """
    if _found() is None and can_install():
        install(*_PACKAGES)
    found = _found()
    if found is None:
        raise CannotStart(
            "The tests of the C# SDK need Mono. Install the packages " + ", ".join(_PACKAGES) + "."
        )
    return found


def _found() -> Mono | None:
    compiler, runtime = shutil.which("mcs"), shutil.which("mono")
    return Mono(Path(compiler), Path(runtime)) if compiler and runtime else None

"""The files of a new platform: the template with the names and secrets of one project in it."""

import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path

from mpp_sdk.errors import Conflict, InvalidInput
from mpp_sdk.secrets import new_secret
from mpp_sdk.webhooks import new_signing_secret

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST = 60
_TAKEN = frozenset({"mpp_sdk", "marketplace", "flexagora", "tests", "src", "test"})
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_SUFFIX = ".tmpl"
_SECRET_FILES = frozenset({".env", "credentials.json"})


class Role(StrEnum):
    """Which side of the market the platform is on."""

    PROVIDER = "provider"
    REQUESTER = "requester"


_DOES = {
    Role.PROVIDER: "it gives meter readings to those whom the customers allow",
    Role.REQUESTER: "it asks providers for meter readings, and keeps what it may have",
}


@dataclass(frozen=True)
class Project:
    """What a project is called: its folder and distribution, its package, and for people."""

    name: str
    role: Role

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def package(self) -> str:
        """The name that Python imports."""
        return self.name.replace("-", "_")

    @property
    def title(self) -> str:
        """The name for people."""
        return self.package.replace("_", " ").capitalize()


def check_name(name: str) -> None:
    """Raise InvalidInput unless a package of this name can be made and imported."""
    package = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        reason = (
            "Take small letters, digits, and - or _ between them, a letter first, at most "
            f"{_LONGEST} characters: my-platform"
        )
        raise InvalidInput.field("NAME", "packageName", f"{name!r} is no name. {reason}.")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names | _TAKEN:
        raise InvalidInput.field(
            "NAME", "taken", f"A package called {package} exists in Python: take another name."
        )


def write(project: Project, parent: Path) -> Path:
    """Write the project into a new folder of its name, and return the folder.

    Its secrets are new, and only their owner can read the files that hold them. Raises Conflict
    when something of the name is there already.
    """
    folder = parent / project.name
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise Conflict(
            f"{folder} is there already: take another name, or another place."
        ) from error
    values = _values(project)
    for path, text in _files(project):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600 if file.name in _SECRET_FILES else 0o644)
        file.write_text(_PLACE.sub(lambda place: values[place[1]], text), encoding="utf-8")
    return folder


def _values(project: Project) -> Mapping[str, str]:
    return {
        "distribution": project.name,
        "package": project.package,
        "title": project.title,
        "role": project.role.value,
        "does": _DOES[project.role],
        "sdk_versions": _sdk_versions(),
        "api_key": new_secret("fxk"),
        "signing_secret": new_signing_secret(),
        "other_signing_secret": new_signing_secret(),
    }


def _sdk_versions() -> str:
    """Return which versions of the SDK the project works with: those of the present kind."""
    major, minor, *_ = metadata.version("flexagora").split(".")
    following = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return f">={major}.{minor},<{following}"


def _files(project: Project) -> Iterator[tuple[Path, str]]:
    template = resources.files(__package__) / "template"
    for part in ("common", project.role.value):
        yield from _below(template / part, Path(), project)


def _below(folder: Traversable, path: Path, project: Project) -> Iterator[tuple[Path, str]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        name = re.sub("^dot-", ".", entry.name)
        if entry.is_dir():
            below = project.package if name == "package" else name
            yield from _below(entry, path / below, project)
        elif name.endswith(_SUFFIX):
            yield path / name.removesuffix(_SUFFIX), entry.read_text("utf-8")

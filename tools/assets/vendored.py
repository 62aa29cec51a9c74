"""The scripts and style sheets that are served as their authors made them, with their licences."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A package, its licence, and which of its files are served under which names."""

    name: str
    licence: str
    files: Mapping[str, str]


PACKAGES = (
    Package("@picocss/pico", "MIT", {"css/pico.min.css": "pico.min.css"}),
    Package("htmx.org", "0BSD", {"dist/htmx.min.js": "htmx.min.js"}),
    Package(
        "uplot",
        "MIT",
        {"dist/uPlot.iife.min.js": "uplot.min.js", "dist/uPlot.min.css": "uplot.min.css"},
    ),
)
_LICENCES = ("LICENSE", "LICENSE.md")
_INTRODUCTION = """\
# Where these files are from

Made by `make assets` from the packages that `tools/assets/package-lock.json` names; never edited
by hand. They are byte for byte what their authors published.

| file | package | version | licence | SHA-256 |
| --- | --- | --- | --- | --- |
"""


def vendored(modules: Path) -> dict[str, bytes]:
    """Return every file of the folder `vendor`, by name, from what is installed."""
    contents: dict[str, bytes] = {}
    rows = []
    for package in PACKAGES:
        folder = modules / package.name
        version = json.loads((folder / "package.json").read_text("utf-8"))["version"]
        licence = f"licences/{package.name.removeprefix('@').replace('/', '-')}.txt"
        contents[licence] = _licence(folder)
        for source, target in sorted(package.files.items()):
            contents[target] = (folder / source).read_bytes()
            digest = hashlib.sha256(contents[target]).hexdigest()
            rows.append(
                f"| `{target}` | {package.name} | {version} "
                f"| [{package.licence}]({licence}) | `{digest}` |\n"
            )
    contents["ORIGIN.md"] = (_INTRODUCTION + "".join(rows)).encode()
    return contents


def _licence(folder: Path) -> bytes:
    found = [folder / name for name in _LICENCES if (folder / name).exists()]
    if not found:
        raise SystemExit(f"{folder.name} comes without its licence, so it must not be copied")
    return found[0].read_bytes()

"""The contracts as the releases had them: `openapi/released/{version}/{contract}.json`."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tools.compatibility.changes import Json
from tools.compatibility.versions import Version
from tools.contracts.bundle import bundle

SHARED = "common.yaml"

Documents = Mapping[str, Json]
"""Bundled documents by the names of their contracts, such as `eu-mp`."""


def present(contracts: Path) -> Documents:
    """Return the contracts as they are now. Raises BundleError."""
    return {
        path.stem: bundle(path)
        for path in sorted(contracts.glob("*.yaml"))
        if path.name != SHARED and not path.name.startswith(".")
    }


def last_release(contracts: Path) -> tuple[Version, Documents] | None:
    """Return the last release and its contracts; None before the first one."""
    versions = sorted(
        Version.parse(folder.name) for folder in folder_of(contracts).glob("*") if folder.is_dir()
    )
    if not versions:
        return None
    return versions[-1], of_release(contracts, versions[-1])


def of_release(contracts: Path, version: Version) -> Documents:
    """Return the contracts of a release."""
    folder = folder_of(contracts) / str(version)
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }


def record(contracts: Path, version: Version, documents: Documents) -> list[Path]:
    """Write down the contracts of a release; return the files. Raises FileExistsError."""
    folder = folder_of(contracts) / str(version)
    folder.mkdir(parents=True)
    files = []
    for name, document in documents.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        files.append(file)
    return files


def folder_of(contracts: Path) -> Path:
    """Return where the releases are."""
    return contracts / "released"


def product_version(root: Path) -> Version:
    """Return the version that is released next, as `pyproject.toml` says."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Version.parse(project["version"])

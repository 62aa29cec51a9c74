"""The release artifacts: what is generated and what is written by hand, packed by language."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tools.sdks import generator, typescript
from tools.sdks.documents import CONTRACTS, ROOT, document_path
from tools.sdks.generator import SDK
from tools.sdks.packing import Files, tgz_of, zip_of

Pack = Callable[[Files], bytes]
"""Makes an archive of files."""

DIST = ROOT / "dist" / "sdk"
_SOURCES = frozenset((".cs", ".java", ".json", ".md", ".ts"))
"""What is written by hand; a folder may also hold what trying it out has left there."""


@dataclass(frozen=True)
class Artifact:
    """How a language's artifact is named, and what is in it.

    `sources` maps a folder of generated code, below `<contract>/<kind>`, to where it comes;
    `shipped` maps a file or a folder of `sdk/<language>` to where it comes; the resolved documents
    of the contracts come to the folder `documents`.
    """

    suffix: str
    pack: Pack
    sources: dict[str, str]
    shipped: dict[str, str]
    documents: str = "documents"


ARTIFACTS = {
    "csharp": Artifact(
        "zip",
        zip_of,
        {"src": "src"},
        {
            "README.md": "README.md",
            "Flexagora.csproj": "Flexagora.csproj",
            "runtime": "src/Flexagora",
        },
    ),
    "java": Artifact(
        "zip",
        zip_of,
        {"src": "src"},
        {
            "README.md": "README.md",
            "pom.xml": "pom.xml",
            "runtime": "src/main/java",
            "example": "example",
        },
        documents="src/main/resources/org/flexagora/contracts",
    ),
    "typescript": Artifact(
        "tgz",
        tgz_of,
        {},  # it is compiled: see tools.sdks.typescript
        {"README.md": "README.md", "package.json": "package.json", "example": "example"},
    ),
}


def build(language: str, generated: Path) -> tuple[str, bytes]:
    """Return the name and the bytes of the artifact of a language, from its generated code."""
    artifact = ARTIFACTS[language]
    name = f"flexagora-{language}-{generator.version()}"
    top = "package" if artifact.suffix == "tgz" else name  # npm wants it to be named so
    files = contents(language, generated)
    packed = artifact.pack({f"{top}/{path}": held for path, held in files.items()})
    return f"{name}.{artifact.suffix}", packed


def contents(language: str, generated: Path) -> Files:
    """Return every file of a language's artifact, by its path below the artifact's folder.

    Raises CannotGenerate when one that is written by hand is missing, or does not compile.
    """
    artifact = ARTIFACTS[language]
    files = {"LICENSE": (ROOT / "LICENSE").read_bytes()}
    for contract in CONTRACTS:
        files[f"{artifact.documents}/{contract}.json"] = document_path(contract).read_bytes()
        for kind in generator.KINDS:
            for source, target in artifact.sources.items():
                files |= _below(generated / contract / kind / source, target)
    for source, target in artifact.shipped.items():
        path = SDK / language / source
        if not path.exists():
            raise generator.CannotGenerate(f"sdk/{language}/{source} is missing")
        files |= {target: _stated(path)} if path.is_file() else _sources(path, target)
    if language == "typescript":
        with tempfile.TemporaryDirectory() as folder:
            files |= _below(typescript.compiled(generated, Path(folder)), "dist")
    return files


def _sources(folder: Path, target: str) -> dict[str, bytes]:
    return {
        path: held
        for path, held in _below(folder, target).items()
        if PurePosixPath(path).suffix in _SOURCES
        and "node_modules" not in PurePosixPath(path).parts
        and not any(part.startswith(".") for part in PurePosixPath(path).parts)
    }


def _below(folder: Path, target: str) -> dict[str, bytes]:
    return {
        str(PurePosixPath(target, path.relative_to(folder).as_posix())): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _stated(path: Path) -> bytes:
    """Return a file with the version of this software where it says ${version}."""
    return path.read_bytes().replace(b"${version}", generator.version().encode())

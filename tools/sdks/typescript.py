"""Compiles what the npm package has, with the compiler that its lock file names."""

import shutil
import subprocess
from pathlib import Path

from tools import node
from tools.sdks.documents import CONTRACTS, ROOT
from tools.sdks.generator import KINDS, CannotGenerate

HERE = ROOT / "sdk" / "typescript"
_SETTINGS = ("package.json", "tsconfig.json")


def compiled(generated: Path, folder: Path) -> Path:
    """Return `dist`, made in an empty folder of the generated code and the hand-written runtime.

    Raises CannotGenerate with what the compiler says.
    """
    assemble(generated, folder)
    compiler = [node.program("node"), "node_modules/typescript/bin/tsc"]
    result = subprocess.run(
        # The declarations of packages are theirs to check, and take as long as all of ours.
        [*compiler, "--project", "tsconfig.json", "--skipLibCheck"],
        cwd=folder,
        env=node.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise CannotGenerate(f"tsc refuses the SDK:\n{result.stdout}{result.stderr}")
    return folder / "dist"


def assemble(generated: Path, folder: Path) -> None:
    """Lay out the sources as the compiler and the imports in them expect it."""
    for name in _SETTINGS:
        shutil.copy(HERE / name, folder / name)
    (folder / "node_modules").symlink_to(node.install(HERE))
    shutil.copytree(HERE / "runtime", folder / "src" / "runtime")
    for contract in CONTRACTS:
        for kind in KINDS:
            shutil.copytree(generated / contract / kind, folder / "src" / contract / kind)

"""Make the website's files that come from packages: scripts, style sheets, countries' outlines.

`python -m tools.assets` writes them; with `--check` it writes nothing and exits with 1 when what
is committed differs from what the pinned packages give.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import node
from tools.assets import HERE
from tools.assets.outlines import outlines
from tools.assets.vendored import vendored

ROOT = HERE.parents[1]
WEBSITE = ROOT / "marketplace" / "website"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.assets", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what differs")
    options = parser.parse_args(arguments)
    wanted = made(node.install(HERE))
    differing = sorted(differences(wanted, WEBSITE))
    if options.check:
        for path in differing:
            print(f"{path.relative_to(ROOT)} is not what the packages give; run: make assets")
        return 1 if differing else 0
    for path in differing:
        write(path, wanted.get(path.relative_to(WEBSITE)))
    return 0


def made(modules: Path) -> dict[Path, bytes]:
    """Return what every made file should hold, by its path inside of the website's folder."""
    files = {Path("static", "vendor", name): held for name, held in vendored(modules).items()}
    return files | {Path("maps", "outlines.json"): outlines(modules)}


def differences(wanted: dict[Path, bytes], website: Path) -> set[Path]:
    """Return the files that are missing, hold something else, or should not be there."""
    vendor = website / "static" / "vendor"
    there = {path for path in vendor.rglob("*") if path.is_file()}
    expected = {website / path for path in wanted}
    changed = {
        website / path
        for path, held in wanted.items()
        if not (website / path).exists() or (website / path).read_bytes() != held
    }
    return changed | (there - expected)


def write(path: Path, contents: bytes | None) -> None:
    """Leave a file holding the contents; with none, no file."""
    if contents is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)


if __name__ == "__main__":
    sys.exit(main())

"""What the website serves of other people's work: copied from packages that are pinned here."""

from pathlib import Path

from tools import node

HERE = Path(__file__).resolve().parent


def axe_source() -> str:
    """Return the script of axe-core, with which the tests examine pages for accessibility."""
    return (node.install(HERE) / "axe-core" / "axe.min.js").read_text("utf-8")

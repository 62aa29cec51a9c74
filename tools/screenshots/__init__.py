"""The pictures of the website in the docs, made by a command so that they stay true."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "images" / "website"
"""Where the pictures are, each by the name that `tools.screenshots.pictures` gives to it."""

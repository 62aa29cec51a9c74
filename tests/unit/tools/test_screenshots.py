"""The docs and the pictures of the website belong together."""

import re

from tools.screenshots import PICTURES as FOLDER
from tools.screenshots import ROOT
from tools.screenshots.pictures import PICTURES

NAMED = re.compile(r"!\[([^\]]+)\]\(([^)]+/images/website/|images/website/)([a-z-]+)\.png\)")
MOST_BYTES = 3_000_000


def test_docs_name_every_picture_and_no_other() -> None:
    named = {}
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for words, folder, name in NAMED.findall(document.read_text(encoding="utf-8")):
            assert (document.parent / folder / f"{name}.png").is_file(), f"{document}: {name}"
            named[name] = words
    assert set(named) == {picture.name for picture in PICTURES}


def test_every_picture_is_there_and_none_is_left_over() -> None:
    found = {file.stem for file in FOLDER.glob("*.png")}
    assert found == {picture.name for picture in PICTURES}
    assert sum(file.stat().st_size for file in FOLDER.glob("*.png")) < MOST_BYTES


def test_every_picture_has_a_name_of_its_own() -> None:
    names = [picture.name for picture in PICTURES]
    assert sorted(names) == sorted(set(names))

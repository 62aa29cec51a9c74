import json
import re
import shutil
from pathlib import Path

import pytest

from tools import node
from tools.assets import HERE, axe_source
from tools.assets.__main__ import WEBSITE, differences, made, write
from tools.assets.vendored import PACKAGES, vendored

LIMIT = 400_000


@pytest.fixture(scope="module")
def modules() -> Path:
    return node.install(HERE)


def test_what_is_committed_is_what_the_packages_give(modules: Path) -> None:
    assert differences(made(modules), WEBSITE) == set()


def test_whatever_differs_is_found_and_mended(modules: Path, tmp_path: Path) -> None:
    wanted = {Path("static/vendor/a.js"): b"a", Path("static/vendor/b.js"): b"b"}
    changed, strange = tmp_path / "static/vendor/a.js", tmp_path / "static/vendor/old/c.js"
    strange.parent.mkdir(parents=True)
    changed.write_bytes(b"changed by hand")
    strange.write_bytes(b"of an older version")
    found = differences(wanted, tmp_path)
    assert found == {changed, strange, tmp_path / "static/vendor/b.js"}
    for file in found:
        write(file, wanted.get(file.relative_to(tmp_path)))
    assert differences(wanted, tmp_path) == set()
    assert not strange.exists()


def test_every_package_comes_with_its_version_and_licence(modules: Path) -> None:
    files = vendored(modules)
    origin = files["ORIGIN.md"].decode()
    for package in PACKAGES:
        installed = json.loads((modules / package.name / "package.json").read_text("utf-8"))
        assert f"| {package.name} | {installed['version']} | [{package.licence}]" in origin
        assert installed.get("license", package.licence) == package.licence
    for linked in re.findall(r"\]\(([^)]+)\)", origin):
        assert b"Copyright" in files[linked] or b"Permission to use" in files[linked]


def test_nothing_is_copied_without_a_licence(modules: Path, tmp_path: Path) -> None:
    shutil.copytree(modules, tmp_path / "modules")
    (tmp_path / "modules" / "uplot" / "LICENSE").unlink()
    with pytest.raises(SystemExit, match="uplot comes without its licence"):
        vendored(tmp_path / "modules")


@pytest.mark.parametrize("folder", ["assets", "spectral"])
def test_a_lock_file_names_packages_by_content_and_no_host(folder: str) -> None:
    lock = json.loads((HERE.parent / folder / "package-lock.json").read_text("utf-8"))
    packages = [each for name, each in lock["packages"].items() if name]
    assert packages
    assert all("integrity" in each and "resolved" not in each for each in packages)


def test_outlines_are_compact(modules: Path) -> None:
    assert len(made(modules)[Path("maps/outlines.json")]) < LIMIT


def test_axe_is_there() -> None:
    assert "axe.run" in axe_source()

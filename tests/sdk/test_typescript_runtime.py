"""What the npm package has that nobody generates: its own tests, its types, its format."""

import re
import shutil
from pathlib import Path

import pytest

from tests.services import node
from tools.node import install

TESTS = sorted((node.HERE / "tests").glob("*.test.ts"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with the package, its tests, the example and the README's sources."""
    made = tmp_path_factory.mktemp("runtime")
    for name in ("tests", "example"):
        shutil.copytree(node.HERE / name, made / name)
    (made / "package.json").write_text('{"type": "module"}')
    (made / "readme").mkdir()
    blocks = re.findall(r"```ts\n(.*?)```", (node.HERE / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    for number, block in enumerate(blocks):
        (made / "readme" / f"block_{number}.ts").write_text(block)
    return node.project(made)


@pytest.mark.parametrize("test", TESTS, ids=lambda path: path.name.removesuffix(".test.ts"))
def test_the_runtime(folder: Path, test: Path) -> None:
    done = node.run(folder, "--test", "--test-reporter=tap", f"tests/{test.name}")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = [line for line in done.stdout.splitlines() if line.startswith("# pass ")]
    assert passed != ["# pass 0"]


def test_there_are_tests() -> None:
    assert len(TESTS) >= 7


def test_the_types_hold_as_a_user_sees_them(folder: Path) -> None:
    done = node.compiler(folder, "--project", "tests/tsconfig.json")
    assert done.returncode == 0, done.stdout


def test_the_example_is_short() -> None:
    lines = [
        line
        for path in (node.HERE / "example").glob("*.ts")
        for line in path.read_text().splitlines()
    ]
    assert 0 < len(lines) < 200
    assert max(map(len, lines)) <= 100


def test_the_sources_are_formatted() -> None:
    prettier = install(node.HERE) / "prettier" / "bin" / "prettier.cjs"
    parts = ("runtime", "example", "tests")
    done = node.run(node.HERE, str(prettier), "--check", *parts)
    assert done.returncode == 0, done.stdout + done.stderr

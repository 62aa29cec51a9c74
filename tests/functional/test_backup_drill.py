"""The restore drill of the documentation, to the letter."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.functional.marketplace import Marketplace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "backup.md"
DRILL = re.compile(r"<!-- drill: (\w+) -->\n```sh\n(.*?)\n```", re.DOTALL)


def test_the_drill_restores_a_backup_into_a_database_of_its_own(
    marketplace: Marketplace, postgres_server: str, tmp_path: Path
) -> None:
    url = make_url(marketplace.environment["FLEXAGORA_DATABASE_URL"])
    server = make_url(postgres_server)
    file = tmp_path / "backup.tar"
    environment = {
        **os.environ,
        **marketplace.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BACKUP": str(file),
        "PGHOST": str(server.host),
        "PGPORT": str(server.port or 5432),
        "PGUSER": str(server.username),
        "TMPDIR": str(tmp_path),
    } | ({"PGPASSWORD": str(server.password)} if server.password else {})
    subprocess.run(["flexagora", "database", "backup", str(file)], env=environment, check=True)
    drills = dict(DRILL.findall(PAGE.read_text("utf-8")))
    assert set(drills) == {"sqlite", "postgresql"}

    done = subprocess.run(
        ["sh", "-c", drills[url.get_backend_name()]],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "as it should be" in done.stdout


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_drill_fails_for_what_is_no_backup(
    backend: str, postgres_server: str, tmp_path: Path
) -> None:
    """Without this, the drill could end well whatever it did."""
    server = make_url(postgres_server)
    file = tmp_path / "backup.tar"
    file.write_text("nothing")
    drills = dict(DRILL.findall(PAGE.read_text("utf-8")))
    done = subprocess.run(
        ["sh", "-c", drills[backend]],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "FLEXAGORA_DATA_DIR": str(tmp_path),
            "FLEXAGORA_SECRET_KEYS": "",
            "BACKUP": str(file),
            "PGHOST": str(server.host),
            "PGPORT": str(server.port or 5432),
            "PGUSER": str(server.username),
            "TMPDIR": str(tmp_path),
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0

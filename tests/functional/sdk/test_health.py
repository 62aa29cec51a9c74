"""Whether a platform is alive, and ready."""

from pathlib import Path

import requests
from sqlalchemy import create_engine, make_url, text

from mpp_sdk.platform import MarketPlayerPlatform
from tests.functional.sdk.support import served, settings, wait_for


def test_a_platform_is_ready_while_its_database_answers(
    postgres_url: str, postgres_server: str, tmp_path: Path
) -> None:
    name = make_url(postgres_url).database
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    close = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
    ).bindparams(name=name)
    with served(MarketPlayerPlatform(settings(postgres_url, tmp_path))) as url:
        before = requests.get(f"{url}/readyz", timeout=10)
        with admin.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            connection.execute(close)
            wait_for(lambda: requests.get(f"{url}/readyz", timeout=10).status_code == 503)
            during = requests.get(f"{url}/readyz", timeout=10)
            alive = requests.get(f"{url}/healthz", timeout=10)
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        wait_for(lambda: requests.get(f"{url}/readyz", timeout=10).status_code == 200)
    admin.dispose()

    assert before.json()["status"] == "READY"
    assert during.json()["status"] == "NOT_READY"
    assert {
        "name": "database",
        "status": "FAILED",
        "detail": "The platform's database does not answer.",
    } in during.json()["checks"]
    assert alive.json() == {"status": "ALIVE"}  # starting it anew would mend nothing

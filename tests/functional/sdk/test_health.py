"""Whether a platform is healthy."""

from pathlib import Path

import requests
from sqlalchemy import create_engine, make_url, text

from mpp_sdk.platform import MarketPlayerPlatform
from tests.functional.sdk.support import served, settings


def test_a_platform_is_healthy_while_its_database_answers(
    postgres_url: str, postgres_server: str, tmp_path: Path
) -> None:
    name = make_url(postgres_url).database
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    close = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
    ).bindparams(name=name)
    with served(MarketPlayerPlatform(settings(postgres_url, tmp_path))) as url:
        before = requests.get(f"{url}/healthz", timeout=10)
        with admin.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            connection.execute(close)
            during = requests.get(f"{url}/healthz", timeout=10)
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        after = requests.get(f"{url}/healthz", timeout=10)
    admin.dispose()

    assert [one.status_code for one in (before, during, after)] == [200, 503, 200]
    assert during.headers["Content-Type"] == "application/problem+json"
    assert during.json()["detail"] == "The platform's database does not answer."

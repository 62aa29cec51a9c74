import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet
from pydantic import SecretStr

from marketplace.app import create_app
from marketplace.core import migrations
from marketplace.core.settings import Settings
from mpp_sdk.database import open_database
from mpp_sdk.errors import Unavailable
from mpp_sdk.web.server import BackgroundServer


@pytest.fixture
def base_url(tmp_path: Path) -> Iterator[str]:
    with BackgroundServer(create_app(Settings(data_dir=tmp_path / "var"))) as url:
        yield url


def test_it_serves_both_contracts_and_their_reference(base_url: str) -> None:
    assert requests.get(f"{base_url}/healthz", timeout=10).json() == {"status": "ALIVE"}
    for path in ("/api/v1/services", "/notifications/v1/test"):
        assert requests.get(base_url + path, timeout=10).status_code == 401
    docs = requests.get(f"{base_url}/docs", timeout=10)
    assert docs.status_code == 200
    for contract in ("marketplace", "notifications", "eu-mp", "metering", "flexoffer"):
        assert f'href="/docs/{contract}"' in docs.text
        page = requests.get(f"{base_url}/docs/{contract}", timeout=10).text
        ours = contract in ("marketplace", "notifications")
        assert f'data-served-here="{str(ours).lower()}"' in page
    assert requests.get(f"{base_url}/nowhere", timeout=10).status_code == 404


def test_everything_that_it_started_ends_with_it(tmp_path: Path) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with BackgroundServer(create_app(Settings(data_dir=tmp_path))):
        during = {thread.name for thread in threading.enumerate()}
        assert "scheduler" in during
        assert "delivery-poller" in during
    left = {thread.name for thread in threading.enumerate()} - before
    assert not {name for name in left if not name.startswith("AnyIO")}


def test_a_database_that_was_not_upgraded_is_refused_with_what_to_do(
    tmp_path: Path, postgres_url: str
) -> None:
    key = SecretStr(Fernet.generate_key().decode())
    settings = Settings(data_dir=tmp_path, database_url=postgres_url, secret_keys=(key,))
    with pytest.raises(Unavailable, match="flexagora database upgrade"):
        create_app(settings)
    engine = open_database(postgres_url)
    migrations.upgrade(engine)
    engine.dispose()
    with BackgroundServer(create_app(settings)) as url:
        assert requests.get(f"{url}/readyz", timeout=10).status_code == 200

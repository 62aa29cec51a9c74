"""The settings of a platform, from its environment."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from mpp_sdk.settings import PlatformSettings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MPP_NAME": "operator",
        "MPP_DATABASE_URL": "postgresql+psycopg://user@db.example/mpp",
        "MPP_KEY_OVERLAP": "PT12H",
        "MPP_SIGNING_SECRETS": "whsec_one, whsec_two,",
        "MPP_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    settings = PlatformSettings()
    assert settings.name == "operator"
    assert settings.sqlite_file() is None
    assert settings.key_overlap == timedelta(hours=12)
    assert [secret.get_secret_value() for secret in settings.signing_secrets] == [
        "whsec_one",
        "whsec_two",
    ]
    assert settings.allow_http
    assert not settings.allow_private_addresses
    assert "whsec_one" not in repr(settings)


def test_the_encryption_key_lies_beside_the_database(tmp_path: Path) -> None:
    settings = PlatformSettings(database_url=f"sqlite:///{tmp_path / 'platform.db'}")
    encrypted = settings.secret_box().encrypt("a secret")
    key_file = tmp_path / "platform.key"
    assert key_file.stat().st_mode & 0o077 == 0
    assert settings.secret_box().decrypt(encrypted) == "a secret"


def test_configured_encryption_keys_replace_the_file(tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    url = f"sqlite:///{tmp_path / 'platform.db'}"
    before = PlatformSettings.model_validate({"database_url": url, "encryption_keys": old})
    after = PlatformSettings.model_validate(
        {"database_url": url, "encryption_keys": f"{new},{old}"}
    )
    assert after.secret_box().decrypt(before.secret_box().encrypt("a secret")) == "a secret"
    assert list(tmp_path.iterdir()) == []

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from marketplace.core.settings import Settings, check_names
from mpp_sdk.settings import PlatformSettings


def test_a_secret_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    (tmp_path / "flexagora_secret_keys").write_text(",".join(keys) + "\n")
    (tmp_path / "FLEXAGORA_DATABASE_URL").write_text("postgresql+psycopg://a:b@c/d\n")
    (tmp_path / "postgres_password").write_text("b")
    monkeypatch.setenv("FLEXAGORA_SECRETS_DIR", str(tmp_path))
    check_names(["FLEXAGORA_SECRETS_DIR"])
    settings = Settings()
    assert [key.get_secret_value() for key in settings.secret_keys] == keys
    assert settings.effective_database_url == "postgresql+psycopg://a:b@c/d"


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flexagora_broker_url").write_text("amqp://file")
    monkeypatch.setenv("FLEXAGORA_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("FLEXAGORA_BROKER_URL", "amqp://environment")
    assert Settings().broker_url == "amqp://environment"


def test_a_platform_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mpp_api_key").write_text("from-a-file\n")
    (tmp_path / "mpp_signing_secrets").write_text("whsec_a,whsec_b")
    monkeypatch.setenv("MPP_SECRETS_DIR", str(tmp_path))
    settings = PlatformSettings()
    assert settings.api_key
    assert settings.api_key.get_secret_value() == "from-a-file"
    assert len(settings.signing_secrets) == 2


def test_secrets_that_were_not_mounted_are_no_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEXAGORA_SECRETS_DIR", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError):
        Settings()

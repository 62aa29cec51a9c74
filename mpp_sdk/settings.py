"""What a platform is told from outside: one environment variable `MPP_...` for each setting."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from sqlalchemy import make_url

from mpp_sdk.logs import LogFormat
from mpp_sdk.secret_files import SettingsWithFiles
from mpp_sdk.secrets import SecretBox, load_or_create_key
from mpp_sdk.web.limits import (
    AddressRate,
    AnonymousRate,
    CredentialRate,
    FailureRate,
    TrustedProxies,
)

_DEFAULT_KEY_FILE = Path("var/platform.key")


class PlatformSettings(SettingsWithFiles):
    """The settings of one market player platform.

    Durations are ISO 8601 (`PT24H`, `P90D`). Several secrets in one variable have commas between.
    """

    model_config = SettingsConfigDict(env_prefix="MPP_", extra="ignore", frozen=True)

    name: str = Field(default="platform", description="Names the platform in logs and to others.")
    database_url: str = Field(
        default="sqlite:///var/platform.db", description="The platform's own database."
    )
    host: str = Field(default="127.0.0.1", description="The address that `serve` listens on.")
    port: int = Field(default=8100, ge=0, le=65535, description="The port that `serve` listens on.")
    marketplace_url: str = Field(
        default="http://127.0.0.1:8000", description="The marketplace's base URL."
    )
    api_key: SecretStr | None = Field(
        default=None, description="The first key to present to the marketplace."
    )
    inbound_api_key: SecretStr | None = Field(
        default=None, description="The first key that the marketplace presents here."
    )
    signing_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Secrets (`whsec_...`) of the marketplace's signatures; with any of them set, "
        "an event without a good signature is refused.",
    )
    encryption_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Fernet keys for stored secrets, the newest first; by default one in a file "
        "beside the SQLite database.",
    )
    allow_private_addresses: bool = Field(
        default=False, description="Whether calls may go to private and loopback addresses."
    )
    allow_http: bool = Field(default=False, description="Whether calls may go without TLS.")
    drain_delay: timedelta = Field(
        default=timedelta(0),
        description="How long `serve` still takes calls when it is told to stop, while it says at "
        "`/readyz` that it is not ready.",
    )
    access_log: Path | None = Field(
        default=None, description="The file of the JSON access log; standard error by default."
    )
    operations_host: str = Field(
        default="127.0.0.1",
        description="The address that metrics and health checks are served at. It has no access "
        "control.",
    )
    operations_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="The port that metrics and health checks are served at; by default none. It "
        "needs the extra `metrics`.",
    )
    log_format: LogFormat | None = Field(
        default=None,
        description="How the log is written: `json`, an object in each line, or `text`, for "
        "people. By default text at a terminal, JSON elsewhere.",
    )
    key_validity: timedelta = Field(
        default=timedelta(days=90), description="How long a key issued here is valid."
    )
    key_overlap: timedelta = Field(
        default=timedelta(hours=24),
        description="How long the previous key stays valid while the new one is not used.",
    )
    key_grace: timedelta = Field(
        default=timedelta(seconds=60),
        description="How long the previous key stays valid once the new one is used, so that calls "
        "in flight do not fail.",
    )
    key_refresh_before: timedelta = Field(
        default=timedelta(days=7),
        description="How long before its end the key for the marketplace is refreshed.",
    )
    consent_timeout: timedelta = Field(
        default=timedelta(days=14), description="How long a customer has to answer."
    )
    notification_retention: timedelta = Field(
        default=timedelta(days=30),
        description="How long a delivered notification is kept; others are kept until they are.",
    )
    rate_limit_address: AddressRate = 1000
    rate_limit_credential: CredentialRate = 500
    rate_limit_anonymous: AnonymousRate = 60
    rate_limit_failures: FailureRate = 30
    trusted_proxies: TrustedProxies = ()

    @field_validator("signing_secrets", "encryption_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    def secret_box(self) -> SecretBox:
        """Return what encrypts the secrets that this platform presents to others."""
        if self.encryption_keys:
            return SecretBox([key.get_secret_value() for key in self.encryption_keys])
        return SecretBox([load_or_create_key(self._key_file())])

    def sqlite_file(self) -> Path | None:
        """Return the file of the SQLite database; None for another kind of database."""
        url = make_url(self.database_url)
        if url.get_backend_name() != "sqlite" or not url.database:
            return None
        return Path(url.database)

    def _key_file(self) -> Path:
        file = self.sqlite_file()
        return file.with_suffix(".key") if file else _DEFAULT_KEY_FILE

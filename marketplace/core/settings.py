"""The settings of the marketplace, read from the environment."""

from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from mpp_sdk.errors import FlexagoraError
from mpp_sdk.logs import LogFormat
from mpp_sdk.secret_files import SUFFIX, SettingsWithFiles
from mpp_sdk.secrets import SecretBox, load_or_create_key
from mpp_sdk.web.limits import (
    AddressRate,
    AnonymousRate,
    CredentialRate,
    FailureRate,
    TrustedProxies,
)

_KEY_FILE = "secret.key"
_PREFIX = "FLEXAGORA_"
_OF_THE_TESTS = "FLEXAGORA_TEST_"
_MAKE_A_KEY = (
    "Make one with `python -c 'from cryptography.fernet import Fernet; "
    "print(Fernet.generate_key().decode())'`."
)


class SettingsError(FlexagoraError):
    """The settings are each well formed, and the marketplace cannot run with them."""

    title = "The settings cannot be used"


class Settings(SettingsWithFiles):
    """Every setting has a default; `FLEXAGORA_<NAME>` in the environment replaces it.

    So does a file of that name in the folder that `FLEXAGORA_SECRETS_DIR` names.

    Durations are ISO 8601 (`PT15S`, `P90D`).
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(
        default=Path("var"),
        description="The folder of the embedded database and of the encryption key.",
    )
    database_url: str = Field(
        default="",
        description="`postgresql+psycopg://user:password@host/name`, or `sqlite:///path`. "
        "Empty: an SQLite file in the data folder.",
    )
    database_pool_size: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="How many database connections one process keeps at most.",
    )
    broker_url: str = Field(
        default="",
        description="`amqp://user:password@host` of RabbitMQ, which then carries the wake-ups of "
        "delivery workers. Empty: they work inside the serving process.",
    )
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="The keys (Fernet, base64) that encrypt what the marketplace presents to "
        "platforms, separated by commas. The first encrypts, every one decrypts. Empty: a key "
        "file in the data folder, made the first time; with the embedded database only.",
    )
    public_url: str = Field(
        default="",
        description="Where the marketplace is reached from outside, such as "
        "`https://market.example`. Empty: `http://host:port`.",
    )
    host: str = Field(default="127.0.0.1", description="The address that the server listens on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="The port that the server listens on."
    )
    drain_delay: timedelta = Field(
        default=timedelta(0),
        ge=timedelta(0),
        le=timedelta(minutes=5),
        description="How long a serving process that is told to stop still takes calls, while it "
        "says at `/readyz` that it is not ready. Behind a load balancer: longer than that needs to "
        "notice, and longer than it keeps connections that it does not use.",
    )
    access_log: Path | None = Field(
        default=None,
        description="The file of the access log, a JSON object for each call; by default it goes "
        "to standard error.",
    )
    operations_host: str = Field(
        default="127.0.0.1",
        description="The address that metrics and health checks are served at. It has no access "
        "control: never one that is reached from outside.",
    )
    operations_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="The port that `serve` and `deliver` serve metrics and health checks at, one "
        "for each process on a machine. Empty: not at all.",
    )
    log_format: LogFormat | None = Field(
        default=None,
        description="How the log is written: `json`, an object in each line, or `text`, for "
        "people. Empty: text at a terminal, JSON elsewhere.",
    )
    allow_private_addresses: bool = Field(
        default=False,
        description="Whether platforms may have private and loopback addresses. For demonstrations "
        "and closed networks only.",
    )
    allow_http: bool = Field(
        default=False,
        description="Whether platforms may be reached without TLS. For demonstrations only.",
    )
    request_timeout: timedelta = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="How long a call to a platform may take in all.",
    )
    api_key_validity: timedelta = Field(
        default=timedelta(days=90),
        gt=timedelta(0),
        description="How long an API key that the marketplace issues is valid.",
    )
    api_key_overlap: timedelta = Field(
        default=timedelta(hours=24),
        ge=timedelta(0),
        description="How long the previous API key stays valid when the new one is not used.",
    )
    api_key_grace: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(0),
        description="How long the previous API key stays valid after the first use of the new one: "
        "calls that are under way with the previous key must not fail.",
    )
    api_key_refresh_before: timedelta = Field(
        default=timedelta(days=14),
        gt=timedelta(0),
        description="How long before its end the key that the marketplace presents to a platform "
        "is refreshed.",
    )
    api_key_refresh_interval: timedelta | None = Field(
        default=None,
        description="When set, the key that the marketplace presents to a platform is refreshed at "
        "this age, even when its end is further away.",
    )
    access_token_lifetime: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(seconds=1),
        description="How long an OAuth 2 access token is valid.",
    )
    attempt_retention: timedelta = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="How long delivered events and their attempts are kept.",
    )
    dead_retention: timedelta = Field(
        default=timedelta(days=365),
        gt=timedelta(0),
        description="How long dead events are kept, so that they can be replayed. That one is "
        "removed is in the audit trail.",
    )
    request_validity: timedelta = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="After how long a service request that nobody answered expires.",
    )
    deliver: bool = Field(
        default=True,
        description="Whether the serving process delivers events itself. Switch it off where "
        "`flexagora deliver` runs in processes of its own.",
    )
    delivery_workers: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="How many platforms one process calls at once. One that does not answer costs "
        "a socket for each call.",
    )
    delivery_concurrency: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="How many events of one platform are on their way at once, none of the same "
        "subscription, where an operator has set no other number for it.",
    )
    session_lifetime: timedelta = Field(
        default=timedelta(hours=12),
        ge=timedelta(minutes=10),
        le=timedelta(days=90),
        description="How long somebody stays signed in to the website at most.",
    )
    session_idle: timedelta = Field(
        default=timedelta(hours=2),
        ge=timedelta(minutes=10),
        le=timedelta(days=90),
        description="After how long without a page of the website somebody has to sign in again.",
    )
    local_accounts: bool = Field(
        default=True,
        description="Whether people sign up and in with a password that the marketplace checks. "
        "Otherwise with OpenID Connect alone.",
    )
    oidc_discovery_url: str = Field(
        default="",
        description="The discovery document of an OpenID provider, such as "
        "`https://login.example/.well-known/openid-configuration`. Empty: none.",
    )
    oidc_client_id: str = Field(
        default="", description="Under which name the OpenID provider knows the marketplace."
    )
    oidc_client_secret: SecretStr = Field(
        default=SecretStr(""), description="What the marketplace shows the OpenID provider."
    )
    oidc_name: str = Field(
        default="your organisation's account",
        description="What the button is called that leads to the OpenID provider.",
    )
    smtp_url: str = Field(
        default="",
        description="The mail server: `smtp+starttls://user:password@host:587`, `smtps://...`, or "
        "`smtp://host` without encryption. Empty: mails are written into the folder `mails` of the "
        "data folder, for development.",
    )
    mail_from: str = Field(
        default="", description="The sender of mails, such as `noreply@market.example`."
    )
    poll_interval: timedelta = Field(
        default=timedelta(seconds=1),
        gt=timedelta(0),
        description="How often due deliveries are looked for when no wake-up came.",
    )
    job_interval: timedelta = Field(
        default=timedelta(seconds=15),
        gt=timedelta(0),
        description="How often periodic jobs run: expiries, overdue statuses, key refreshes.",
    )
    handler_threads: int = Field(
        default=16, ge=1, le=256, description="How many requests one process works on at once."
    )
    max_body_bytes: int = Field(
        default=1_048_576, ge=1024, description="The largest request body that is read, in bytes."
    )
    rate_limit_address: AddressRate = 1000
    rate_limit_credential: CredentialRate = 500
    rate_limit_anonymous: AnonymousRate = 60
    rate_limit_failures: FailureRate = 30
    trusted_proxies: TrustedProxies = ()

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("oidc_discovery_url")
    @classmethod
    def _check_discovery_url(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("the address of a discovery document begins with https://")
        return value

    @property
    def effective_database_url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'flexagora.db'}"

    @property
    def embedded(self) -> bool:
        """Whether the database is the embedded one, which this process keeps up to date itself."""
        return self.effective_database_url.startswith("sqlite")

    @property
    def effective_public_url(self) -> str:
        """The URL under which others reach the marketplace, without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @cached_property
    def secret_box(self) -> SecretBox:
        """What encrypts and decrypts the secrets that the marketplace presents to others."""
        keys = [key.get_secret_value() for key in self.secret_keys]
        return SecretBox(keys or [load_or_create_key(self.data_dir / _KEY_FILE)])

    def check_keys(self) -> None:
        """Raise SettingsError unless the marketplace can encrypt with what is set.

        A database that is not embedded may have several processes, each with a data folder of its
        own: a key that one of them made would leave the others unable to read what it wrote.
        """
        if not self.secret_keys and not self.embedded:
            raise SettingsError(
                "This database needs FLEXAGORA_SECRET_KEYS, the same for every process. "
                + _MAKE_A_KEY
            )
        try:
            for key in self.secret_keys:
                SecretBox([key.get_secret_value()])
        except ValueError as error:
            raise SettingsError(
                f"FLEXAGORA_SECRET_KEYS holds what is not a Fernet key. {_MAKE_A_KEY}"
            ) from error

    def check_sign_in(self) -> None:
        """Raise SettingsError unless people can sign in with what is set."""
        if self.oidc_discovery_url and not self.oidc_client_id:
            raise SettingsError(
                "FLEXAGORA_OIDC_DISCOVERY_URL needs FLEXAGORA_OIDC_CLIENT_ID, by which the "
                "provider knows the marketplace."
            )
        if not self.local_accounts and not self.oidc_discovery_url:
            raise SettingsError(
                "Without FLEXAGORA_LOCAL_ACCOUNTS people sign in by FLEXAGORA_OIDC_DISCOVERY_URL, "
                "which is empty: nobody could."
            )


def check_names(environment: Iterable[str]) -> None:
    """Raise SettingsError for names of the environment that look like settings and are none."""
    known = [f"{_PREFIX}{name.upper()}" for name in (*Settings.model_fields, SUFFIX)]
    unknown = [
        name
        for name in environment
        if name.upper().startswith(_PREFIX)
        and not name.upper().startswith(_OF_THE_TESTS)
        and name.upper() not in known
    ]
    if unknown:
        raise SettingsError(" ".join(f"There is no {_nearest(name, known)}" for name in unknown))


def _nearest(name: str, known: list[str]) -> str:
    [nearest] = get_close_matches(name.upper(), known, n=1, cutoff=0)
    return f"{name}; did you mean {nearest}?"

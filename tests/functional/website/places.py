"""Marketplaces with their website, in this process, for people without browsers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select

from examples.demo.processes import free_port
from marketplace.app import Application, open_environment
from marketplace.core import migrations
from marketplace.core.environment import in_environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import current_session, unit_of_work
from marketplace.identity import service as identity
from marketplace.identity.access import MarketplacePrincipal, acting_for
from marketplace.identity.domain import AccessRole
from marketplace.identity.tables import MarketPlayer
from mpp_sdk.database import open_database
from mpp_sdk.web.server import BackgroundServer
from tests.browser.mails import Mailbox

OPERATOR = MarketplacePrincipal("test", "An operator", frozenset({AccessRole.OPERATOR}))


@dataclass(frozen=True)
class Place:
    """A marketplace that is served at `url`; what it mails, and what is behind it."""

    url: str
    mails: Mailbox
    application: Application

    def company(self, name: str) -> UUID:
        """Return the id of a company by its name."""
        with self.at_work():
            statement = select(MarketPlayer.id).where(MarketPlayer.name == name)
            return current_session().execute(statement).scalar_one()

    def approve(self, name: str) -> None:
        """Have an operator let a company take part."""
        company = self.company(name)
        with self.at_work():
            identity.activate_market_player(company, "The licence was verified.", None)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Run a block as one unit of work of an operator's."""
        environment = self.application.environment
        with in_environment(environment), acting_for(OPERATOR), unit_of_work(environment.engine):
            yield


@contextmanager
def opened(folder: Path, database_url: str = "", **changed: object) -> Iterator[Place]:
    """Give a marketplace, on SQLite unless another database is given, while the block runs."""
    port = free_port()
    given: dict[str, object] = {
        "data_dir": folder,
        "database_url": database_url,
        "secret_keys": (SecretStr(Fernet.generate_key().decode()),),
        "public_url": f"http://127.0.0.1:{port}",
        "allow_private_addresses": True,
        "allow_http": True,
        "rate_limit_address": 0,
        "rate_limit_credential": 0,
        "rate_limit_anonymous": 0,
        "rate_limit_failures": 0,
    }
    settings = Settings.model_validate(given | changed)
    if database_url:
        engine = open_database(database_url)
        migrations.upgrade(engine)
        engine.dispose()
    application = Application(open_environment(settings))
    with BackgroundServer(application.app, port=port) as url:
        yield Place(url, Mailbox(folder / "mails"), application)

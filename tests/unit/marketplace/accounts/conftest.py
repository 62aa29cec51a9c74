from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine, select

from marketplace.accounts import (
    federation,
    guessing,
    invitations,
    letters,
    links,
    mail,
    membership,
    passwords,
    people,
    postman,
    retention,
    second_factor,
    sessions,
    signing_in,
)
from marketplace.accounts.domain import Origin
from marketplace.accounts.people import SignedUp
from marketplace.accounts.signing_in import Challenge, Refused, Session, SignedIn
from marketplace.accounts.tables import Mail
from marketplace.core.environment import Environment, in_environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import current_session, unit_of_work
from marketplace.identity import access, service
from marketplace.identity.access import MarketplacePrincipal
from marketplace.identity.domain import MarketPlayerRole
from marketplace.identity.service import Statement
from mpp_sdk import clock

PASSWORD = "four words and a comma"
ORIGIN = Origin("192.0.2.7", "Browser 1.0")
OPERATOR = MarketplacePrincipal("credential:operator", "Op", frozenset({"operator"}))
_CLOCKED: tuple[ModuleType, ...] = (
    federation,
    guessing,
    invitations,
    letters,
    links,
    mail,
    membership,
    passwords,
    people,
    postman,
    retention,
    second_factor,
    sessions,
    signing_in,
)


class Accounts:
    """A marketplace's people, each call a unit of work of its own."""

    def __init__(self, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
        self.environment = environment
        self._monkeypatch = monkeypatch
        self._ahead = timedelta(0)

    @contextmanager
    def at_work(
        self, principal: MarketplacePrincipal | None = None, *, read_only: bool = False
    ) -> Iterator[None]:
        """Run a block as one unit of work, for a principal if one is given."""
        engine = self.environment.engine
        with in_environment(self.environment):
            if principal is None:
                with unit_of_work(engine, read_only=read_only):
                    yield
            else:
                with access.acting_for(principal), unit_of_work(engine, read_only=read_only):
                    yield

    def later(self, time: timedelta) -> datetime:
        """Let time pass; return the moment it is then."""
        self._ahead += time
        for module in _CLOCKED:
            if hasattr(module, "now"):
                self._monkeypatch.setattr(module, "now", lambda: clock.now() + self._ahead)
        return clock.now() + self._ahead

    def settings(self, **changes: object) -> None:
        """Have the marketplace run with other settings."""
        settings = self.environment.settings.model_copy(update=changes)
        self.environment = Environment(settings, self.environment.engine)

    def company(self, name: str = "Levante", email: str = "ana@levante.example") -> SignedUp:
        """Return a company that has just signed up, by its first person."""
        statement = Statement(name, frozenset({MarketPlayerRole.DSO}), "ES", "a@levante.example")
        with self.at_work():
            return people.sign_up(
                statement, "Ana Ruiz", email, PASSWORD, "en", "Europe/Madrid", ORIGIN
            )

    def sign_in(
        self, email: str = "ana@levante.example", password: str = PASSWORD
    ) -> Session | Challenge | Refused:
        with self.at_work():
            return signing_in.sign_in(email, password, ORIGIN)

    def entered(self, email: str = "ana@levante.example", password: str = PASSWORD) -> SignedIn:
        """Return who is signed in after the right password."""
        outcome = self.sign_in(email, password)
        assert isinstance(outcome, Session), outcome
        return self.known(outcome.token)

    def known(self, token: str) -> SignedIn:
        found = self.signed_in(token)
        assert found is not None
        return found

    def signed_in(self, token: str) -> SignedIn | None:
        with self.at_work(read_only=True):
            return signing_in.signed_in(token)

    def mails(self, to: str) -> list[str]:
        """Return the texts of the mails on their way to an address, the newest first."""
        with self.at_work(read_only=True):
            box = self.environment.settings.secret_box
            rows = current_session().scalars(
                select(Mail).where(Mail.recipient == to).order_by(Mail.id.desc())
            )
            return [box.decrypt(row.encrypted_text) for row in rows if row.encrypted_text]

    def token(self, to: str) -> str:
        """Return the token of the link in the newest mail to an address."""
        [link] = [word for word in self.mails(to)[0].split() if "token=" in word]
        [token] = parse_qs(urlsplit(link).query)["token"]
        return token

    def operate(self, action: Callable[..., object], *args: object) -> None:
        with self.at_work(OPERATOR):
            action(*args)


Work = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def accounts(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    settings = Settings(data_dir=tmp_path, public_url="https://market.example")
    return Accounts(Environment(settings, engine), monkeypatch)


def deregister(accounts: Accounts, signed_up: SignedUp) -> None:
    accounts.operate(
        service.deregister_market_player, signed_up.market_player_id, "Has left.", None
    )

"""A key is rotated on both databases: everything stored is encrypted anew, by the command line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, func, insert, select
from typer.testing import CliRunner

from marketplace.accounts import passwords, people, second_factor
from marketplace.accounts.domain import Origin
from marketplace.app import encrypted_columns, metadata
from marketplace.cli import app
from marketplace.core import migrations, reencryption
from marketplace.core.edge import REPLIES
from marketplace.core.unit_of_work import current_session
from marketplace.identity.domain import MarketPlayerRole
from marketplace.identity.service import Statement
from mpp_sdk import clock
from mpp_sdk.database import open_database
from mpp_sdk.errors import Unavailable
from mpp_sdk.secrets import SecretBox, load_or_create_key
from tests.unit.marketplace.market import Market

MANY = 2 * 200 + 7
NEW = Fernet.generate_key().decode()

Rotate = Callable[..., str]


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """Return a database in which everything that is encrypted is, with the key of the folder."""
    engine = open_database(database_url)
    migrations.upgrade(engine)
    market = Market.on(engine, tmp_path)
    provider, requester = market.company("Provider"), market.company("Requester")
    market.pending(provider, requester, market.published(provider))
    _person(market)
    box = market.environment.settings.secret_box
    with engine.begin() as connection:
        connection.execute(
            insert(REPLIES.table),
            [
                {
                    "subject": f"credential:{number % 3}",
                    "operation": "marketplace:a",
                    "key": f"key-{number}",
                    "fingerprint": "",
                    "reply": box.encrypt(f"reply {number}") if number else None,
                    "created_at": clock.now(),
                }
                for number in range(MANY + 1)
            ],
        )
    yield engine
    engine.dispose()


def _person(market: Market) -> None:
    """Have somebody sign up, begin with a second factor, and ask for a link by mail."""
    statement = Statement("Ponent", frozenset({MarketPlayerRole.DSO}), "ES", "a@ponent.example")
    with market.working(None):
        signed_up = people.sign_up(
            statement, "Pau", "pau@ponent.example", "four words and a comma", None, None, Origin()
        )
    with market.working(None):
        second_factor.begin(signed_up.person_id)
        passwords.request_reset("pau@ponent.example")


@pytest.fixture
def old(tmp_path: Path) -> str:
    return load_or_create_key(tmp_path / "secret.key")


@pytest.fixture
def rotate(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rotate:
    """Return what runs the command with keys."""
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", database_url)
    monkeypatch.setenv("FLEXAGORA_DATA_DIR", str(tmp_path))

    def run(*keys: str, exit_code: int = 0) -> str:
        monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", ",".join(keys))
        result = CliRunner().invoke(app, ["secrets", "rotate"])
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


def encrypted(engine: Engine) -> list[str]:
    """Return everything in the database that looks encrypted, wherever it is."""
    found = []
    with engine.connect() as connection:
        for table in metadata().tables.values():
            for row in connection.execute(select(table)):
                found += [one for one in row if isinstance(one, str) and one.startswith("gAAAA")]
    return found


def texts(engine: Engine, *keys: str) -> list[str]:
    box = SecretBox(keys)
    return sorted(box.decrypt(one) for one in encrypted(engine))


def test_afterwards_the_new_key_alone_reads_everything(
    engine: Engine, old: str, rotate: Rotate
) -> None:
    before = texts(engine, old)
    with engine.connect() as connection:
        for column in encrypted_columns():
            assert connection.execute(select(func.count(column))).scalar_one() > 0, column
    with pytest.raises(Unavailable):
        texts(engine, NEW)
    assert rotate(NEW, old) == f"Encrypted with the first key now: {len(before)}.\n"
    assert texts(engine, NEW) == before
    assert rotate(NEW, old) == "Encrypted with the first key now: 0.\n"


def test_when_it_was_interrupted_the_rest_is_done(
    engine: Engine, old: str, rotate: Rotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = texts(engine, old)
    renew, left = reencryption._renew, iter(range(300))

    def interrupted(*args: object) -> bool:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return renew(*args)  # type: ignore[arg-type] # passed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(reencryption, "_renew", interrupted)
        rotate(NEW, old, exit_code=130)
    new = SecretBox([NEW])
    done = 0
    for one in encrypted(engine):
        try:
            new.decrypt(one)
        except Unavailable:
            continue
        done += 1
    assert 0 < done < len(before)
    assert rotate(NEW, old) == f"Encrypted with the first key now: {len(before) - done}.\n"
    assert texts(engine, NEW) == before


def test_what_no_key_reads_is_counted_and_left_as_it_is(
    engine: Engine, old: str, rotate: Rotate
) -> None:
    before = encrypted(engine)
    refused = rotate(NEW, exit_code=1)
    assert f"Not readable with any of the keys: {len(before)}." in refused
    assert encrypted(engine) == before


def test_what_somebody_replaced_meanwhile_is_not_overwritten(
    engine: Engine, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = SecretBox([NEW, old])
    read = reencryption._rows

    def overtaken(*args: object) -> object:
        rows = read(*args)  # type: ignore[arg-type] # passed on as they came
        change = REPLIES.table.update().values(reply=box.encrypt("newer"))
        current_session().execute(change.where(REPLIES.table.c.reply.is_not(None)))
        return rows

    monkeypatch.setattr(reencryption, "_rows", overtaken)
    assert reencryption.reencrypt(engine, box, REPLIES.table.c.reply).renewed == 0
    monkeypatch.undo()
    with engine.connect() as connection:
        replies = connection.execute(select(REPLIES.table.c.reply)).scalars()
        assert {box.decrypt(reply) for reply in replies if reply is not None} == {"newer"}

"""Transactions that join one another, and what follows their commit."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from mpp_sdk.database import open_database
from mpp_sdk.errors import Unavailable
from mpp_sdk.transactions import Transactions, gather


@pytest.fixture
def transactions(tmp_path: Path) -> Iterator[Transactions]:
    engine = open_database(f"sqlite:///{tmp_path / 'test.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE note (word TEXT)"))
    yield Transactions(engine)
    engine.dispose()


def write(transactions: Transactions, word: str) -> None:
    with transactions() as session:
        session.execute(text("INSERT INTO note VALUES (:word)"), {"word": word})


def words(transactions: Transactions) -> list[str]:
    with transactions.reading() as session:
        return list(session.execute(text("SELECT word FROM note ORDER BY rowid")).scalars())


def test_inner_transactions_commit_with_the_outer_one_or_not_at_all(
    transactions: Transactions,
) -> None:
    def both(fails: bool) -> None:
        with transactions():
            write(transactions, "one")
            write(transactions, "two")
            assert words(transactions)[-2:] == ["one", "two"]
            if fails:
                raise RuntimeError("The outer one fails.")

    with pytest.raises(RuntimeError):
        both(fails=True)
    assert words(transactions) == []
    both(fails=False)
    assert words(transactions) == ["one", "two"]


def test_an_inner_one_that_fails_leaves_nothing_though_the_outer_one_goes_on(
    transactions: Transactions,
) -> None:
    def fail() -> None:
        with transactions():
            write(transactions, "half")
            raise RuntimeError("The inner one fails.")

    with transactions():
        write(transactions, "before")
        with pytest.raises(RuntimeError):
            fail()
        write(transactions, "after")
    assert words(transactions) == ["before", "after"]


@pytest.mark.parametrize("of_sqlalchemy", [False, True])
def test_what_is_gathered_is_written_at_once_before_the_commit_without_what_was_rolled_back(
    transactions: Transactions, of_sqlalchemy: bool
) -> None:
    calls: list[list[str]] = []

    def write_all(session: Session, several: Sequence[str]) -> None:
        calls.append(list(several))
        session.execute(text("INSERT INTO note VALUES (:w)"), [{"w": word} for word in several])

    def fail() -> None:
        with transactions() as session, session.begin_nested() if of_sqlalchemy else transactions():
            gather(session, write_all, "half")
            with transactions():
                gather(session, write_all, "within")
            raise RuntimeError("The inner one fails.")

    with transactions() as session:
        gather(session, write_all, "before")
        with transactions(), pytest.raises(RuntimeError):
            fail()
        with transactions():
            gather(session, write_all, "after")
        assert words(transactions) == []
    assert calls == [["before", "after"]]
    assert words(transactions) == ["before", "after"]


def test_what_follows_a_commit_runs_after_it_and_only_then(transactions: Transactions) -> None:
    seen: list[list[str]] = []

    def note() -> None:
        seen.append(words(transactions))

    def once(fails: bool) -> None:
        with transactions():
            write(transactions, "one")
            transactions.after_commit(note)
            if fails:
                raise RuntimeError("It fails.")

    with pytest.raises(RuntimeError):
        once(fails=True)
    assert seen == []
    once(fails=False)
    assert seen == [["one"]]
    transactions.after_commit(note)
    assert len(seen) == 2


def test_a_transaction_belongs_to_its_thread(transactions: Transactions) -> None:
    found: list[list[str]] = []
    with transactions():
        write(transactions, "one")
        other = threading.Thread(target=lambda: found.append(words(transactions)))
        other.start()
        other.join()
    assert found == [[]]


def test_a_database_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    missing = Transactions(open_database(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}"))
    with pytest.raises(Unavailable), missing.reading() as session:
        session.execute(text("SELECT 1"))

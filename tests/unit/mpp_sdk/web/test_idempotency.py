"""A key is used once, on SQLite as on PostgreSQL, whatever comes at the same time."""

import base64
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Column, Engine, Integer, MetaData, Table, func, insert, select, update

from mpp_sdk.clock import now
from mpp_sdk.database import open_database
from mpp_sdk.errors import Conflict, IdempotencyMismatch
from mpp_sdk.secrets import SecretBox
from mpp_sdk.web.call import Call, Principal, Reply
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.idempotency import IdempotencyTable

from . import probe

CONTRACT = Contract.from_document("probe", probe.document())


def a_call(key: str | None = "k-1", **changes: Any) -> Call:
    call = Call(
        contract=CONTRACT,
        operation=CONTRACT.by_id["items.create_item"],
        principal=Principal("company-1", "Levante Aggregation"),
        headers={},
        method="POST",
        path="/probe/v1/items",
        query="",
        body=b"{}",
        correlation_id="c",
        fingerprint="f" * 64,
        idempotency_key=key,
    )
    return replace(call, **changes)


@dataclass
class Books:
    """A database with the kept replies and a business table that each run adds a row to."""

    engine: Engine
    replies: IdempotencyTable
    business: Table
    box: SecretBox = field(default_factory=lambda: SecretBox([Fernet.generate_key().decode()]))

    def run(
        self, call: Call, reply: Reply | None = None, during: Callable[[], None] = lambda: None
    ) -> Reply:
        """Answer a call in a transaction of its own."""
        with self.engine.begin() as connection:

            def proceed() -> Reply:
                connection.execute(insert(self.business).values())
                during()
                return reply or Reply(b'{"apiKey":"shown once"}', 201, {"ETag": '"1"'}, "a/json")

            return self.replies.replay_or_run(connection, call, proceed, self.box)

    def runs(self) -> int:
        with self.engine.begin() as connection:
            return connection.execute(select(func.count()).select_from(self.business)).scalar_one()


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    metadata = MetaData()
    replies = IdempotencyTable.define(metadata)
    business = Table("business", metadata, Column("id", Integer, primary_key=True))
    engine = open_database(database_url)
    metadata.create_all(engine)
    yield Books(engine, replies, business)
    engine.dispose()


def test_a_repeated_call_gets_the_first_answer_and_changes_nothing(books: Books) -> None:
    first = books.run(a_call())
    again = books.run(a_call(correlation_id="another attempt"), Reply(b"something else", 200))

    assert again == first == Reply(b'{"apiKey":"shown once"}', 201, {"ETag": '"1"'}, "a/json")
    assert books.runs() == 1


def test_an_answer_without_a_body_is_kept_too(books: Books) -> None:
    assert books.run(a_call(), Reply(None, 204)) == books.run(a_call()) == Reply(None, 204)


def test_without_a_key_every_call_runs(books: Books) -> None:
    books.run(a_call(None))
    books.run(a_call(None))

    assert books.runs() == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "k-2"},
        {"principal": Principal("company-2", "Another")},
        {"principal": None},
        {"operation": CONTRACT.by_id["items.replace_item"]},
        {"contract": replace(CONTRACT, name="another")},
    ],
)
def test_a_key_belongs_to_one_caller_and_one_operation(
    books: Books, changes: dict[str, Any]
) -> None:
    books.run(a_call())
    books.run(a_call(**changes))

    assert books.runs() == 2


def test_the_key_of_another_request_is_refused(books: Books) -> None:
    books.run(a_call())

    with pytest.raises(IdempotencyMismatch):
        books.run(a_call(fingerprint="e" * 64))
    assert books.runs() == 1


def test_a_call_that_failed_may_be_tried_again(books: Books) -> None:
    def fail() -> None:
        raise Conflict("Not now.")

    with pytest.raises(Conflict):
        books.run(a_call(), during=fail)
    assert books.runs() == 0

    assert books.run(a_call()).status == 201
    assert books.runs() == 1


def test_an_answer_that_is_no_success_is_not_kept(books: Books) -> None:
    assert books.run(a_call(), Reply(b"{}", 409)).status == 409
    assert books.run(a_call()).status == 201


def test_what_is_kept_is_encrypted(books: Books) -> None:
    books.run(a_call())

    with books.engine.begin() as connection:
        [stored] = connection.execute(select(books.replies.table.c.reply)).scalars()
    body = base64.b64encode(b'{"apiKey":"shown once"}').decode()
    assert body not in stored
    assert body in books.box.decrypt(stored)


def test_calls_at_the_same_time_run_once(books: Books) -> None:
    started = threading.Barrier(8)

    def call() -> Reply:
        started.wait(10)
        return books.run(a_call())

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(call) for _ in range(8)]
    replies = {future.result().body for future in futures}

    assert replies == {b'{"apiKey":"shown once"}'}
    assert books.runs() == 1


def test_a_second_call_waits_for_the_first_and_runs_when_it_fails(books: Books) -> None:
    arrived, release = threading.Event(), threading.Event()

    def fail_late() -> None:
        arrived.set()
        assert release.wait(10)
        raise Conflict("Not now.")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(books.run, a_call(), None, fail_late)
        assert arrived.wait(10)
        second = pool.submit(books.run, a_call())
        with pytest.raises(TimeoutError):
            second.result(0.3)
        release.set()
        with pytest.raises(Conflict):
            first.result(10)
        assert second.result(10).status == 201
    assert books.runs() == 1


def test_answers_are_forgotten_after_seven_days(books: Books) -> None:
    books.run(a_call("old"))
    books.run(a_call("new"))
    table = books.replies.table
    with books.engine.begin() as connection:
        connection.execute(
            update(table)
            .where(table.c.key == "old")
            .values(created_at=now() - timedelta(days=7, seconds=1))
        )
        assert books.replies.purge(connection) == 1

    books.run(a_call("old"))
    books.run(a_call("new"))
    assert books.runs() == 3

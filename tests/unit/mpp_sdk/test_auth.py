"""The life of API keys, by the clock."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mpp_sdk import clock
from mpp_sdk.auth import InboundKeys, KeyPolicy, NewKey, OutboundKey
from mpp_sdk.database import open_database
from mpp_sdk.errors import IdempotencyMismatch, Unauthenticated, Unavailable
from mpp_sdk.secrets import SecretBox, load_or_create_key
from mpp_sdk.state.tables import Base
from mpp_sdk.transactions import Transactions

POLICY = KeyPolicy(timedelta(days=90), timedelta(hours=24), timedelta(seconds=60))
START = datetime(2026, 12, 1, tzinfo=UTC)


class Clock:
    """A clock that the test moves."""

    moment = START

    def later(self, by: timedelta) -> None:
        self.moment += by


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(clock, "now", lambda: moved.moment)
    return moved


@pytest.fixture
def transactions(tmp_path: Path) -> Iterator[Transactions]:
    engine = open_database(f"sqlite:///{tmp_path / 'keys.db'}")
    Base.metadata.create_all(engine)
    yield Transactions(engine)
    engine.dispose()


@pytest.fixture
def keys(transactions: Transactions, time: Clock) -> InboundKeys:
    keys = InboundKeys(transactions, POLICY)
    keys.adopt("the-first-key")
    return keys


def is_valid(keys: InboundKeys, key: str) -> bool:
    try:
        keys.check(key)
    except Unauthenticated:
        return False
    return True


def test_an_unknown_key_is_refused(keys: InboundKeys) -> None:
    with pytest.raises(Unauthenticated, match="unknown"):
        keys.check("some-other-key")


def test_a_key_ends_with_its_validity(keys: InboundKeys, time: Clock) -> None:
    time.later(timedelta(days=90) - timedelta(seconds=1))
    assert is_valid(keys, "the-first-key")
    time.later(timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        keys.check("the-first-key")


def test_the_old_key_ends_a_grace_after_the_first_use_of_the_new_one(
    keys: InboundKeys, time: Clock
) -> None:
    new = keys.issue()
    assert new.previous_key_valid_until == START + timedelta(hours=24)
    time.later(timedelta(hours=1))
    keys.check(new.api_key)
    time.later(timedelta(seconds=59))
    assert is_valid(keys, "the-first-key")
    time.later(timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="replaced"):
        keys.check("the-first-key")
    assert is_valid(keys, new.api_key)


def test_the_old_key_ends_with_the_overlap_when_the_new_one_is_never_used(
    keys: InboundKeys, time: Clock
) -> None:
    new = keys.issue()
    time.later(timedelta(hours=24) - timedelta(seconds=1))
    assert is_valid(keys, "the-first-key")
    time.later(timedelta(seconds=1))
    assert not is_valid(keys, "the-first-key")
    assert is_valid(keys, new.api_key)


def test_a_key_whose_answer_was_lost_ends_like_an_old_one(keys: InboundKeys, time: Clock) -> None:
    lost = keys.issue()
    received = keys.issue()
    keys.check(received.api_key)
    time.later(timedelta(seconds=60))
    assert not is_valid(keys, lost.api_key)
    assert not is_valid(keys, "the-first-key")
    assert is_valid(keys, received.api_key)


def test_using_an_earlier_of_two_new_keys_leaves_the_later_one(
    keys: InboundKeys, time: Clock
) -> None:
    first, second = keys.issue(), keys.issue()
    keys.check(first.api_key)
    time.later(timedelta(minutes=5))
    assert not is_valid(keys, "the-first-key")
    assert is_valid(keys, second.api_key)


def test_a_configured_key_does_not_come_back_once_there_are_others(
    keys: InboundKeys, time: Clock
) -> None:
    keys.check(keys.issue().api_key)
    time.later(timedelta(minutes=5))
    keys.adopt("the-first-key")
    assert not is_valid(keys, "the-first-key")
    assert len(keys.all()) == 2


def test_no_key_is_stored_in_the_clear(keys: InboundKeys, tmp_path: Path) -> None:
    issued = keys.issue().api_key
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("keys.db*"))
    assert issued.encode() not in stored
    assert b"the-first-key" not in stored


@pytest.fixture
def outbound(transactions: Transactions, time: Clock, tmp_path: Path) -> OutboundKey:
    box = SecretBox([load_or_create_key(tmp_path / "box.key")])
    return OutboundKey(transactions, box, "https://marketplace.example")


def answer(key: str, moment: datetime) -> NewKey:
    return NewKey(key, moment, moment + timedelta(days=90), moment + timedelta(hours=24))


def test_without_a_key_nothing_can_be_presented_or_refreshed(outbound: OutboundKey) -> None:
    assert not outbound.is_due(timedelta(days=7))
    with pytest.raises(Unavailable):
        outbound.current()
    with pytest.raises(Unavailable):
        outbound.refresh(lambda _: answer("new", START))


def test_the_first_key_is_due_and_its_successor_before_its_end(
    outbound: OutboundKey, time: Clock
) -> None:
    outbound.adopt("the-first-key")
    assert outbound.is_due(timedelta(days=7))
    assert outbound.refresh(lambda _: answer("new", START)) == START + timedelta(days=90)
    assert outbound.current() == "new"
    time.later(timedelta(days=83) - timedelta(seconds=1))
    assert not outbound.is_due(timedelta(days=7))
    time.later(timedelta(seconds=1))
    assert outbound.is_due(timedelta(days=7))


def test_the_same_question_is_asked_until_it_is_answered(outbound: OutboundKey) -> None:
    outbound.adopt("the-first-key")
    asked: list[str] = []

    def lost(refresh_id: str) -> NewKey:
        asked.append(refresh_id)
        raise Unavailable("No answer.")

    def answered(refresh_id: str) -> NewKey:
        asked.append(refresh_id)
        return answer("new", START)

    for _ in range(2):
        with pytest.raises(Unavailable):
            outbound.refresh(lost)
    outbound.refresh(answered)
    outbound.refresh(answered)
    assert asked[0] == asked[1] == asked[2] != asked[3]


def test_a_question_that_is_refused_is_not_asked_again(outbound: OutboundKey) -> None:
    outbound.adopt("the-first-key")
    asked: list[str] = []

    def refused(refresh_id: str) -> NewKey:
        asked.append(refresh_id)
        raise IdempotencyMismatch("It belongs to a different request.")

    for _ in range(2):
        with pytest.raises(IdempotencyMismatch):
            outbound.refresh(refused)
    assert asked[0] != asked[1]
    assert outbound.current() == "the-first-key"

"""Wake-ups over a broker that goes away: they come back without a process being started again."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo.companies import wait_until
from marketplace.delivery.wake_ups import WakeUps, make_broker
from tests.services.certificates import Authority
from tests.services.rabbitmq import PrivateRabbitMQ, Tls, private_rabbitmq

WITHIN = 60


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(authority: Authority) -> Iterator[PrivateRabbitMQ]:
    issued = authority.issue("localhost", "127.0.0.1")
    with private_rabbitmq(Tls(issued.chain, issued.key, authority.file)) as running:
        yield running


class Pair:
    """A process part that only sends wake-ups, and one that takes them."""

    def __init__(self, sender: WakeUps, taken: threading.Event) -> None:
        self._sender = sender
        self._taken = taken

    def carries(self) -> bool:
        """Return whether a wake-up that is sent now is taken soon."""
        self._taken.clear()
        self._sender.send()
        return self._taken.wait(1)

    @property
    def broker_answers(self) -> bool:
        return self._sender.broker_answers


@contextmanager
def pair(url: str) -> Iterator[Pair]:
    taken = threading.Event()
    sender, taker = WakeUps(make_broker(url)), WakeUps(make_broker(url), taken.set)
    for part in (sender, taker):
        part.start()
    try:
        yield Pair(sender, taken)
    finally:
        for part in (sender, taker):
            part.stop()


def test_they_go_over_quorum_queues(broker: PrivateRabbitMQ) -> None:
    with pair(broker.url) as between:
        wait_until("A wake-up", between.carries, WITHIN)
    assert set(broker.queues()) == {"flexagora.wake-ups", "flexagora.wake-ups.DQ"}
    assert set(broker.queues().values()) == {"quorum"}


def test_a_queue_that_nobody_reads_does_not_grow(broker: PrivateRabbitMQ) -> None:
    taken: list[float] = []
    sender = WakeUps(make_broker(broker.url))
    sender.start()
    for _ in range(300):
        sender.send()
        time.sleep(0.012)
    sender.stop()
    taker = WakeUps(make_broker(broker.url), lambda: taken.append(time.monotonic()))
    taker.start()
    wait_until("A wake-up", lambda: bool(taken), WITHIN)
    wait_until("The end of them", lambda: time.monotonic() - taken[-1] > 1, WITHIN)
    taker.stop()
    assert len(taken) <= 110


def test_they_come_back_after_the_broker_was_killed(broker: PrivateRabbitMQ) -> None:
    with pair(broker.url) as between:
        wait_until("A wake-up", between.carries, WITHIN)
        broker.kill()
        assert not between.carries()
        wait_until("The loss", lambda: not between.broker_answers, WITHIN)
        broker.start()
        wait_until("A wake-up", between.carries, WITHIN)
        assert between.broker_answers


def test_they_come_back_after_their_queues_were_deleted(broker: PrivateRabbitMQ) -> None:
    with pair(broker.url) as between:
        wait_until("A wake-up", between.carries, WITHIN)
        broker.flush()
        assert broker.queues().keys() <= {"flexagora.wake-ups", "flexagora.wake-ups.DQ"}
        wait_until("A wake-up", between.carries, WITHIN)


def test_they_begin_once_the_broker_is_there(broker: PrivateRabbitMQ) -> None:
    broker.stop()
    with pair(broker.url) as between:
        assert not between.carries()
        broker.start()
        wait_until("A wake-up", between.carries, WITHIN)


def test_they_go_over_tls_to_who_has_the_right_certificate(
    broker: PrivateRabbitMQ, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with pair(broker.tls_url) as between:
        wait_until("A wake-up", between.carries, WITHIN)


def test_they_do_not_go_to_who_has_a_certificate_of_a_stranger(
    broker: PrivateRabbitMQ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).file))
    with pair(broker.tls_url) as between:
        assert not between.carries()
        wait_until("The refusal", lambda: not between.broker_answers, WITHIN)

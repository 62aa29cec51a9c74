"""Wake-ups over Dramatiq: whoever commits an event tells whoever delivers to look now.

A message carries nothing but that. What is due, and when, is in the database; so a broker that is
down, empty or repeats itself changes when an event is sent by a poll's length, no more.
"""

import importlib
import logging
import threading
import time
from collections.abc import Callable

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Middleware

from mpp_sdk.metrics import Meters

_LOG = logging.getLogger(__name__)
_QUEUE = "flexagora.wake-ups"  # version 0.1 had a classic queue, flexagora.wake
_MAX_AGE_MS = 10_000  # by then the pollers have looked anyway
_PAUSE_S = 0.01  # between two wake-ups: the broker writes each to its disk
_STOP_S = 5.0
_HEARTBEAT_S = 15.0  # a connection that is silent for a minute is closed by the broker


def check_client(broker_url: str) -> None:
    """Raise ModuleNotFoundError when the client that a broker needs is not installed.

    Whoever only connects later, in another thread, asks before it starts.
    """
    if broker_url:
        importlib.import_module("dramatiq.brokers.rabbitmq")


def make_broker(broker_url: str) -> dramatiq.Broker:
    """Return the broker of RabbitMQ at a URL, or one inside this process when there is none.

    `amqps://` is checked against the system's certificate authorities, or those of SSL_CERT_FILE.
    """
    middleware: list[Middleware] = [AgeLimit(max_age=_MAX_AGE_MS)]
    if not broker_url:
        return StubBroker(middleware=middleware)
    # An extra of its own: a marketplace with the embedded broker does without it.
    from marketplace.delivery.quorum import QuorumBroker

    return QuorumBroker(broker_url, middleware, message_ttl_ms=_MAX_AGE_MS)


class WakeUpMeters:
    """How many wake-ups this process has sent and taken."""

    def __init__(self, meters: Meters) -> None:
        wake_ups = meters.counter(
            "wake_ups", "Wake-ups of delivery: sent, failed to be sent, received", "outcome"
        )
        self.sent = wake_ups.labels("sent")
        self.failed = wake_ups.labels("failed")
        self.received = wake_ups.labels("received")


class WakeUps:
    """Carries wake-ups from whoever commits an event to whoever delivers.

    Sending one costs the caller nothing and cannot fail: a thread does it, and many become one.
    With on_wake, this process also takes them. A broker that was away is found again by itself.
    """

    def __init__(
        self,
        broker: dramatiq.Broker,
        on_wake: Callable[[], None] | None = None,
        meters: Meters | None = None,
    ) -> None:
        self._broker = broker
        self._on_wake = on_wake or _nothing
        self._meters = (meters or Meters("flexagora")).of(WakeUpMeters)
        actor = dramatiq.actor(queue_name=_QUEUE, actor_name="wake", broker=broker)
        self._wake = actor(self._receive)
        self._worker = None
        if on_wake is not None:
            self._worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
        self._pending = threading.Event()
        self._stopping = False
        self._broker_answers = True
        self._thread = threading.Thread(target=self._pass_on, name="wake-ups", daemon=True)

    @property
    def broker_answers(self) -> bool:
        """Whether the broker took what it was last told; without one that is always so."""
        return self._broker_answers

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()
        if self._worker is not None:
            self._worker.start()

    def send(self) -> None:
        """Wake whoever delivers. Returns at once."""
        self._pending.set()

    def stop(self) -> None:
        """Stop carrying, within seconds: a broker that does not answer is not waited for."""
        self._stopping = True
        self._pending.set()
        parting = threading.Thread(target=self._part, name="wake-ups-end", daemon=True)
        parting.start()
        parting.join(_STOP_S)

    def _part(self) -> None:
        self._thread.join()
        if self._worker is not None:
            self._worker.stop()
        self._broker.close()

    def _receive(self) -> None:
        self._meters.received.inc()
        self._on_wake()

    def _pass_on(self) -> None:
        while True:
            waked = self._pending.wait(_HEARTBEAT_S)
            self._pending.clear()
            if self._stopping:
                return
            error = self._tell(self._wake.send if waked else self._keep_alive)
            self._note(error)
            if waked:
                (self._meters.failed if error is not None else self._meters.sent).inc()
                time.sleep(_PAUSE_S)

    def _tell(self, what: Callable[[], object]) -> Exception | None:
        try:
            what()
        except Exception as error:
            return error
        return None

    def _keep_alive(self) -> None:
        """Answer the broker's heartbeats; a lost connection is noticed, and made anew."""
        keep_alive: Callable[[], None] = getattr(self._broker, "keep_alive", _nothing)
        keep_alive()

    def _note(self, error: Exception | None) -> None:
        """Log a broker's going and coming, once each: a wake-up may be tried hundreds of times."""
        if error is not None and self._broker_answers:
            _LOG.warning("A wake-up could not be sent, the poller will do: %s", error)
        if error is None and not self._broker_answers:
            _LOG.info("The broker takes wake-ups again")
        self._broker_answers = error is None


def _nothing() -> None:
    """Take no wake-up: this process only sends them."""

"""Wake-ups over Dramatiq, and the process parts that deliver.

A message carries nothing but "look now". What is due, and when, is in the database; so a broker
that is down, empty or repeats itself changes when an event is sent by a poll's length, no more.
"""

import importlib
import logging
import threading
from collections.abc import Callable

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Middleware

from marketplace.core.environment import Environment
from marketplace.delivery import queue
from marketplace.delivery.poller import Poller
from marketplace.delivery.sender import PlatformDirectory, PlatformSender
from mpp_sdk.outbox import Dispatcher, RetryPolicy
from mpp_sdk.transport import AddressPolicy, GuardedSession

_LOG = logging.getLogger(__name__)
_QUEUE = "flexagora.wake"
_MAX_AGE_MS = 10_000  # by then the pollers have looked anyway


def check_client(broker_url: str) -> None:
    """Raise ModuleNotFoundError when the client that a broker needs is not installed.

    Whoever only connects later, in another thread, asks before it starts.
    """
    if broker_url:
        importlib.import_module("dramatiq.brokers.rabbitmq")


def make_broker(broker_url: str) -> dramatiq.Broker:
    """Return the broker of RabbitMQ at a URL, or one inside this process when there is none."""
    middleware: list[Middleware] = [AgeLimit(max_age=_MAX_AGE_MS)]
    if not broker_url:
        return StubBroker(middleware=middleware)
    # An extra of its own: a marketplace with the embedded broker does without it.
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    return RabbitmqBroker(url=broker_url, middleware=middleware)


class WakeUps:
    """Carries wake-ups from whoever commits an event to whoever delivers.

    Sending one costs the caller nothing and cannot fail: a thread does it, and many become one.
    With on_wake, this process also takes them.
    """

    def __init__(self, broker: dramatiq.Broker, on_wake: Callable[[], None] | None = None) -> None:
        self._broker = broker
        actor = dramatiq.actor(queue_name=_QUEUE, actor_name="wake", broker=broker)
        self._wake = actor(on_wake or _nothing)
        self._worker = None
        if on_wake is not None:
            self._worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
        self._pending = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._pass_on, name="wake-ups", daemon=True)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()
        if self._worker is not None:
            self._worker.start()

    def send(self) -> None:
        """Wake whoever delivers. Returns at once."""
        self._pending.set()

    def stop(self) -> None:
        """Stop carrying."""
        self._stopping = True
        self._pending.set()
        self._thread.join(5)
        if self._worker is not None:
            self._worker.stop()
        self._broker.close()

    def _pass_on(self) -> None:
        while True:
            self._pending.wait()
            self._pending.clear()
            if self._stopping:
                return
            try:
                self._wake.send()
            except Exception as error:
                _LOG.warning("A wake-up could not be sent, the poller will do: %s", error)


class DeliveryWorker:
    """Delivers the events of an environment: in the serving process, or in one of its own."""

    def __init__(
        self,
        environment: Environment,
        directory: PlatformDirectory,
        *,
        retry: RetryPolicy | None = None,
    ) -> None:
        settings = environment.settings
        seconds = settings.request_timeout.total_seconds()
        self._environment = environment
        self._session = GuardedSession(
            AddressPolicy(
                allow_private=settings.allow_private_addresses, allow_http=settings.allow_http
            ),
            total_seconds=seconds,
        )
        self._poller = Poller(
            Dispatcher(
                queue.outbox_of(environment, retry),
                PlatformSender(directory, self._session),
                lanes=settings.delivery_workers,
                poll_seconds=settings.poll_interval.total_seconds(),
                send_seconds=seconds + 10,
            )
        )
        self._wake_ups = WakeUps(make_broker(settings.broker_url), self._poller.wake)

    def start(self) -> None:
        """Begin to deliver, and to take wake-ups."""
        self._poller.start()
        self._wake_ups.start()
        queue.wake_with(self._environment, self._wake_ups.send)

    def stop(self) -> None:
        """End the calls under way, record them, and stop."""
        self._wake_ups.stop()
        self._poller.stop()
        self._session.close()


def _nothing() -> None:
    """Take no wake-up: this process only sends them."""

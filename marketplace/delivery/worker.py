"""The part of a process that delivers: a poller, and the wake-ups that make it look at once."""

import contextlib
import resource

from marketplace.core.environment import Environment
from marketplace.delivery import queue
from marketplace.delivery.connections import PlatformDirectory
from marketplace.delivery.poller import Poller
from marketplace.delivery.sender import PlatformSender
from marketplace.delivery.wake_ups import WakeUps, make_broker
from marketplace.delivery.watching import watch_broker, watch_deliverer
from mpp_sdk.metrics import OutboxMeters
from mpp_sdk.outbox import Dispatcher, Observer, RetryPolicy
from mpp_sdk.outbox.observing import AttemptLog, Observers
from mpp_sdk.transport import AddressPolicy, GuardedClient

_SEND_MARGIN_SECONDS = 1.0  # for what comes before and after a call that takes all of its time


class DeliveryWorker:
    """Delivers the events of an environment: in the serving process, or in one of its own."""

    def __init__(
        self,
        environment: Environment,
        directory: PlatformDirectory,
        *,
        retry: RetryPolicy | None = None,
        observer: Observer | None = None,
    ) -> None:
        settings = environment.settings
        seconds = settings.request_timeout.total_seconds()
        self._environment = environment
        client = GuardedClient(
            AddressPolicy(
                allow_private=settings.allow_private_addresses, allow_http=settings.allow_http
            ),
            total_seconds=seconds,
        )
        sender = PlatformSender(directory, client)
        counting = environment.meters.of(OutboxMeters)
        watching: list[Observer] = [AttemptLog(), counting, *([observer] if observer else [])]
        self._poller = Poller(
            Dispatcher(
                queue.outbox_of(environment, retry),
                sender,
                within=sender,
                lanes=settings.delivery_workers,
                concurrency=settings.delivery_concurrency,
                poll_seconds=settings.poll_interval.total_seconds(),
                send_seconds=seconds + _SEND_MARGIN_SECONDS,
                observer=Observers(*watching),
            )
        )
        self._wake_ups = WakeUps(
            make_broker(settings.broker_url), self._poller.wake, environment.meters
        )
        watch_deliverer(environment, self)
        watch_broker(environment, self._wake_ups)

    @property
    def alive(self) -> bool:
        """Whether it looks for due deliveries."""
        return self._poller.alive

    def start(self) -> None:
        """Begin to deliver, and to take wake-ups."""
        _allow_sockets()
        self._poller.start()
        self._wake_ups.start()
        queue.wake_with(self._environment, self._wake_ups.send)

    def stop(self) -> None:
        """End the calls under way, record them, and stop."""
        self._wake_ups.stop()
        self._poller.stop()


def _allow_sockets() -> None:
    """Raise the number of sockets that this process may open to what the system grants it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

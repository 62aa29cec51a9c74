"""Sends the platform's notifications in the background, for as long as the platform runs."""

import threading
from datetime import timedelta

from mpp_sdk.notifications.connection import CALL_SECONDS, MarketplaceConnection
from mpp_sdk.outbox import Dispatcher, Observer, Outbox

_CONCURRENCY = 8

LEASE = timedelta(seconds=CALL_SECONDS + 5)
"""How long another process waits for the work of one that was killed while it was sending."""


class NotificationSender:
    """Runs the outbox's dispatcher in a thread."""

    def __init__(
        self, outbox: Outbox, connection: MarketplaceConnection, observer: Observer
    ) -> None:
        self._dispatcher = Dispatcher(
            outbox,
            connection.send,
            within=connection.client,
            lanes=1,
            concurrency=_CONCURRENCY,
            send_seconds=CALL_SECONDS + 1,
            observer=observer,
        )
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Make it look for notifications now. May be called from any thread."""
        self._dispatcher.wake()

    def start(self) -> None:
        """Start sending."""
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._dispatcher.run, args=(self._stopping,), name="notifications", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop sending, after the calls that are under way."""
        self._stopping.set()
        self._dispatcher.wake()
        if self._thread is not None:
            self._thread.join()

"""The poller: it alone decides what is sent, by looking into the database again and again."""

import threading

from mpp_sdk.outbox import Dispatcher


class Poller:
    """Runs a dispatcher in a thread. A wake-up makes it look at once; it looks without one too."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery-poller", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it looks."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Make it look for due deliveries now. May be called from any thread."""
        self._dispatcher.wake()

    def stop(self) -> None:
        """End the calls under way, and return when they are recorded."""
        self._stop.set()
        self._dispatcher.wake()
        self._thread.join()

    def _run(self) -> None:
        self._dispatcher.run(self._stop)

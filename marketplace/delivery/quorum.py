"""RabbitMQ with quorum queues, which outlive the loss of a node of its cluster."""

import logging
from typing import Any

from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import Middleware

_MAX_LENGTH = 100  # one wake-up says all that a hundred do


class QuorumBroker(RabbitmqBroker):
    """Dramatiq's broker, whose queues are quorum queues that cannot grow.

    A quorum queue has no priorities, and expires messages since RabbitMQ 3.10. What is too old or
    too much is dropped: no queue of dead letters keeps it. Each message is confirmed, so that a
    queue that was deleted is noticed, and made again.
    """

    def __init__(self, url: str, middleware: list[Middleware], *, message_ttl_ms: int) -> None:
        super().__init__(url=url, middleware=middleware, confirm_delivery=True)
        logging.getLogger("pika").setLevel(logging.WARNING)  # it tells of each connection's steps
        self._message_ttl_ms = message_ttl_ms

    def keep_alive(self) -> None:
        """Answer heartbeats on the calling thread's connection, which is made when there is none.

        Raises pika's AMQPError when the broker is away.
        """
        try:
            self.connection.process_data_events(0)
        except Exception:
            del self.connection
            raise

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return {
            "x-queue-type": "quorum",
            "x-message-ttl": self._message_ttl_ms,
            "x-max-length": _MAX_LENGTH,
            "x-overflow": "drop-head",
        }

    def _declare_xq_queue(self, queue_name: str) -> None:
        """Declare no queue of dead letters."""

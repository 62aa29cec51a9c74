"""Whether a process can deliver, and whether the broker answers it."""

from typing import Protocol

from marketplace.core.environment import Environment
from mpp_sdk.metrics import Figure

_DEAD = "The thread that looks for due deliveries has ended; start the process anew."
_AWAY = "The broker does not answer: deliveries go out with the next look, not at once."


class Deliverer(Protocol):
    """What delivers in a process."""

    @property
    def alive(self) -> bool:
        """Whether it looks for due deliveries."""


class Carrier(Protocol):
    """What carries wake-ups."""

    @property
    def broker_answers(self) -> bool:
        """Whether the broker took what it was last told."""


def watch_deliverer(environment: Environment, deliverer: Deliverer) -> None:
    """Have the process ready only while it delivers."""
    environment.readiness.check("delivery", lambda: None if deliverer.alive else _DEAD)


def watch_broker(environment: Environment, carrier: Carrier) -> None:
    """Show whether RabbitMQ answers, where there is one. Without it the process is DEGRADED."""
    if not environment.settings.broker_url:
        return
    environment.readiness.check(
        "broker", lambda: None if carrier.broker_answers else _AWAY, essential=False
    )
    environment.meters.figures(
        lambda: [Figure.single("broker_up", "Whether RabbitMQ answers", carrier.broker_answers)]
    )

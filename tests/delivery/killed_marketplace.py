"""A marketplace that is killed when a delivery comes to a step.

`python -m tests.delivery.killed_marketplace STEP` serves as `flexagora serve` does, and ends by
SIGKILL when its first delivery comes to the step. Nothing in the product knows of it.
"""

import os
import signal
import sys
from datetime import timedelta
from enum import StrEnum
from typing import NoReturn
from unittest.mock import patch

from marketplace.cli import serve
from marketplace.delivery import queue
from marketplace.delivery.sender import PlatformSender
from mpp_sdk.outbox import Event, Response


class Step(StrEnum):
    """Where it dies."""

    COMMITTED = "committed"  # the event is in the database, and nobody was waked
    CLAIMED = "claimed"  # the lane is leased, and nothing is sent
    SENT = "sent"  # the platform has acknowledged, and nothing of it is recorded


def die_at(step: Step) -> None:
    """Have this process die at a step."""
    send = PlatformSender.__call__

    def die(*_: object) -> NoReturn:
        print(last_words(step), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("A killed process does not go on.")

    async def send_and_die(sender: PlatformSender, event: Event, body: bytes) -> Response:
        answer = await send(sender, event, body)
        assert isinstance(answer, Response), answer
        assert answer.status == 200, answer
        die()

    at_sending: object = send_and_die if step is Step.SENT else die
    patch.object(PlatformSender, "__call__", at_sending).start()
    if step is Step.COMMITTED:
        patch.object(queue, "wake", die).start()
    # So that a test need not wait until the lease of a dead process ends.
    patch.object(queue, "_LEASE_MARGIN", timedelta(seconds=1)).start()


def last_words(step: Step) -> str:
    """Return what the process prints last."""
    return f"This process dies when its delivery is {step}."


if __name__ == "__main__":
    die_at(Step(sys.argv[1]))
    serve()

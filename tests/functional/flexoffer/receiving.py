"""A receiver of flex-offers in a process of its own, to be killed.

`python -m tests.functional.flexoffer.receiving FOLDER PORT [MOMENT]` accepts what it is offered.
It ends by SIGKILL at a moment: `written`, when flex-offers and events are written and not
committed; `committed`, when they are, and nobody was answered.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from mpp_sdk.flexoffer.exchange.handler import FlexOfferReceiver
from mpp_sdk.flexoffer.exchange.store import FlexOfferStore
from mpp_sdk.flexoffer.exchange.stream import FlexOfferStreams
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.subscriptions import Subscription
from mpp_sdk.web.server import serve
from tests.functional.sdk.support import settings

_write_events = FlexOfferStore._write_events


class Accepting(FlexOfferReceiver):
    """Accepts whatever it is offered."""

    def on_offered(self, subscription: Subscription, ids: Sequence[UUID]) -> None:
        self.accept(ids)


def receiver(folder: Path) -> tuple[MarketPlayerPlatform, FlexOfferReceiver]:
    """Return a platform that accepts flex-offers, with its database in a folder."""
    platform = MarketPlayerPlatform(settings(f"sqlite:///{folder / 'receiver.db'}", folder))
    return platform, Accepting(platform)


def write_and_die(*arguments: Any) -> None:
    _write_events(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)


def commit_and_die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    match sys.argv[3:]:
        case ["written"]:
            patch.object(FlexOfferStore, "_write_events", write_and_die).start()
        case ["committed"]:
            patch.object(FlexOfferStreams, "wake", commit_and_die).start()
    serve(receiver(Path(sys.argv[1]))[0].app(), port=int(sys.argv[2]))

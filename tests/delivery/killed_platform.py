"""A platform that is killed before it tells of a customer's consent.

`python -m tests.delivery.killed_platform serve module:Handler` serves as `python -m mpp_sdk` does,
and ends by SIGKILL when it is about to send that a customer has consented. The change is committed
by then: what is sent was read from the platform's outbox.
"""

import os
import signal
from datetime import timedelta
from unittest.mock import patch

import mpp_sdk.platform
from mpp_sdk.__main__ import main
from mpp_sdk.notifications.connection import MarketplaceConnection
from mpp_sdk.outbox import Event, Response

_send = MarketplaceConnection.send


async def send_or_die(connection: MarketplaceConnection, event: Event, body: bytes) -> Response:
    if event.kind == "service.consent" and b"GRANTED" in body:
        os.kill(os.getpid(), signal.SIGKILL)
    return await _send(connection, event, body)


if __name__ == "__main__":
    patch.object(MarketplaceConnection, "send", send_or_die).start()
    # So that a test need not wait until the lease of a dead process ends.
    patch.object(mpp_sdk.platform, "LEASE", timedelta(seconds=1)).start()
    main()

"""A dispatcher in a process of its own, for a test to kill: sends to a URL until it dies."""

import sys
import threading
from datetime import timedelta

from cryptography.fernet import Fernet
from sqlalchemy import MetaData

from mpp_sdk.database import open_database
from mpp_sdk.outbox import Dispatcher, Event, Outbox, OutboxTables, Response
from mpp_sdk.secrets import SecretBox
from mpp_sdk.transport import AddressPolicy, GuardedClient


def main(database_url: str, target: str) -> None:
    outbox = Outbox(
        open_database(database_url),
        OutboxTables.define(MetaData()),
        SecretBox([Fernet.generate_key().decode()]),
        lease_duration=timedelta(seconds=1),
    )
    client = GuardedClient(AddressPolicy(allow_private=True, allow_http=True))

    async def send(event: Event, body: bytes) -> Response:
        headers = {"webhook-id": str(event.event_id)}
        url = target + event.path
        return Response((await client.request("POST", url, data=body, headers=headers)).status)

    Dispatcher(outbox, send, within=client, poll_seconds=0.05, send_seconds=0.5).run(
        threading.Event()
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

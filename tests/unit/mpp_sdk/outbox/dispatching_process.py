"""A dispatcher in a process of its own, for a test to kill: sends to a URL until it dies."""

import sys
import threading
from datetime import timedelta

from cryptography.fernet import Fernet
from sqlalchemy import MetaData

from mpp_sdk.database import open_database
from mpp_sdk.outbox import Dispatcher, Event, Outbox, OutboxTables, Response
from mpp_sdk.secrets import SecretBox
from mpp_sdk.transport import AddressPolicy, GuardedSession


def main(database_url: str, target: str) -> None:
    outbox = Outbox(
        open_database(database_url),
        OutboxTables.define(MetaData()),
        SecretBox([Fernet.generate_key().decode()]),
        lease_duration=timedelta(seconds=1),
    )
    session = GuardedSession(AddressPolicy(allow_private=True, allow_http=True))

    def send(event: Event, body: bytes) -> Response:
        headers = {"webhook-id": str(event.event_id)}
        return Response(session.post(target + event.path, body, headers=headers).status_code)

    Dispatcher(outbox, send, poll_seconds=0.05, send_seconds=0.5).run(threading.Event())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

"""What is seen of the delivery queue, looked up in the database."""

from datetime import datetime

from sqlalchemy import Connection, select

from marketplace.core.restoration import is_held
from marketplace.delivery.tables import OUTBOX
from mpp_sdk.metrics import Figure, outbox_figures
from mpp_sdk.outbox.state import queue_state


def figures(connection: Connection, moment: datetime) -> list[Figure]:
    """Return the queue's depth and age by state, how late it is, and the platforms' breakers."""
    held = connection.scalar(select(is_held()))
    return [
        *outbox_figures(queue_state(OUTBOX, connection), moment),
        Figure.single(
            "deliveries_held", "Whether nothing is delivered since a restoration", float(bool(held))
        ),
    ]

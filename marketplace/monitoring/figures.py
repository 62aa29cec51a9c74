"""What is seen of the subscriptions that are carried out, looked up in the database."""

from datetime import datetime

from sqlalchemy import Connection

from marketplace.monitoring import repository
from mpp_sdk.metrics import Figure


def figures(connection: Connection, moment: datetime) -> list[Figure]:
    """Return how many interim statuses are overdue."""
    return [
        Figure.single(
            "overdue_statuses",
            "Subscriptions whose provider has not reported its status in time",
            repository.count_overdue(connection, moment),
        )
    ]

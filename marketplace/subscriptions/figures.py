"""What is seen of requests and subscriptions, looked up in the database."""

from sqlalchemy import Connection

from marketplace.subscriptions import repository
from mpp_sdk.metrics import Figure


def figures(connection: Connection) -> list[Figure]:
    """Return how many requests and subscriptions there are, by state."""
    requests = repository.requests_by_state(connection)
    subscriptions = repository.subscriptions_by_state(connection)
    return [
        Figure(
            "service_requests",
            "Service requests, by state",
            {(state,): count for state, count in requests.items()},
            ("state",),
        ),
        Figure(
            "subscriptions",
            "Subscriptions, by state",
            {(state,): count for state, count in subscriptions.items()},
            ("state",),
        ),
    ]

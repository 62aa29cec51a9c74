"""What is seen of market players and of the keys presented to them, looked up in the database."""

from datetime import datetime

from sqlalchemy import Connection

from marketplace.identity import repository
from mpp_sdk.metrics import Figure


def figures(connection: Connection, moment: datetime) -> list[Figure]:
    """Return the market players by state, and how it stands with the keys of their platforms."""
    keys = repository.presented_keys(connection, moment)
    return [
        Figure(
            "market_players",
            "Market players, by state",
            {(state,): count for state, count in repository.players_by_state(connection).items()},
            ("state",),
        ),
        Figure.single("platform_keys_due", "Keys of platforms to be refreshed now", keys.due),
        Figure.single(
            "platform_keys_failing",
            "Keys of platforms whose refresh has failed and is tried again",
            keys.failing,
        ),
        Figure(
            "platform_key_first_end_seconds",
            "In how many seconds the first key that is presented to a platform ends",
            {(): (keys.first_end - moment).total_seconds()} if keys.first_end else {},
        ),
    ]

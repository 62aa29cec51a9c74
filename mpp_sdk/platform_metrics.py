"""The metrics of a platform; they need the extra `metrics`."""

from collections.abc import Iterable

from mpp_sdk import clock
from mpp_sdk.database import pool_use
from mpp_sdk.metrics import Figure, HttpMeters, Meters, OutboxMeters, outbox_figures
from mpp_sdk.outbox.state import queue_state
from mpp_sdk.sampling import Sampled
from mpp_sdk.state.tables import OUTBOX_TABLES
from mpp_sdk.transactions import Transactions

_KEEP_SECONDS = 5.0
_PATIENCE_SECONDS = 2.0


class PlatformMetrics:
    """What a platform counts, and what is looked up in its database."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self.meters = Meters("mpp")
        self.http = self.meters.of(HttpMeters)
        self.outbox = self.meters.of(OutboxMeters)
        self.meters.process_figures()
        self.meters.figures(self._own_figures)
        self.meters.sampled_figures(
            "database",
            Sampled(
                "the database",
                self._look_up,
                keep_seconds=_KEEP_SECONDS,
                patience_seconds=_PATIENCE_SECONDS,
            ),
        )

    def _own_figures(self) -> Iterable[Figure]:
        use = pool_use(self._transactions.engine)
        yield Figure.single(
            "database_connections_in_use", "Connections of this process in use", use.in_use
        )
        yield Figure.single(
            "database_connections_limit", "How many connections there may be", use.limit
        )

    def _look_up(self) -> list[Figure]:
        with self._transactions.reading() as session:
            return outbox_figures(queue_state(OUTBOX_TABLES, session.connection()), clock.now())

"""The operators' view of one process: whether it can do its work, and its metrics.

What is looked up in the database is looked up over connections of its own, so that it tells of a
pool that is used up instead of waiting in it; once in a few seconds, however often it is asked for;
and in a thread of its own, so that a database that hangs holds nobody up.
"""

import importlib.metadata
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, make_url, text
from starlette.routing import Route

from marketplace.core import migrations
from marketplace.core.environment import Environment
from marketplace.delivery import figures as delivery
from marketplace.identity import figures as identity
from marketplace.monitoring import figures as monitoring
from marketplace.subscriptions import figures as subscriptions
from mpp_sdk import clock
from mpp_sdk.database import open_database, pool_use, reading
from mpp_sdk.metrics import Figure, OutboxMeters
from mpp_sdk.readiness import ReadinessState
from mpp_sdk.sampling import Sampled
from mpp_sdk.web.binding import BoundContract
from mpp_sdk.web.health import health_routes
from mpp_sdk.web.operations import operations_port

_KEEP_SECONDS = 5.0
_PATIENCE_SECONDS = 2.0
_CONNECT_SECONDS = "3"
_STATEMENT_TIMEOUT = text("SET LOCAL statement_timeout = '10s'")
_REVISION = text("SELECT version_num FROM alembic_version")
_SIZE = {
    "postgresql": text("SELECT pg_database_size(current_database())"),
    "sqlite": text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"),
}


class Operations:
    """Has the readiness of an environment checked and its metrics looked up."""

    def __init__(self, environment: Environment, contracts: Sequence[BoundContract] = ()) -> None:
        self._environment = environment
        self._contracts = contracts
        self._needed_revision = migrations.newest_revision(environment.engine)
        self._database = reading(_probing(environment.settings.effective_database_url))
        self._sampled = Sampled(
            "the database",
            self._look_up,
            keep_seconds=_KEEP_SECONDS,
            patience_seconds=_PATIENCE_SECONDS,
        )
        environment.readiness.check("database", self._database_problem)
        meters = environment.meters
        meters.of(OutboxMeters)
        meters.process_figures()
        meters.figures(self._own_figures)
        meters.sampled_figures("database", self._sampled)

    def routes(self) -> list[Route]:
        """Return what is served in public: `/healthz` and `/readyz`, not the metrics."""
        return health_routes(self._environment.readiness)

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Serve the same and `/metrics` at the operations port while a block runs; give the URL.

        It is empty when there is no such port. Raises OSError when the address cannot be had.
        """
        settings = self._environment.settings
        routes = [*self.routes(), self._environment.meters.route()]
        try:
            with operations_port(settings.operations_host, settings.operations_port, routes) as url:
                yield url
        finally:
            self._database.dispose()

    def _database_problem(self) -> str | None:
        with self._database.connect() as connection:
            found = connection.execute(_REVISION).scalar_one_or_none()
        if found != self._needed_revision:
            migrations.check_usable(self._database)
        return None

    def _own_figures(self) -> Iterable[Figure]:
        """Yield what this process knows by itself."""
        version = importlib.metadata.version("flexagora")
        yield Figure("build_info", "The version that runs", {(version,): 1}, ("version",))
        use = pool_use(self._environment.engine)
        yield Figure.single(
            "database_connections_in_use", "Connections of this process in use", use.in_use
        )
        yield Figure.single(
            "database_connections_limit", "How many connections there may be", use.limit
        )
        yield Figure(
            "handler_threads_busy",
            "Calls that are worked on now, by contract",
            {(bound.contract.name,): bound.busy_threads for bound in self._contracts},
            ("contract",),
        )
        yield Figure(
            "handler_threads_limit",
            "How many calls are worked on at once, by contract",
            {(bound.contract.name,): bound.threads for bound in self._contracts},
            ("contract",),
        )
        state = self._environment.readiness.report().state
        yield Figure.single(
            "ready", "Whether this process can do its work", state is not ReadinessState.NOT_READY
        )
        yield Figure.single(
            "degraded", "Whether it does so with less comfort", state is ReadinessState.DEGRADED
        )
        yield Figure.single(
            "stopping",
            "Whether this process is about to stop",
            self._environment.readiness.stopping,
        )
        if self._environment.settings.embedded:
            free = shutil.disk_usage(self._environment.settings.data_dir).free
            yield Figure.single(
                "data_disk_free_bytes", "What is free on the disk of the embedded database", free
            )

    def _look_up(self) -> list[Figure]:
        """Return what the database holds. Raises what the database driver raises."""
        with self._database.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_STATEMENT_TIMEOUT)
            moment = clock.now()
            return [
                _round_trip(connection),
                *delivery.figures(connection, moment),
                *monitoring.figures(connection, moment),
                *subscriptions.figures(connection),
                *identity.figures(connection, moment),
                _size(connection),
            ]


def _probing(url: str) -> Engine:
    """Return an engine for the same database that has a connection or two and gives up early."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.update_query_dict({"connect_timeout": _CONNECT_SECONDS})
    return open_database(parsed.render_as_string(hide_password=False), pool_size=1)


def _round_trip(connection: Connection) -> Figure:
    started = time.perf_counter()
    connection.execute(text("SELECT 1"))
    return Figure.single(
        "database_round_trip_seconds",
        "How long the database takes to answer the simplest question",
        time.perf_counter() - started,
    )


def _size(connection: Connection) -> Figure:
    size = connection.execute(_SIZE[connection.dialect.name]).scalar_one()
    return Figure.single("database_size_bytes", "What the database takes on its disk", size)

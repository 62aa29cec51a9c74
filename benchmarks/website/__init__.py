"""What each page of the website costs on a full market, and that it costs as much on any."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

from cryptography.fernet import Fernet
from sqlalchemy import text

from benchmarks.delivering import market
from benchmarks.seeding import FULL, Scale, seed
from benchmarks.website.measuring import Measured, measure
from benchmarks.website.report import beyond, show, slowest, told
from marketplace.app import jobs
from marketplace.core.environment import Environment
from marketplace.core.scheduler import Scheduler
from marketplace.core.settings import Settings
from mpp_sdk.clock import now
from mpp_sdk.database import open_database

_UNLIMITED = {
    f"rate_limit_{name}": 0 for name in ("address", "credential", "anonymous", "failures")
}


def run(quick: bool) -> None:
    """Print what the pages cost on a tenth of the full market; `python -m benchmarks.website` more.

    Raises SystemExit when a page is beyond a limit.
    """
    compare(FULL.part(20 if quick else 10), "postgresql", 5 if quick else 20)


def compare(scale: Scale, backend: str, times: int, *, with_queries: bool = False) -> None:
    """Print what the pages cost on a market, beside the queries on one of a tenth its size.

    Each is called so many times. Raises SystemExit when a page is beyond a limit.
    """
    fewer = _measured(scale.part(10), backend, 3)
    full = _measured(scale, backend, times)
    _tell(full, fewer, f"{backend}, {scale}", with_queries)


def look_at(url: str, times: int) -> None:
    """Print what the pages cost on a market that is there, with their slowest queries."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate(
            {
                "data_dir": Path(folder),
                "database_url": url,
                "secret_keys": Fernet.generate_key().decode(),
                **_UNLIMITED,
            }
        )
        full = asyncio.run(measure(Environment(settings, open_database(url)), times))
    _tell(full, Measured({}, {}), url.rpartition("/")[2], with_queries=True)


def _tell(full: Measured, part: Measured, named: str, with_queries: bool) -> None:
    show(full, part, named)
    if with_queries:
        print("\nThe slowest queries:\n" + "\n\n".join(told(cost) for cost in slowest(full)))
    lines = beyond(full, part)
    if lines:
        raise SystemExit("Beyond the limits:\n" + "\n".join(lines))
    print("Every page keeps to the limits.")


def _measured(scale: Scale, backend: str, times: int) -> Measured:
    with _filled(scale, backend) as environment:
        return asyncio.run(measure(environment, times))


@contextmanager
def _filled(scale: Scale, backend: str) -> Iterator[Environment]:
    with market(backend) as here:
        begun = time.perf_counter()
        settings = here.environment.settings.model_copy(update=_UNLIMITED)
        environment = replace(here.environment, settings=settings)
        seed(here.engine, scale, settings.secret_box, now())
        Scheduler(environment, jobs(), Event()).run_once()  # what a running marketplace has done
        with here.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        print(f"{backend}: {scale} in {time.perf_counter() - begun:.0f} s", flush=True)
        yield environment

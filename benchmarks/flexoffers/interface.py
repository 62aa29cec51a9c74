"""`POST /flexoffer` with up to 10,000 flex-offers of 8 to 32 slices in one body.

Beside what cannot be spared: `json.loads` of the same body, and a bare `sqlite3.executemany` of one
row for each flex-offer and one for its event, committed durably.
"""

import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from pydantic import SecretStr

from benchmarks.measure import RUNS
from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import (
    AgreedTerms,
    B2bAccess,
    CompanyReference,
    ConfirmedService,
    DataStandard,
    MarketPlayerRole,
    Period,
    PlatformRole,
    Price,
    PriceModel,
    ServiceCategory,
    ServiceOfferConfirmed,
)
from mpp_sdk.flexoffer.exchange.handler import FlexOfferReceiver
from mpp_sdk.ids import new_id
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.secrets import load_or_create_key
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.web.server import BackgroundServer, collect_less

KEY = "fxb_the-key-of-the-benchmark"
SIZES = (100, 1_000, 10_000)
_HOUR = timedelta(hours=1)


def run(quick: bool) -> None:
    """Measure and print accepted flex-offers a second, and how the cost of one grows.

    Ratio and growth are of processor time, which others on the machine disturb less.
    """
    runs = 1 if quick else RUNS
    with receiving() as (_, url):
        collect_less()  # as a server that runs by itself does
        print("  offers     MB   offers/s   processor time of each    x bare    growth")
        first = 0.0
        for size in SIZES:
            body = json.dumps(drafts(size)).encode()
            post(url, body)
            bare = _median(partial(_bare, body), runs)
            taken = _median(partial(post, url, body), runs)
            each = taken.processor / size
            first = first or each
            print(
                f"{size:>8} {len(body) / 1e6:>6.2f} {size / taken.clock:>10,.0f}"
                f" {each * 1e6:>21,.0f} us {taken.processor / bare.processor:>9.2f}"
                f" {each / first:>9.2f}"
            )


@contextmanager
def receiving() -> Iterator[tuple[FlexOfferReceiver, str]]:
    """Serve a receiver with one subscription under `KEY`, on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        platform = MarketPlayerPlatform(_settings(Path(folder)))
        receiver = FlexOfferReceiver(platform)
        with platform.transactions() as session:
            platform.subscriptions.add(session, subscription(), PlatformRole.PROVIDER)
        with BackgroundServer(platform.app()) as url:
            yield receiver, url


def drafts(count: int) -> list[dict[str, Any]]:
    """Return flex-offers of 8 to 32 slices."""
    chance = random.Random(7)  # the same ones each time
    begin = clock.now().replace(minute=0, second=0, microsecond=0) + 6 * _HOUR
    return [_draft(chance, begin, number) for number in range(count)]


def _draft(chance: random.Random, begin: datetime, number: int) -> dict[str, Any]:
    slices = [
        {"lower": low / 1000, "upper": (low + chance.randrange(2_000)) / 1000}
        for low in (chance.randrange(2_000) for _ in range(chance.randint(8, 32)))
    ]
    return {
        "offeredBy": f"household-{number}",
        "podId": f"ES{number:018}",
        "acceptBefore": (begin - _HOUR).isoformat(),
        "assignBefore": (begin - _HOUR).isoformat(),
        "startAfter": begin.isoformat(),
        "startBefore": (begin + 4 * _HOUR).isoformat(),
        "profiles": [{"slices": slices}],
        "default": {"energies": [one["lower"] for one in slices]},
    }


def subscription() -> ServiceOfferConfirmed:
    """Return the subscription under which flex-offers are sent."""
    return ServiceOfferConfirmed(
        event_id=new_id(),
        occurred_at=clock.now(),
        subscription_id=new_id(),
        service=ConfirmedService(
            service_id=uuid4(),
            version=1,
            name="Flexibility",
            category=ServiceCategory.METERING_DATA,
            data_standard=DataStandard.CIM_IEC_62325,
            consent_required=False,
        ),
        provider=_company("Aggregator", MarketPlayerRole.AGGREGATOR),
        requester=_company("Home energy", MarketPlayerRole.DSO),
        terms=AgreedTerms(
            text="As agreed.",
            price=Price(model=PriceModel.FREE),
            validity=Period(start=datetime(2020, 1, 1, tzinfo=UTC)),
            interim_status_interval="PT1H",
        ),
        b2b=B2bAccess(
            base_url="https://aggregator.example",
            contract="flexoffer",
            contract_version="1.0.0",
            api_key=KEY,
        ),
    )


def _company(name: str, role: MarketPlayerRole) -> CompanyReference:
    return CompanyReference(market_player_id=uuid4(), name=name, roles=[role])


def _settings(folder: Path) -> PlatformSettings:
    return PlatformSettings(
        name="benchmark",
        database_url=f"sqlite:///{folder / 'platform.db'}",
        encryption_keys=(SecretStr(load_or_create_key(folder / "platform.key")),),
        marketplace_url="http://127.0.0.1:9",
        inbound_api_key=SecretStr("fxk_the-key-of-the-marketplace-here"),
        allow_private_addresses=True,
        allow_http=True,
        rate_limit_address=0,
        rate_limit_credential=0,
    )


def post(url: str, body: bytes) -> list[dict[str, Any]]:
    """Send flex-offers, and return the result of each. Raises RuntimeError unless all are taken."""
    answer = requests.post(
        f"{url}/flexoffer/v1/flexoffer",
        data=body,
        headers={"X-API-Key": KEY, "Content-Type": "application/json"},
        timeout=600,
    )
    items: list[dict[str, Any]] = answer.json().get("items", [])
    if {one.get("state") for one in items} != {"OFFERED"}:
        raise RuntimeError(f"Not all were taken: {answer.status_code} {answer.text[:500]}")
    return items


def _bare(body: bytes) -> None:
    many = json.loads(body)
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE offer (id TEXT PRIMARY KEY, subscription TEXT, state TEXT,"
            " document TEXT, accept_before TEXT, assign_before TEXT)"
        )
        connection.execute(
            "CREATE TABLE event (subscription TEXT, sequence INTEGER, offer TEXT, kind TEXT,"
            " PRIMARY KEY (subscription, sequence))"
        )
        ids = [uuid4().hex for _ in many]
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO offer VALUES (?, ?, ?, ?, ?, ?)",
            (
                (one, KEY, "OFFERED", json.dumps(each), each["acceptBefore"], each["assignBefore"])
                for one, each in zip(ids, many, strict=True)
            ),
        )
        connection.executemany(
            "INSERT INTO event VALUES (?, ?, ?, ?)",
            ((KEY, number, one, "OFFERED") for number, one in enumerate(ids)),
        )
        connection.execute("COMMIT")
        connection.close()


@dataclass(frozen=True)
class _Taken:
    """Seconds of the clock, and of the processors."""

    clock: float
    processor: float


def _median(function: Callable[[], object], runs: int) -> _Taken:
    clocks, processors = [], []
    for _ in range(runs):
        begun, worked = time.perf_counter(), time.process_time()
        function()
        clocks.append(time.perf_counter() - begun)
        processors.append(time.process_time() - worked)
    return _Taken(statistics.median(clocks), statistics.median(processors))


if __name__ == "__main__":
    run(quick=True)

"""A TypeScript provider and the Python requester do the demonstration's exchange with each other.

The provider is the example of `sdk/typescript`, the requester `examples/aggregator.py`, each a
process of its own; between them is a real marketplace.
"""

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import requests

from examples.demo.companies import wait_until
from examples.demo.processes import free_port
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    DeliveryState,
    MarketPlayerRole,
    Subscription,
    SubscriptionState,
)
from mpp_sdk.contracts.marketplace.models import (
    TestOutcome as Outcome,
)
from mpp_sdk.database import open_database, reading
from mpp_sdk.ids import new_id
from mpp_sdk.metering.importers import CsvLayout, parse_csv
from mpp_sdk.metering.model import PointOfDelivery, Reading, ReadingSeries, plain
from mpp_sdk.metering.moments import format_moment
from mpp_sdk.metering.store import MeteringStore
from tests.services.node import HERE, ExamplePlatform, run
from tests.world import people
from tests.world.platform import subscription_keys
from tests.world.processes import MarketplaceProcess, PlatformProcess

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
GRANTED = ("HOUSEHOLD-A", "HOUSEHOLD-B")
WITHDRAWN = "HOUSEHOLD-C"
DENIED = ("HOUSEHOLD-D", "NOT-A-CUSTOMER")
FILES = {
    "HOUSEHOLD-A": "household_a_hourly_kwh.csv.gz",
    "HOUSEHOLD-B": "household_b_half_hourly_kwh.csv.gz",
    "HOUSEHOLD-C": "household_c_half_hourly_kwh.csv.gz",
    "HOUSEHOLD-D": "household_a_hourly_kwh.csv.gz",
}
READINGS = 1_200
PAGE = 500


@dataclass
class World:
    """The marketplace, the two companies and their platforms."""

    marketplace: MarketplaceProcess
    register: people.Register
    provider: people.Company
    requester: people.Company
    typescript: ExamplePlatform
    python: PlatformProcess
    theirs: MeteringStore

    @property
    def ours(self) -> MeteringStore:
        """What the Python platform has stored."""
        return MeteringStore(reading(open_database(f"sqlite:///{self.python.database_file}")))

    def states(self, subscription: Subscription) -> dict[str, tuple[str, str]]:
        """Return consent and activation of each PoD, as the marketplace knows them."""
        found = self.register.operator.client.list_points_of_delivery(subscription.subscription_id)
        return {
            pod.pod_id: (str(pod.consent or ""), str(pod.activation or "")) for pod in found.items
        }

    def undelivered(self) -> list[str]:
        """Return what the TypeScript platform has still to tell the marketplace, or never can."""
        with closing(sqlite3.connect(self.typescript.folder / "platform.db")) as database:
            query = "SELECT kind || ' ' || reason FROM notification WHERE state <> 'DELIVERED'"
            return [row[0] for row in database.execute(query)]

    def read(self, subscription: Subscription, pod: str) -> int:
        """Return the status of reading a PoD at the TypeScript platform, as the requester."""
        keys = subscription_keys(self.python, self.marketplace.url)
        path = f"/metering/v1/subscriptions/{subscription.subscription_id}/validated-measure-data/"
        return requests.get(
            f"{self.typescript.url}{path}{pod}",
            params={"start": "2012-01-01T00:00:00Z", "end": "2020-01-01T00:00:00Z"},
            headers={"X-API-Key": keys[subscription.subscription_id]},
            timeout=10,
        ).status_code


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("typescript")
    marketplace = MarketplaceProcess(folder)
    answers = {**dict.fromkeys((*GRANTED, WITHDRAWN), True), DENIED[0]: False}
    typescript = ExamplePlatform(folder / "provider", free_port(), answers)
    theirs = MeteringStore(open_database(f"sqlite:///{folder / 'expected.db'}"))
    theirs.create()
    for pod, name in FILES.items():
        series = household(pod, DATA / name)
        theirs.upsert([series])
        write_csv(series, typescript.readings / f"{pod}.csv")
    marketplace.server.start()
    register = people.Register(marketplace.url)
    register.sign_in_operator(*marketplace.create_operator())
    provider = register.company(
        "Crevillent Networks", [MarketPlayerRole.DSO], typescript.url, typescript.inbound_key
    )
    typescript.environment |= {
        "MPP_MARKETPLACE_URL": marketplace.url,
        "MPP_API_KEY": provider.key,
        "MPP_SIGNING_SECRETS": provider.signing_secret,
    }
    python = PlatformProcess(folder, "examples.aggregator:Aggregator")
    requester = register.company(
        "Levante Flexibility", [MarketPlayerRole.AGGREGATOR], python.url, python.inbound_key
    )
    settings = {
        "AGGREGATOR_PODS": ",".join((*GRANTED, WITHDRAWN, *DENIED)),
        "AGGREGATOR_POINTS_PER_PAGE": str(PAGE),
    }
    typescript.start()
    python.start(marketplace.url, requester.key, requester.signing_secret, settings)
    yield World(marketplace, register, provider, requester, typescript, python, theirs)
    for stop in (typescript.stop, python.stop, marketplace.server.stop):
        stop()


def household(pod: str, file: Path) -> ReadingSeries:
    """Return the first readings of a household, a gap among them."""
    layout = CsvLayout(zone=ZoneInfo("UTC"), repeated_rows=True)
    whole = parse_csv(gzip.decompress(file.read_bytes()), PointOfDelivery(pod), layout=layout)
    kept = [*whole.readings[:700], *whole.readings[710 : READINGS + 10]]
    # The last digits must survive: they are more than a double holds.
    exact = Reading(kept[-1].start, Decimal("0.1234567890123456789"))
    return ReadingSeries(
        whole.pod, whole.direction, whole.resolution, (*kept[:-1], exact), whole.unit
    )


def write_csv(series: ReadingSeries, file: Path) -> None:
    """Write readings as the TypeScript provider reads them."""
    rows = [
        f"{format_moment(one.start)},{plain(one.quantity)}"
        for one in series.readings
        if one.quantity is not None
    ]
    file.write_text("\n".join(["start,value", *rows, ""]))


def until(what: str, condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    wait_until(what, lambda: condition() or None)


def spoken_by_clients(world: World, subscription_id: UUID) -> dict[str, object]:
    """Return what the generated clients hear from the marketplace and the platforms."""
    script = world.typescript.folder / "clients.ts"
    shutil.copy(HERE / "tests" / script.name, script)
    keys = subscription_keys(world.python, world.marketplace.url)
    done = run(
        world.typescript.folder,
        script.name,
        environment={
            "MARKET": world.marketplace.url,
            "TOKEN": world.requester.token,
            "PYTHON": world.python.url,
            "PROVIDER": world.typescript.url,
            "SUBSCRIPTION": str(subscription_id),
            "SUBSCRIPTION_KEY": keys[subscription_id],
        },
    )
    assert done.returncode == 0, done.stderr
    heard: dict[str, object] = json.loads(done.stdout)
    return heard


def test_the_platform_passes_the_set_up_test(world: World) -> None:
    test = world.provider.client.test_platform(
        world.provider.player_id, idempotency_key=str(new_id())
    )
    assert test.passed
    assert [step.outcome for step in test.steps].count(Outcome.PASSED) >= 5


def test_the_exchange_of_the_demonstration(world: World) -> None:
    operator, client = world.register.operator.client, world.requester.client
    service = people.publish(world.provider, "Validated meter data")
    agreed = people.subscribe(world.provider, world.requester, service, "PT1S")
    subscription_id = agreed.subscription_id
    until(
        "The acknowledgement by both platforms",
        lambda: client.read_subscription(subscription_id).body.state is SubscriptionState.ACTIVE,
    )
    active, denied = ("GRANTED", "ACTIVE"), ("DENIED", "")
    expected = dict.fromkeys(GRANTED, active) | dict.fromkeys(DENIED, denied)
    expected[WITHDRAWN] = active
    until("What the customers said", lambda: world.states(agreed) == expected)

    # Every reading arrives, to the last digit, and none of those who said no.
    given = (*GRANTED, WITHDRAWN)
    until("The readings", lambda: all(world.ours.count(pod) == READINGS for pod in given))
    assert {pod: world.ours.digest(pod) for pod in given} == {
        pod: world.theirs.digest(pod) for pod in given
    }
    assert world.ours.count() == READINGS * len(given)
    assert world.read(agreed, WITHDRAWN) == 200

    # Interim statuses come, and say for how many the service is active.
    def active_pods() -> set[int | None]:
        found = client.list_interim_statuses(subscription_id).items
        return {one.active_pods for one in found}

    until("An interim status", lambda: len(given) in active_pods())

    # While the platform is down after a crash, a customer withdraws and the subscription is
    # suspended: both are known everywhere once it is back.
    world.typescript.kill()
    world.typescript.withdraw(WITHDRAWN, "The customer changed supplier.")
    operator.suspend_subscription(subscription_id, ActionReason(reason="A review."))
    assert world.states(agreed)[WITHDRAWN][0] == "GRANTED"
    world.typescript.start()
    expected |= dict.fromkeys(GRANTED, ("GRANTED", "SUSPENDED"))
    expected[WITHDRAWN] = ("WITHDRAWN", "ENDED")
    until("What happened in the meantime", lambda: world.states(agreed) == expected)
    until("The suspension at the platform", lambda: world.read(agreed, GRANTED[0]) == 403)
    operator.resume_subscription(subscription_id, ActionReason(reason="The review is over."))
    expected |= dict.fromkeys(GRANTED, active)
    until("The activations after the suspension", lambda: world.states(agreed) == expected)
    until("The end of the withdrawn readings", lambda: world.ours.count(WITHDRAWN) == 0)
    assert world.read(agreed, WITHDRAWN) == 403
    assert {pod: world.ours.digest(pod) for pod in GRANTED} == {
        pod: world.theirs.digest(pod) for pod in GRANTED
    }

    until("An interim status after the restart", lambda: len(GRANTED) in active_pods())

    assert spoken_by_clients(world, subscription_id) == {
        "services": ["Validated meter data"],
        "pods": sorted(expected),
        "missing": 404,
        "strange": 401,
    }

    # Nothing flows after the end, and nothing that either side was to be told is missing.
    client.cancel_subscription(subscription_id, ActionReason(reason="The portfolio was sold."))
    expected |= dict.fromkeys(GRANTED, ("GRANTED", "ENDED"))
    until("The end of the activations", lambda: world.states(agreed) == expected)
    until("The end at the platform", lambda: world.read(agreed, GRANTED[0]) == 403)
    until(
        "The acknowledgement of every event",
        lambda: (
            {each.state for each in operator.list_deliveries(subscription_id=subscription_id).items}
            == {DeliveryState.DELIVERED}
        ),
    )
    until("The acknowledgement of every notification", lambda: world.undelivered() == [])


def test_keys_were_replaced_in_both_directions(world: World) -> None:
    connected = closing(sqlite3.connect(world.typescript.folder / "platform.db"))
    with connected as database:
        until(
            "The platform's new key",
            lambda: (
                database.execute("SELECT valid_until FROM outbound_key").fetchone()[0] is not None
            ),
        )

        def first_used() -> bool:
            # It is called with the key that the marketplace holds by now.
            world.provider.client.test_platform(
                world.provider.player_id, idempotency_key=str(new_id())
            )
            query = "SELECT count(*) FROM inbound_key WHERE first_used_at IS NOT NULL"
            return bool(database.execute(query).fetchone()[0] > 1)

        until("The first use of a key that the platform has issued", first_used)
        held = " ".join(map(str, database.execute("SELECT * FROM outbound_key").fetchall()))
    assert world.provider.key not in held

"""A local operator: it has meter readings, and gives them to whom its customers allow.

Run it with `python -m mpp_sdk serve examples.local_operator:LocalOperator`; a customer's withdrawal
is recorded with `python -m mpp_sdk consents withdraw HOUSEHOLD-C`.
"""

import gzip
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, TypeAdapter

from mpp_sdk.metering.cim import NotifyValidatedMeasureData, parse_xml, readings_of
from mpp_sdk.metering.handler import MeteringProvider
from mpp_sdk.metering.importers import CsvLayout, parse_csv, parse_s02
from mpp_sdk.metering.model import PointOfDelivery, ReadingSeries
from mpp_sdk.metering.store import MeteringStore
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.pods import SubscribedPod
from mpp_sdk.state.subscriptions import Subscription

HERE = Path(__file__).parent
CUSTOMERS = Path(os.environ.get("OPERATOR_CUSTOMERS", HERE / "customers.json"))
DATA = Path(os.environ.get("OPERATOR_DATA", HERE / "data"))
HOUSEHOLD = CsvLayout(zone=ZoneInfo("UTC"), repeated_rows=True)


class Customer(BaseModel):
    """A point of delivery, the file with its readings, and what its customer answers when asked."""

    pod: str
    readings: str
    consents: bool


class LocalOperator(MarketPlayerPlatform):
    """The operator's platform."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        customers = TypeAdapter(list[Customer]).validate_json(CUSTOMERS.read_bytes())
        self.customers = {customer.pod: customer for customer in customers}
        self.store = MeteringStore(self.engine)
        self.store.create()
        self.import_readings()
        self.serve_contract(MeteringProvider(self, self.store))

    def on_points_of_delivery_requested(
        self, subscription: Subscription, pods: Sequence[SubscribedPod]
    ) -> None:
        """Ask each customer, and activate the service where the answer is yes."""
        for pod in pods:
            customer = self.customers.get(pod.pod_id)
            if customer is None:
                self.consents.deny(subscription.id, pod.pod_id, "We do not supply this point.")
            elif not customer.consents:
                self.consents.deny(subscription.id, pod.pod_id, "The customer said no.")
            else:
                self.consents.grant(subscription.id, pod.pod_id)
                self.activations.activate(subscription.id, pod.pod_id)

    def import_readings(self) -> None:
        """Import the readings of the customers that the store does not know yet."""
        known = {pod.mrid for pod in self.store.pods()}
        for customer in self.customers.values():
            if customer.pod not in known:
                self.store.upsert(read(DATA / customer.readings, PointOfDelivery(customer.pod)))


def read(file: Path, pod: PointOfDelivery) -> Iterable[ReadingSeries]:
    """Return the readings of a point of delivery that a file holds, told by the file's name."""
    content = file.read_bytes()
    if file.suffix == ".gz":
        return [parse_csv(gzip.decompress(content), pod, layout=HOUSEHOLD)]
    if "s02" in file.name:
        found = parse_s02(content)
    else:
        document = parse_xml(content)
        assert isinstance(document, NotifyValidatedMeasureData)  # noqa: S101 - one of our own files
        found = readings_of(document.series)
    return [series for series in found if series.pod.mrid == pod.mrid]

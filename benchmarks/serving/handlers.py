"""What every server of the comparison answers: each point of delivery of the body, as REQUESTED."""

from datetime import datetime
from uuid import UUID

from mpp_sdk import clock
from mpp_sdk.contracts.metering.handler import MeteringHandler
from mpp_sdk.contracts.metering.models import (
    ActivationState,
    ConsentState,
    PointOfDeliveryPage,
    PointOfDeliveryStatus,
    PointsOfDeliveryRequest,
)
from mpp_sdk.errors import Unauthenticated
from mpp_sdk.web.call import Principal, Reply

KEY = "fxb_the-key-of-every-call-of-the-comparison"


class MeteringService(MeteringHandler):
    """Answers from memory, so that what is measured is the serving."""

    contract = "metering"

    def authenticate(self, scheme: str, credential: str) -> Principal:
        """Return the one caller that there is. Raises Unauthenticated."""
        if credential != KEY:
            raise Unauthenticated("The key is that of no subscription.")
        return Principal("requester", "The requester")

    def request_points_of_delivery(
        self, subscription_id: UUID, body: PointsOfDeliveryRequest
    ) -> PointOfDeliveryPage:
        """Return each point of delivery of the body, as REQUESTED."""
        moment = clock.now()
        return PointOfDeliveryPage(
            items=[
                PointOfDeliveryStatus(
                    pod_id=pod_id, consent=ConsentState.REQUESTED, updated_at=moment
                )
                for pod_id in body.pod_ids
            ]
        )

    def list_points_of_delivery(
        self,
        subscription_id: UUID,
        limit: int = 50,
        cursor: str | None = None,
        activation: ActivationState | None = None,
    ) -> PointOfDeliveryPage:
        """Return no points of delivery: it is not measured."""
        return PointOfDeliveryPage(items=[])

    def read_validated_measure_data(
        self,
        subscription_id: UUID,
        pod_id: str,
        start: datetime,
        end: datetime,
        max_points: int = 5000,
    ) -> Reply:
        """Return no readings: it is not measured."""
        return Reply(b"{}")

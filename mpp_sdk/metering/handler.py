"""The provider's side of the metering API: who may read which points of delivery, and the data."""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import quote, urlencode
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
from mpp_sdk.contracts.notifications.models import ActivationState as KnownActivation
from mpp_sdk.errors import InvalidInput, NotFound, Unauthenticated
from mpp_sdk.ids import new_id
from mpp_sdk.metering.cim import (
    DocumentHeader,
    MarketParticipant,
    NotifyValidatedMeasureData,
    Rendering,
    measure_series,
    render,
)
from mpp_sdk.metering.model import check_period
from mpp_sdk.metering.moments import format_moment
from mpp_sdk.metering.store import MeteringStore, Page
from mpp_sdk.state.consents import Consents
from mpp_sdk.state.pods import PointsOfDelivery, SubscribedPod
from mpp_sdk.state.subscriptions import Subscription, Subscriptions
from mpp_sdk.transactions import Transactions
from mpp_sdk.web.call import Principal, Reply, current_call

CONTRACT = "metering"

_DOCUMENT_TYPE = "E66"  # validated measure data
_PROCESS_TYPE = "E23"  # periodic metering
_METERED_DATA_RESPONSIBLE = "MDR"
_RECEIVER = "DGL"  # as Energinet's documents call who gets the data
_CURSOR = re.compile(r"(?P<activation>[A-Z]*)/(?P<pod_id>[A-Za-z0-9][A-Za-z0-9._:-]*)", re.ASCII)
_NO_CURSOR = "It is no cursor of this list with this filter."


class MeteringProviderPlatform(Protocol):
    """What the provider's side of the metering API needs of its platform."""

    transactions: Transactions
    subscriptions: Subscriptions
    points_of_delivery: PointsOfDelivery
    consents: Consents

    def on_points_of_delivery_requested(
        self, subscription: Subscription, pods: Sequence[SubscribedPod]
    ) -> None:
        """Deal with points of delivery that were asked for the first time."""


class MeteringProvider(MeteringHandler):
    """Serves the readings of a store to requesters whose customers have consented."""

    contract = CONTRACT

    def __init__(self, platform: MeteringProviderPlatform, store: MeteringStore) -> None:
        self._platform = platform
        self._store = store

    def authenticate(self, scheme: str, credential: str) -> Principal:
        """Return the requester whose subscription's key it is. Raises Unauthenticated."""
        subscription = self._platform.subscriptions.with_key(credential)
        if subscription is None:
            raise Unauthenticated("The key is that of no subscription.")
        return Principal(str(subscription.id), subscription.counterpart.name)

    def request_points_of_delivery(
        self, subscription_id: UUID, body: PointsOfDeliveryRequest
    ) -> PointOfDeliveryPage:
        """Begin the consent process of the points of delivery that are new."""
        subscription = self._own_subscription(subscription_id)
        pod_ids = sorted(set(body.pod_ids))
        with self._platform.transactions():
            new = self._platform.consents.request(subscription_id, pod_ids)
            if new:
                self._platform.on_points_of_delivery_requested(subscription, new)
            pods = self._platform.points_of_delivery.some(subscription_id, pod_ids)
        return PointOfDeliveryPage(items=[_status(pod) for pod in pods])

    def list_points_of_delivery(
        self,
        subscription_id: UUID,
        limit: int = 50,
        cursor: str | None = None,
        activation: ActivationState | None = None,
    ) -> PointOfDeliveryPage:
        """Return the points of delivery that were asked for, and how far each has come."""
        self._own_subscription(subscription_id)
        pods = self._platform.points_of_delivery.page(
            subscription_id,
            after=None if cursor is None else _decode(cursor, activation),
            limit=limit + 1,
            activation=None if activation is None else KnownActivation(activation.value),
        )
        page = pods[:limit]
        return PointOfDeliveryPage(
            items=[_status(pod) for pod in page],
            next_cursor=_encode(page[-1].pod_id, activation) if len(pods) > limit else None,
        )

    def read_validated_measure_data(
        self,
        subscription_id: UUID,
        pod_id: str,
        start: datetime,
        end: datetime,
        max_points: int = 5000,
    ) -> Reply:
        """Return the first page of the readings of a period, in the rendering that is accepted."""
        subscription = self._own_subscription(subscription_id)
        check_period(start, end, within="")
        self._platform.points_of_delivery.check_readable(subscription_id, pod_id, start, end)
        page = self._store.page(pod_id, start, end, max_points)
        rendering = Rendering(current_call().media_type)
        return Reply(
            render(_document(subscription, page), rendering),
            headers=self._next_link(subscription_id, pod_id, page, end, max_points),
            media_type=rendering,
        )

    def _own_subscription(self, subscription_id: UUID) -> Subscription:
        principal = current_call().principal
        if principal is None or principal.subject != str(subscription_id):
            raise NotFound.entity("subscription", subscription_id)
        return self._platform.subscriptions.get(subscription_id)

    @staticmethod
    def _next_link(
        subscription_id: UUID, pod_id: str, page: Page, end: datetime, max_points: int
    ) -> dict[str, str]:
        if page.next_start is None:
            return {}
        call = current_call()
        path = f"/subscriptions/{subscription_id}/validated-measure-data/{quote(pod_id, safe='')}"
        query = urlencode(
            {
                "start": format_moment(page.next_start),
                "end": format_moment(end),
                "maxPoints": max_points,
            }
        )
        return {"Link": f'<{call.contract.base_path}{path}?{query}>; rel="next"'}


def _document(subscription: Subscription, page: Page) -> NotifyValidatedMeasureData:
    document_id = str(new_id())
    return NotifyValidatedMeasureData(
        DocumentHeader(
            mrid=document_id,
            type=_DOCUMENT_TYPE,
            process_type=_PROCESS_TYPE,
            sender=_participant(
                subscription.provider.eic_code,
                subscription.provider.market_player_id,
                _METERED_DATA_RESPONSIBLE,
            ),
            receiver=_participant(
                subscription.requester.eic_code,
                subscription.requester.market_player_id,
                _RECEIVER,
            ),
            created_at=clock.now(),
            period=(page.start, page.end),
        ),
        tuple(
            measure_series(f"{document_id}-{number}", series)
            for number, series in enumerate(page.series, start=1)
        ),
    )


def _participant(eic_code: str | None, market_player_id: UUID, role: str) -> MarketParticipant:
    if eic_code is not None:
        return MarketParticipant(eic_code, "A01", role)
    return MarketParticipant(str(market_player_id), None, role)


def _status(pod: SubscribedPod) -> PointOfDeliveryStatus:
    return PointOfDeliveryStatus(
        pod_id=pod.pod_id,
        consent=None if pod.consent is None else ConsentState(pod.consent.value),
        activation=None if pod.activation is None else ActivationState(pod.activation.value),
        reason=pod.reason,
        updated_at=pod.updated_at,
    )


def _encode(pod_id: str, activation: ActivationState | None) -> str:
    """Return the cursor that goes on after a point of delivery, in the list with this filter."""
    return base64.urlsafe_b64encode(f"{activation or ''}/{pod_id}".encode()).decode()


def _decode(cursor: str, activation: ActivationState | None) -> str:
    """Return after which point of delivery a list with this filter goes on. Raises InvalidInput."""
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidInput.field("cursor", "cursor", _NO_CURSOR) from error
    found = _CURSOR.fullmatch(text)
    if found is None or found["activation"] != (activation or ""):
        raise InvalidInput.field("cursor", "cursor", _NO_CURSOR)
    return found["pod_id"]

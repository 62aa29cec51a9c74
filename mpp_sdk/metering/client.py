"""The requester's side of the metering API: set up from a subscription, with nothing copied."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from mpp_sdk.client import (
    Answer,
    ConflictProblem,
    ForbiddenProblem,
    RetryPolicy,
    UnexpectedAnswer,
)
from mpp_sdk.contracts.metering.client import MeteringClient
from mpp_sdk.contracts.metering.models import (
    ActivationState,
    PointOfDeliveryStatus,
    PointsOfDeliveryRequest,
)
from mpp_sdk.errors import Conflict, Forbidden, InvalidInput
from mpp_sdk.metering.cim import NotifyValidatedMeasureData, Rendering, parse, readings_of
from mpp_sdk.metering.model import ReadingSeries
from mpp_sdk.metering.moments import parse_moment
from mpp_sdk.metering.store import MeteringStore
from mpp_sdk.state.subscriptions import Subscription, Subscriptions
from mpp_sdk.transport import AddressPolicy

BASE_PATH = "/metering/v1"

# 401: both platforms are told of a subscription at once, so the provider may not know its key yet.
_TRANSIENT = frozenset({401, 429, 500, 502, 503, 504})
_CALL_SECONDS = 60.0  # with all tries; one that is not interrupted takes far less
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0
_PODS_AT_ONCE = 500  # the provider asks all of their customers before it answers
_PODS_PER_PAGE = 200


class DataRefused(Forbidden):
    """The provider does not, or no longer, give the readings of a point of delivery.

    The customer did not consent, has withdrawn the consent, or the subscription does not run.
    """

    title = "The provider does not give these readings"

    def __init__(self, pod_id: str, reason: str) -> None:
        super().__init__(f"{pod_id}: {reason}")
        self.pod_id = pod_id
        self.reason = reason


class RequestingPlatform(Protocol):
    """What the requester's side of the metering API needs of its platform."""

    subscriptions: Subscriptions

    @property
    def address_policy(self) -> AddressPolicy:
        """Return which addresses may be called."""


class MeteringRequester:
    """Asks a provider for points of delivery and their readings, under one subscription.

    A call that meets a passing failure, or a provider that has not heard of the subscription yet
    (401), is tried up to `attempts` times in all. Everything raises TransportError when the
    provider does not answer and ProblemError when it refuses otherwise.
    """

    def __init__(
        self, platform: RequestingPlatform, subscription: Subscription, *, attempts: int = 5
    ) -> None:
        self.subscription = subscription
        self._client = MeteringClient(
            subscription.base_url.rstrip("/") + BASE_PATH,
            auth=lambda: {"X-API-Key": platform.subscriptions.key_for(subscription.id)},
            addresses=platform.address_policy,
            timeout_s=_CALL_SECONDS,
            retries=RetryPolicy(
                attempts, _FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, statuses=_TRANSIENT
            ),
        )

    def request(self, pod_ids: Sequence[str]) -> Sequence[PointOfDeliveryStatus]:
        """Ask for data of points of delivery, and return how far each has come.

        Asking again is harmless: no customer is asked twice. Raises Conflict when the subscription
        does not run at the provider's.
        """
        unique = list(dict.fromkeys(pod_ids))
        found: list[PointOfDeliveryStatus] = []
        for start in range(0, len(unique), _PODS_AT_ONCE):
            body = PointsOfDeliveryRequest(pod_ids=unique[start : start + _PODS_AT_ONCE])
            try:
                page = self._client.request_points_of_delivery(self.subscription.id, body)
            except ConflictProblem as error:
                raise Conflict(error.problem.detail) from error
            found.extend(page.items)
        return found

    def points_of_delivery(
        self, activation: ActivationState | None = None
    ) -> Iterator[PointOfDeliveryStatus]:
        """Yield the points of delivery that were asked for, following the pages."""
        return self._client.iter_points_of_delivery(
            self.subscription.id, page_size=_PODS_PER_PAGE, activation=activation
        )

    def documents(
        self,
        pod_id: str,
        start: datetime,
        end: datetime,
        *,
        max_points: int = 5000,
        rendering: Rendering = Rendering.JSON,
    ) -> Iterator[NotifyValidatedMeasureData]:
        """Yield the documents that together tell the readings in [start, end), page by page.

        Raises DataRefused as soon as the provider refuses, which may be after some documents: a
        customer's withdrawal works from the next page on. Raises UnexpectedAnswer for what is no
        such document.
        """
        begin: datetime | None = start
        while begin is not None:
            answer = self._page(pod_id, begin, end, max_points, rendering)
            yield _document(answer)
            begin = _next_start(answer, begin, end)

    def fetch(self, pod_id: str, start: datetime, end: datetime, store: MeteringStore) -> int:
        """Store the readings in [start, end), and return how many there were.

        Raises DataRefused; the pages before it are stored already.
        """
        count = 0
        for document in self.documents(pod_id, start, end):
            count += store.upsert(series_of(document), validated_at=document.header.created_at)
        return count

    def _page(
        self, pod_id: str, start: datetime, end: datetime, max_points: int, rendering: Rendering
    ) -> Answer[bytes]:
        try:
            return self._client.read_validated_measure_data(
                self.subscription.id,
                pod_id,
                start,
                end,
                max_points=max_points,
                accept=rendering,
            )
        except ForbiddenProblem as error:
            raise DataRefused(pod_id, error.problem.detail) from error


def series_of(document: NotifyValidatedMeasureData) -> tuple[ReadingSeries, ...]:
    """Return the readings that a document tells, one series for each meter and direction."""
    return readings_of(document.series)


def _document(answer: Answer[bytes]) -> NotifyValidatedMeasureData:
    try:
        document = parse(answer.body, Rendering(answer.media_type))
    except (ValueError, InvalidInput) as error:
        raise UnexpectedAnswer(
            f"The answer ({answer.media_type}) is no document: {error}"
        ) from error
    if not isinstance(document, NotifyValidatedMeasureData):
        raise UnexpectedAnswer(
            f"The answer is a {type(document).__name__}, not what was asked for."
        )
    return document


def _next_start(answer: Answer[bytes], begin: datetime, end: datetime) -> datetime | None:
    """Return where the next page begins; of the link only its start is used, never its address."""
    if answer.next_link is None:
        return None
    [start] = parse_qs(urlsplit(answer.next_link).query).get("start", [""])
    try:
        next_start = parse_moment(start)
    except ValueError as error:
        raise UnexpectedAnswer(f"The link to the next page has no start: {error}") from error
    if not begin < next_start < end:
        raise UnexpectedAnswer("The link to the next page does not lead on.")
    return next_start

"""The offering party's side of the exchange: set up from a subscription, with nothing copied."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

import numpy as np

from mpp_sdk.client import ConflictProblem, NotFoundProblem, RetryPolicy
from mpp_sdk.contracts.flexoffer import models
from mpp_sdk.contracts.flexoffer.client import FlexofferClient
from mpp_sdk.errors import Conflict, FieldError, NotFound
from mpp_sdk.flexoffer.documents import Json, document_of, duration_of, kwh, offer_of, schedule_of
from mpp_sdk.flexoffer.exchange.agreements import contract_of
from mpp_sdk.flexoffer.exchange.following import BASE_PATH
from mpp_sdk.flexoffer.lifecycle import FlexOfferState
from mpp_sdk.flexoffer.model import FlexOffer, Schedule
from mpp_sdk.flexoffer.terms import FlexibilityContract
from mpp_sdk.flexoffer.timeseries import TimeSeries
from mpp_sdk.model import Model
from mpp_sdk.state.subscriptions import Subscription, Subscriptions
from mpp_sdk.transport import AddressPolicy

# 401: both platforms are told of a subscription at once, so the receiver may not know its key yet.
_TRANSIENT = frozenset({401, 429, 500, 502, 503, 504})
_CALL_SECONDS = 60.0
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0
_AT_ONCE = 10_000
_BODY_BYTES = 12 * 1024 * 1024  # well within the 16 MiB that a receiver reads
_PER_PAGE = 200
_WH_PER_KWH = 1_000.0


class OfferingPlatform(Protocol):
    """What the offering party's side of the exchange needs of its platform."""

    subscriptions: Subscriptions

    @property
    def address_policy(self) -> AddressPolicy:
        """Return which addresses may be called."""


@dataclass(frozen=True)
class Offered:
    """What became of a flex-offer that was sent: as it is known now, or what is wrong with it."""

    offer: FlexOffer
    state: FlexOfferState | None
    reason: str | None = None
    errors: tuple[FieldError, ...] = ()

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.state is not None


@dataclass(frozen=True)
class OwnFlexOffer:
    """A flex-offer of one's own, as the receiver has it. update counts its schedules."""

    offer: FlexOffer
    state: FlexOfferState
    reason: str | None
    schedule: Schedule | None
    update: int
    offered_at: datetime
    updated_at: datetime
    replaces: UUID | None
    replaced_by: UUID | None
    history: tuple[models.FlexOfferEvent, ...]

    @property
    def id(self) -> UUID:
        """The id that the receiver gave it."""
        return self.offer.id


class FlexOfferRequester:
    """Offers flexibility to a receiver, under one subscription.

    A call that meets a passing failure, or a receiver that has not heard of the subscription yet
    (401), is tried up to `attempts` times in all; what it does is done once. Everything raises
    TransportError when the receiver does not answer and ProblemError when it refuses otherwise.
    `FlexOfferFollower` tells what becomes of what was offered.
    """

    def __init__(
        self, platform: OfferingPlatform, subscription: Subscription, *, attempts: int = 5
    ) -> None:
        self.subscription = subscription
        self.client = FlexofferClient(
            subscription.base_url.rstrip("/") + BASE_PATH,
            auth=lambda: {"X-API-Key": platform.subscriptions.key_for(subscription.id)},
            addresses=platform.address_policy,
            timeout_s=_CALL_SECONDS,
            retries=RetryPolicy(
                attempts, _FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, statuses=_TRANSIENT
            ),
        )

    def offer(self, offers: Sequence[FlexOffer]) -> list[Offered]:
        """Offer flexibility; return for each what became of it, with the id that it was given.

        Many are sent in several calls, each of which may fail. Raises Conflict when the
        subscription does not run at the receiver's.
        """
        found: list[Offered] = []
        for some in _batches(offers):
            body = models.FlexOffersToOffer.model_validate([document for _, document in some])
            try:
                results = self.client.offer(body).items
            except ConflictProblem as error:
                raise Conflict(error.problem.detail) from error
            found += (
                _offered(offer, result) for (offer, _), result in zip(some, results, strict=True)
            )
        return found

    def active(self) -> Iterator[OwnFlexOffer]:
        """Yield the flex-offers that are not settled and have not ended otherwise."""
        return map(_own, self.client.iter_flex_offers(page_size=_PER_PAGE))

    def past(self, start: datetime, end: datetime) -> Iterator[OwnFlexOffer]:
        """Yield all flex-offers that were offered or changed in a period."""
        return map(_own, self.client.iter_past_flex_offers(start, end, page_size=_PER_PAGE))

    def read(self, flex_offer_id: UUID) -> OwnFlexOffer:
        """Return a flex-offer with its history. Raises NotFound."""
        with _refusals():
            return _own(self.client.read_flex_offer(flex_offer_id))

    def replace(self, flex_offer_id: UUID, offer: FlexOffer) -> OwnFlexOffer:
        """Offer something else in the place of a flex-offer; return it, with its own id.

        Raises NotFound, and Conflict once the old one executes or has ended.
        """
        with _refusals():
            body = models.FlexOfferDraft.model_validate(document_of(offer))
            return _own(self.client.replace_flex_offer(flex_offer_id, body))

    def delete(self, flex_offer_id: UUID) -> OwnFlexOffer:
        """Take a flex-offer back. Raises NotFound, and Conflict once it executes or has ended."""
        with _refusals():
            return _own(self.client.delete_flex_offer(flex_offer_id))

    def measure(
        self, flex_offer_id: UUID, start: datetime, energies: Sequence[int]
    ) -> models.MeasurementResult:
        """Tell what the load of a flex-offer used, in Wh of each interval from start on."""
        measurement = models.Measurement(
            flex_offer_id=flex_offer_id, start=start, energies=[kwh(one) for one in energies]
        )
        [result] = self.measure_all([measurement])
        return result

    def measure_all(
        self, measurements: Sequence[models.Measurement]
    ) -> list[models.MeasurementResult]:
        """Tell what the loads of many flex-offers used; return what became of each."""
        found: list[models.MeasurementResult] = []
        for first in range(0, len(measurements), _AT_ONCE):
            body = models.MeasurementBatch(
                measurements=list(measurements[first : first + _AT_ONCE])
            )
            found += self.client.submit_measurements(body).items
        return found

    def contract(self) -> FlexibilityContract:
        """Return the flexibility contract. Raises NotFound when there is none."""
        with _refusals():
            return contract_of(self.client.read_contract())

    def bill(self, start: datetime, end: datetime) -> models.Bill:
        """Return the bill of a period. Raises NotFound when there is no contract."""
        with _refusals():
            return self.client.read_bill(start, end)

    def measured(self, start: datetime, end: datetime) -> TimeSeries:
        """Return what was measured in a period, summed over the flex-offers, in 15 min."""
        return _series(self.client.read_measurement_series(start, end))

    def baseline(self, start: datetime, end: datetime) -> TimeSeries:
        """Return what would have been done without schedules, as `measured` does."""
        return _series(self.client.read_baseline_series(start, end))

    def scheduled(self, start: datetime, end: datetime) -> TimeSeries:
        """Return what was scheduled, as `measured` does."""
        return _series(self.client.read_schedule_series(start, end))

    def key_figures(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> models.KeyFigures:
        """Return the key figures of a period, or of today."""
        return self.client.read_kpis(start=start, end=end)


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise what the receiver refuses because of the present state as an error of our own."""
    try:
        yield
    except NotFoundProblem as error:
        raise NotFound(error.problem.detail) from error
    except ConflictProblem as error:
        raise Conflict(error.problem.detail) from error


def _batches(offers: Sequence[FlexOffer]) -> Iterator[list[tuple[FlexOffer, Json]]]:
    """Yield flex-offers with their documents, as many as one body can have."""
    batch: list[tuple[FlexOffer, Json]] = []
    size = 0
    for offer in offers:
        document = document_of(offer)
        length = len(json.dumps(document))
        if batch and (len(batch) == _AT_ONCE or size + length > _BODY_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((offer, document))
        size += length
    if batch:
        yield batch


def _offered(offer: FlexOffer, result: models.FlexOfferResult) -> Offered:
    if result.id is None:
        return Offered(
            offer,
            None,
            errors=tuple(
                FieldError(one.pointer, one.rule, one.detail) for one in result.errors or ()
            ),
        )
    return Offered(replace(offer, id=result.id), result.state, result.reason)


def _own(record: models.FlexOfferRecord) -> OwnFlexOffer:
    schedule = record.schedule
    return OwnFlexOffer(
        offer=offer_of(_document(record.offer), record.id),
        state=record.state,
        reason=record.reason,
        schedule=None if schedule is None else schedule_of(_document(schedule)),
        update=0 if schedule is None else schedule.update,
        offered_at=record.offered_at,
        updated_at=record.updated_at,
        replaces=record.replaces,
        replaced_by=record.replaced_by,
        history=tuple(record.history or ()),
    )


def _series(told: models.EnergySeries) -> TimeSeries:
    return TimeSeries(
        told.start, duration_of(told.interval), np.array(told.energies, dtype=float) * _WH_PER_KWH
    )


def _document(model: Model) -> Json:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)

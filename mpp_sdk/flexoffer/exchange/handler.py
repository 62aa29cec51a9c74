"""The receiving party's side of the flex-offer exchange: what it serves, and what it decides."""

import base64
import binascii
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from mpp_sdk import clock
from mpp_sdk.contracts.flexoffer import models
from mpp_sdk.contracts.flexoffer.handler import FlexofferHandler
from mpp_sdk.errors import Conflict, FieldError, InvalidInput, NotFound, Unauthenticated
from mpp_sdk.flexoffer import lifecycle
from mpp_sdk.flexoffer.billing import Bill
from mpp_sdk.flexoffer.documents import Json, offer_of
from mpp_sdk.flexoffer.exchange import agreements, figures
from mpp_sdk.flexoffer.exchange.agreements import Contracts
from mpp_sdk.flexoffer.exchange.measurements import Measured, Measurements, Recorded
from mpp_sdk.flexoffer.exchange.store import FlexOfferStore, ReceivedFlexOffer
from mpp_sdk.flexoffer.exchange.stream import FlexOfferStreams
from mpp_sdk.flexoffer.lifecycle import FlexOfferState
from mpp_sdk.flexoffer.model import FlexOffer, Schedule
from mpp_sdk.flexoffer.rules import check_deadlines, refuse
from mpp_sdk.flexoffer.solvable import check_solvable
from mpp_sdk.flexoffer.terms import FlexibilityContract
from mpp_sdk.flexoffer.two_mode import expanded
from mpp_sdk.jobs import Job
from mpp_sdk.state.subscriptions import Subscription, Subscriptions
from mpp_sdk.transactions import Transactions
from mpp_sdk.web.call import Principal, Reply, current_call
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.validation import Validators

CONTRACT = "flexoffer"

MOST_AT_ONCE = 10_000
BODY_LIMIT = 16 * 1024 * 1024
"""How many bytes a body with many flex-offers may have."""

_SOLVING_SECONDS = 20.0
_HOUSEKEEPING = timedelta(seconds=1)
_DAY = timedelta(days=1)
_CURSOR = re.compile(r"(?P<list>[^|]*)\|(?P<id>[0-9a-f]{32})", re.ASCII)
_FIGURED = (*lifecycle.ACTIVE, FlexOfferState.SETTLED)
_WITH_BASELINE = (*_FIGURED, FlexOfferState.EXPIRED)


class ReceivingPlatform(Protocol):
    """What the receiving party's side of the exchange needs of its platform."""

    transactions: Transactions
    subscriptions: Subscriptions

    def every(self, interval: timedelta, function: Any) -> Job:
        """Have a function run at an interval while the platform is served."""

    def serve_contract(self, service: Any, *, body_limit: int) -> None:
        """Serve a further contract."""


@dataclass(frozen=True)
class _Taken:
    """A flex-offer that can be taken, with the document that it was read from."""

    offer: FlexOffer
    document: Json


class _Solving:
    """Finds out what nothing can meet, for as long as one call may take."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def check(self, offer: FlexOffer) -> None:
        """Raise InvalidInput when nothing can meet a profile, or there is no time to find out."""
        if self._seconds > _SOLVING_SECONDS:
            detail = "There was no time to find out whether it can be met: offer fewer at once."
            raise InvalidInput.field("/profiles", "undecided", detail)
        begun = time.monotonic()
        check_solvable(offer)
        self._seconds += time.monotonic() - begun


class FlexOfferReceiver(FlexofferHandler):
    """Receives flex-offers: serves the contract, and lets the company's own code decide.

    Making one serves it at the platform and keeps the deadlines while the platform runs. A subclass
    overrides `on_...`. tolerance is the portion of its energy by which a schedule may be missed;
    measurements are waited for until measured_within after the end of a schedule.
    """

    contract = CONTRACT

    def __init__(
        self,
        platform: ReceivingPlatform,
        *,
        tolerance: float = lifecycle.DELIVERY_TOLERANCE,
        measured_within: timedelta = lifecycle.MEASURED_WITHIN,
    ) -> None:
        self._platform = platform
        self._transactions = platform.transactions
        self.store = FlexOfferStore(platform.transactions, measured_within=measured_within)
        self.store.create()
        self.measurements = Measurements(platform.transactions, self.store, tolerance)
        self.contracts = Contracts(platform.transactions, tolerance)
        self.streams = FlexOfferStreams(self.store)
        self.store.on_events = self.streams.wake
        self._drafts = Validators(Contract.load(CONTRACT)).compile_errors(
            {"$ref": "#/components/schemas/FlexOfferDraft"}
        )
        platform.serve_contract(self, body_limit=BODY_LIMIT)
        platform.every(_HOUSEKEEPING, self.keep_deadlines)

    # ---- for the company to override

    def on_offered(self, subscription: Subscription, ids: Sequence[UUID]) -> None:
        """Deal with new flex-offers, in the transaction that keeps them.

        They may be accepted or rejected right here, which their offerer is then answered. Work that
        takes longer belongs in a job of the platform.
        """

    # ---- for the company to call

    def offers(
        self,
        subscription_id: UUID | None = None,
        states: Collection[FlexOfferState] = lifecycle.ACTIVE,
    ) -> Iterator[ReceivedFlexOffer]:
        """Yield flex-offers of all subscriptions, or of one, in the order in which they came."""
        return self.store.some(subscription_id, states=states)

    def accept(self, ids: Collection[UUID]) -> None:
        """Accept flex-offers, all or none. Raises NotFound, IllegalTransition."""
        self.store.accept(ids, clock.now())

    def reject(self, ids: Collection[UUID], reason: str) -> None:
        """Reject flex-offers, all or none. Raises NotFound, IllegalTransition."""
        self.store.reject(ids, reason, clock.now())

    def assign(self, schedules: Mapping[UUID, Schedule]) -> None:
        """Give accepted flex-offers their schedules, or newer ones before they begin; all or none.

        Raises NotFound, IllegalTransition, and InvalidInput for schedules that are not feasible:
        each field with a pointer that begins with the id of the flex-offer.
        """
        self.store.assign(schedules, clock.now())

    def settle(self, ids: Collection[UUID]) -> None:
        """Note that flex-offers are paid for; from then on their measurements stand.

        Raises NotFound, IllegalTransition.
        """
        self.store.settle(ids, clock.now())

    def set_contract(self, subscription_id: UUID, contract: FlexibilityContract) -> None:
        """Have a flexibility contract hold for a subscription, in the place of the one before.

        Raises NotFound for a subscription that there is not.
        """
        self._platform.subscriptions.get(subscription_id)
        self.contracts.set(subscription_id, contract, clock.now())

    def bill(self, subscription_id: UUID, start: datetime, end: datetime) -> Bill:
        """Return the bill of a subscription for the flex-offers that begin in a period.

        Raises NotFound when there is no contract, and InvalidInput for a period that it does not
        cover.
        """
        figures.check_period(start, end, ("start", "end"))
        contract = self.contracts.get(subscription_id)
        received = self._running(subscription_id, start, end, _WITH_BASELINE)
        readings = self.measurements.of_many([one.id for one in received])
        return agreements.bill(contract, received, readings, start, end)

    def keep_deadlines(self) -> None:
        """Move on all flex-offers that time has come for. It runs by itself, every second."""
        self.store.advance(clock.now())

    # ---- what is served

    def authenticate(self, scheme: str, credential: str) -> Principal:
        """Return the offering party whose subscription's key it is. Raises Unauthenticated."""
        subscription = self._platform.subscriptions.with_key(credential)
        if subscription is None or subscription.contract != CONTRACT:
            raise Unauthenticated("The key is that of no subscription to flex-offers.")
        return Principal(str(subscription.id), subscription.counterpart.name)

    def read_contract(self) -> models.FlexibilityContract:
        """Return the flexibility contract of the subscription."""
        return self.contracts.document(_subscription_id())

    def read_bill(self, start: datetime, end: datetime) -> models.Bill:
        """Return the bill of a period."""
        return agreements.bill_document(self.bill(_subscription_id(), start, end))

    def offer(self, body: Any) -> models.FlexOfferResults:
        """Keep the flex-offers that are right, and tell of the others what is wrong."""
        many = body if isinstance(body, list) else [body]
        if not 1 <= len(many) <= MOST_AT_ONCE:
            raise InvalidInput.field("", "maxItems", f"It must be 1 to {MOST_AT_ONCE} flex-offers.")
        now = clock.now()
        solving = _Solving()
        read = [self._read(document, now, solving) for document in many]
        if not isinstance(body, list) and not isinstance(read[0], _Taken):
            refuse(read[0])
        taken = [one for one in read if isinstance(one, _Taken)]
        with self._transactions():
            self._take(self._running_subscription(), taken, now)
            outcome = self.store.states_of([one.offer.id for one in taken])
        return models.FlexOfferResults(
            items=[
                _result(one.offer.id, *outcome[one.offer.id])
                if isinstance(one, _Taken)
                else models.FlexOfferResult(errors=_broken(one))
                for one in read
            ]
        )

    def list_flex_offers(self, limit: int = 50, cursor: str | None = None) -> models.FlexOfferPage:
        """Return the active flex-offers of the subscription."""
        found = self.store.some(
            _subscription_id(), after=_decode(cursor, "active"), limit=limit + 1
        )
        return _page(list(found), limit, "active")

    def list_past_flex_offers(
        self, from_: datetime, to: datetime, limit: int = 50, cursor: str | None = None
    ) -> models.FlexOfferPage:
        """Return the flex-offers of the subscription that were offered or changed in a period."""
        figures.check_period(from_, to, ("from", "to"))
        listed = f"{from_.timestamp()}:{to.timestamp()}"
        found = self.store.some(
            _subscription_id(),
            states=tuple(FlexOfferState),
            changed=(from_, to),
            after=_decode(cursor, listed),
            limit=limit + 1,
        )
        return _page(list(found), limit, listed)

    def read_flex_offer(self, id: UUID) -> models.FlexOfferRecord:  # noqa: A002 (as in the path)
        """Return a flex-offer of the subscription, with its history."""
        received = self.store.get(_subscription_id(), id)
        history = [
            models.FlexOfferEvent.model_validate(change.document())
            for change in self.store.history(id)
        ]
        return _record(received).model_copy(update={"history": history})

    def replace_flex_offer(
        self,
        id: UUID,  # noqa: A002 (as in the path)
        body: models.FlexOfferDraft,
    ) -> models.FlexOfferRecord:
        """Keep a flex-offer in the place of another."""
        now = clock.now()
        document = body.model_dump(mode="json", by_alias=True, exclude_none=True)
        read = self._read(document, now, _Solving())
        if not isinstance(read, _Taken):
            refuse(read)
            raise AssertionError("What is refused was wrong")
        with self._transactions():
            subscription = self._running_subscription()
            self.store.replace(subscription.id, id, read.offer, read.document, now)
            self.on_offered(subscription, [read.offer.id])
            return _record(self.store.get(subscription.id, read.offer.id))

    def delete_flex_offer(self, id: UUID) -> models.FlexOfferRecord:  # noqa: A002 (as in the path)
        """Note that a flex-offer is taken back."""
        with self._transactions():
            self.store.delete(_subscription_id(), id, clock.now())
            return _record(self.store.get(_subscription_id(), id))

    def stream_flex_offers(self, last_event_id: str | None = None) -> Reply:
        """Return the stream of what happens to the subscription's flex-offers."""
        return self.streams.open(_subscription_id(), last_event_id)

    def submit_measurements(self, body: models.MeasurementBatch) -> models.MeasurementResults:
        """Record what was measured."""
        measured = [
            Measured(one.flex_offer_id, one.start, one.energies) for one in body.measurements
        ]
        recorded = self.measurements.record(_subscription_id(), measured, clock.now())
        return models.MeasurementResults(items=[_recorded(one) for one in recorded])

    def read_measurement_series(self, from_: datetime, to: datetime) -> models.EnergySeries:
        """Return the sum of what was measured."""
        figures.check_period(from_, to, ("from", "to"))
        sums, count = self.measurements.sums(_subscription_id(), from_, to)
        return figures.series_document(figures.on_one_grid(sums, from_, to), count)

    def read_baseline_series(self, from_: datetime, to: datetime) -> models.EnergySeries:
        """Return the sum of the defaults."""
        figures.check_period(from_, to, ("from", "to"))
        received = self._running(_subscription_id(), from_, to, _WITH_BASELINE)
        return figures.series_document(figures.baseline(received, from_, to), len(received))

    def read_schedule_series(self, from_: datetime, to: datetime) -> models.EnergySeries:
        """Return the sum of the schedules."""
        figures.check_period(from_, to, ("from", "to"))
        received = [
            one
            for one in self._running(_subscription_id(), from_, to, _FIGURED)
            if one.schedule is not None
        ]
        return figures.series_document(figures.scheduled(received, from_, to), len(received))

    def read_kpis(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> models.KeyFigures:
        """Return the key figures of a period."""
        if start is None:
            start = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        end = start + _DAY if end is None else end
        figures.check_period(start, end, ("start", "end"))
        subscription_id = _subscription_id()
        received = self._running(subscription_id, start, end, _FIGURED)
        readings = self.measurements.of_many([one.id for one in received])
        return figures.key_figures(
            received, readings, start, end, self._bill_if_any(subscription_id, start, end)
        )

    # ---- inside

    def _read(
        self, document: object, now: datetime, solving: "_Solving"
    ) -> _Taken | Sequence[FieldError]:
        """Return a flex-offer that can be taken, or all that is wrong with it."""
        errors = self._drafts(document)
        if errors or not isinstance(document, dict):
            return errors
        try:
            offer = expanded(offer_of(document))
            check_deadlines(offer, now)
            solving.check(offer)
        except InvalidInput as error:
            return error.errors
        return _Taken(offer, document)

    def _take(self, subscription: Subscription, taken: Sequence[_Taken], now: datetime) -> None:
        self.store.add(subscription.id, [(one.offer, one.document) for one in taken], now)
        if taken:
            self.on_offered(subscription, [one.offer.id for one in taken])

    def _running_subscription(self) -> Subscription:
        """Return the caller's subscription. Raises Conflict unless it is ACTIVE and valid now."""
        subscription = self._platform.subscriptions.get(_subscription_id())
        if not subscription.is_running():
            raise Conflict(
                f"The subscription is {subscription.state}, or not in its agreed period."
            )
        return subscription

    def _running(
        self,
        subscription_id: UUID,
        start: datetime,
        end: datetime,
        states: Collection[FlexOfferState],
    ) -> list[ReceivedFlexOffer]:
        return list(self.store.some(subscription_id, states=states, running=(start, end)))

    def _bill_if_any(self, subscription_id: UUID, start: datetime, end: datetime) -> Bill | None:
        try:
            return self.bill(subscription_id, start, end)
        except (NotFound, InvalidInput):
            return None  # no contract, or one of another time: then there are no earnings


def _subscription_id() -> UUID:
    principal = current_call().principal
    if principal is None:
        raise Unauthenticated("Present the key of a subscription.")
    return UUID(principal.subject)


def _result(
    flex_offer_id: UUID, state: FlexOfferState, reason: str | None
) -> models.FlexOfferResult:
    return models.FlexOfferResult(id=flex_offer_id, state=state, reason=reason)


def _recorded(one: Recorded) -> models.MeasurementResult:
    if one.errors:
        return models.MeasurementResult(flex_offer_id=one.flex_offer_id, errors=_broken(one.errors))
    return models.MeasurementResult(
        flex_offer_id=one.flex_offer_id, recorded=one.new, corrected=one.corrected
    )


def _broken(errors: Sequence[FieldError]) -> list[models.BrokenRule]:
    return [
        models.BrokenRule(pointer=one.pointer, rule=one.rule, detail=one.detail) for one in errors
    ]


def _record(received: ReceivedFlexOffer) -> models.FlexOfferRecord:
    return models.FlexOfferRecord.model_validate(
        {
            "id": received.id,
            "state": received.state,
            "reason": received.reason,
            "offer": received.document,
            "schedule": received.schedule_document,
            "offeredAt": received.offered_at,
            "updatedAt": received.updated_at,
            "replaces": received.replaces,
            "replacedBy": received.replaced_by,
        }
    )


def _page(found: Sequence[ReceivedFlexOffer], limit: int, listed: str) -> models.FlexOfferPage:
    page = found[:limit]
    return models.FlexOfferPage(
        items=[_record(one) for one in page],
        next_cursor=_encode(page[-1].id, listed) if len(found) > limit else None,
    )


def _encode(flex_offer_id: UUID, listed: str) -> str:
    """Return the cursor that goes on after a flex-offer, in the list that is named."""
    return base64.urlsafe_b64encode(f"{listed}|{flex_offer_id.hex}".encode()).decode()


def _decode(cursor: str | None, listed: str) -> UUID | None:
    """Return after which flex-offer the list that is named goes on. Raises InvalidInput."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    found = _CURSOR.fullmatch(text)
    if found is None or found["list"] != listed:
        raise InvalidInput.field("cursor", "cursor", "It is no cursor of this list.")
    return UUID(found["id"])

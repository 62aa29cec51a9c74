"""What the loads of flex-offers used in fact: kept once, corrected with a trace, and summed up."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.flexoffer import lifecycle
from mpp_sdk.flexoffer.documents import energies_of
from mpp_sdk.flexoffer.exchange.store import FlexOfferStore, ReceivedFlexOffer
from mpp_sdk.flexoffer.exchange.tables import CORRECTIONS, MEASUREMENTS, OFFERS
from mpp_sdk.flexoffer.lifecycle import CARRIED_OUT, FlexOfferState
from mpp_sdk.flexoffer.model import Schedule
from mpp_sdk.flexoffer.timeseries import TimeSeries
from mpp_sdk.ids import new_id
from mpp_sdk.transactions import Transactions

_AT_ONCE = 500
_MEASURABLE = (FlexOfferState.EXECUTING, FlexOfferState.EXECUTED, FlexOfferState.FAILED)


@dataclass(frozen=True)
class Measured:
    """The energies, in kWh, of intervals in a row of a flex-offer's load."""

    flex_offer_id: UUID
    start: datetime
    energies: Sequence[float]


@dataclass(frozen=True)
class Recorded:
    """What became of a measurement: how many intervals were new, and how many were corrected."""

    flex_offer_id: UUID
    new: int = 0
    corrected: int = 0
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True)
class Correction:
    """A value, in Wh, that another one has replaced."""

    start: datetime
    energy: int
    recorded_at: datetime
    corrected_at: datetime


class Measurements:
    """Records measurements, and says when they are complete whether the schedule was kept to."""

    def __init__(self, transactions: Transactions, store: FlexOfferStore, tolerance: float) -> None:
        self._transactions = transactions
        self._store = store
        self._tolerance = tolerance

    def record(
        self, subscription_id: UUID, measured: Sequence[Measured], now: datetime
    ) -> list[Recorded]:
        """Record measurements of a subscription's flex-offers; return one result for each.

        One that is wrong is told with its errors, and loses none of the others.
        """
        ids = [one.flex_offer_id for one in measured]
        with self._transactions() as session:
            found = self._store.lock_of(session, subscription_id, ids)
            known = self._known(session, found)
            results = []
            for one in measured:
                received = found.get(one.flex_offer_id)
                if received is None:
                    results.append(_unknown(one))
                    continue
                received = self._store.catch_up(session, received, now)
                try:
                    energies = _checked(received, one, now)
                except InvalidInput as error:
                    results.append(Recorded(one.flex_offer_id, errors=error.errors))
                    continue
                finally:
                    found[received.id] = received
                values = known.setdefault(received.id, {})
                results.append(_record(session, received, one.start, energies, values, now))
                found[received.id] = self._judge(session, received, values, now)
            return results

    def of(self, flex_offer_id: UUID) -> dict[datetime, int]:
        """Return what was measured of a flex-offer, in Wh, by the start of each interval."""
        with self._transactions.reading() as session:
            return self._known(session, [flex_offer_id]).get(flex_offer_id, {})

    def of_many(self, ids: Collection[UUID]) -> dict[UUID, dict[datetime, int]]:
        """Return the same of many flex-offers, of those that have any."""
        with self._transactions.reading() as session:
            return self._known(session, ids)

    def corrections(self, flex_offer_id: UUID) -> list[Correction]:
        """Return the values that others have replaced, in the order in which they were."""
        table = CORRECTIONS.c
        query = select(table.start, table.energy_wh, table.recorded_at, table.corrected_at)
        query = query.where(table.flex_offer_id == flex_offer_id).order_by(table.id)
        with self._transactions.reading() as session:
            return [Correction(*row) for row in session.execute(query)]

    def sums(
        self, subscription_id: UUID, start: datetime, end: datetime
    ) -> tuple[list[TimeSeries], int]:
        """Return the sums of what was measured, a series for each length of interval.

        And over how many flex-offers. Intervals that touch the period are in it.
        """
        table = MEASUREMENTS.c
        joined = MEASUREMENTS.join(OFFERS, OFFERS.c.id == table.flex_offer_id)
        longest = timedelta(days=1)
        within = (
            OFFERS.c.subscription_id == subscription_id,
            table.start > start - longest,
            table.start < end,
        )
        sums = (
            select(OFFERS.c.interval_s, table.start, func.sum(table.energy_wh))
            .select_from(joined)
            .where(*within)
            .group_by(OFFERS.c.interval_s, table.start)
        )
        counted = (
            select(func.count(table.flex_offer_id.distinct())).select_from(joined).where(*within)
        )
        by_length: dict[timedelta, dict[datetime, float | None]] = {}
        with self._transactions.reading() as session:
            for seconds, begin, energy in session.execute(sums):
                by_length.setdefault(timedelta(seconds=seconds), {})[begin] = float(energy)
            count = session.execute(counted).scalar_one()
        return [TimeSeries.of(values, length) for length, values in by_length.items()], count

    def _known(self, session: Session, ids: Collection[UUID]) -> dict[UUID, dict[datetime, int]]:
        table = MEASUREMENTS.c
        query = select(table.flex_offer_id, table.start, table.energy_wh).order_by(table.start)
        known: dict[UUID, dict[datetime, int]] = {}
        wanted = sorted(ids)
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            for identity, start, energy in session.execute(
                query.where(table.flex_offer_id.in_(some))
            ):
                known.setdefault(identity, {})[start] = energy
        return known

    def _judge(
        self,
        session: Session,
        received: ReceivedFlexOffer,
        values: dict[datetime, int],
        now: datetime,
    ) -> ReceivedFlexOffer:
        schedule = received.schedule
        if schedule is None:
            return received
        measured = [values.get(moment) for moment in _moments(received, schedule)]
        complete = [energy for energy in measured if energy is not None]
        if len(complete) < len(measured):
            return received
        found = lifecycle.verdict(received.offer, schedule, complete, self._tolerance)
        return self._store.judge(session, received, found, now)


def _unknown(one: Measured) -> Recorded:
    detail = f"There is no flex-offer {one.flex_offer_id} that you may see."
    return Recorded(one.flex_offer_id, errors=(FieldError("/flexOfferId", "known", detail),))


def _checked(received: ReceivedFlexOffer, one: Measured, now: datetime) -> Sequence[int]:
    """Return the energies in Wh. Raises InvalidInput."""
    schedule = received.schedule
    if schedule is None or received.state not in _MEASURABLE:
        what = "is SETTLED" if received.state in CARRIED_OUT else f"is {received.state}"
        raise InvalidInput.field("/flexOfferId", "state", f"It {what}, and takes no measurements.")
    offer = received.offer
    if offer.round_down(one.start) != one.start:
        raise InvalidInput.field(
            "/start", "onTheGrid", "It must lie on the grid of the flex-offer's interval."
        )
    begin, over = lifecycle.begin_of(offer, schedule), lifecycle.end_of(offer, schedule)
    outside = InvalidInput.field(
        "/start", "withinSchedule", f"The schedule runs from {begin} to {over}."
    )
    if not begin <= one.start < over:
        raise outside
    end = one.start + len(one.energies) * offer.interval
    if end > over:
        raise outside
    if end > now:
        raise InvalidInput.field("/start", "inThePast", "What is not over cannot be measured.")
    return energies_of(one.energies, "/energies")


def _record(
    session: Session,
    received: ReceivedFlexOffer,
    start: datetime,
    energies: Sequence[int],
    values: dict[datetime, int],
    now: datetime,
) -> Recorded:
    told = {
        start + number * received.offer.interval: energy for number, energy in enumerate(energies)
    }
    new = {moment: energy for moment, energy in told.items() if moment not in values}
    corrected = {
        moment: energy for moment, energy in told.items() if values.get(moment, energy) != energy
    }
    if new:
        session.execute(
            insert(MEASUREMENTS),
            [
                {
                    "flex_offer_id": received.id,
                    "start": moment,
                    "energy_wh": energy,
                    "recorded_at": now,
                }
                for moment, energy in new.items()
            ],
        )
    for moment, energy in corrected.items():
        _correct(session, received.id, moment, energy, now)
    values |= told
    return Recorded(received.id, len(new), len(corrected))


def _correct(
    session: Session, flex_offer_id: UUID, start: datetime, energy: int, now: datetime
) -> None:
    this = (MEASUREMENTS.c.flex_offer_id == flex_offer_id, MEASUREMENTS.c.start == start)
    old = session.execute(select(MEASUREMENTS).where(*this)).one()
    session.execute(
        insert(CORRECTIONS),
        [
            {
                "id": new_id(),
                "flex_offer_id": flex_offer_id,
                "start": start,
                "energy_wh": old.energy_wh,
                "recorded_at": old.recorded_at,
                "corrected_at": now,
            }
        ],
    )
    session.execute(update(MEASUREMENTS).where(*this).values(energy_wh=energy, recorded_at=now))


def _moments(received: ReceivedFlexOffer, schedule: Schedule) -> Iterator[datetime]:
    begin, interval = lifecycle.begin_of(received.offer, schedule), received.offer.interval
    for number in range(received.offer.profiles[schedule.profile].intervals):
        yield begin + number * interval

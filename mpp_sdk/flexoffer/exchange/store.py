"""The flex-offers that a platform has received, in SQLite or PostgreSQL."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from mpp_sdk.contracts.flexoffer.models import FlexOfferEventKind
from mpp_sdk.errors import FieldError, NotFound
from mpp_sdk.flexoffer import lifecycle
from mpp_sdk.flexoffer.documents import (
    Json,
    format_moment,
    offer_of,
    schedule_document,
    schedule_of,
)
from mpp_sdk.flexoffer.exchange.stream import Extent, StreamedEvent
from mpp_sdk.flexoffer.exchange.tables import EVENTS, METADATA, OFFERS, STREAMS
from mpp_sdk.flexoffer.feasibility import violations
from mpp_sdk.flexoffer.lifecycle import LIFECYCLE, Deadlines, FlexOfferState, Standing, Verdict
from mpp_sdk.flexoffer.model import FlexOffer, Schedule
from mpp_sdk.flexoffer.rules import refuse
from mpp_sdk.flexoffer.two_mode import expanded
from mpp_sdk.schema import bring_up_to_date
from mpp_sdk.state.domain import ENDED_SUBSCRIPTION
from mpp_sdk.state.tables import SubscriptionRow
from mpp_sdk.transactions import Transactions, gather

_AT_ONCE = 500  # ids in one statement: databases bound how many parameters it may have
_MOST_ERRORS = 200


@dataclass(frozen=True)
class ReceivedFlexOffer:
    """A flex-offer as its receiver has it. update counts its schedules, from 1 on."""

    id: UUID
    subscription_id: UUID
    standing: Standing
    reason: str | None
    document: Json
    offered_at: datetime
    updated_at: datetime
    accepted_at: datetime | None
    schedule_document: Json | None
    update: int
    deadlines: Deadlines
    replaces: UUID | None
    replaced_by: UUID | None

    @property
    def state(self) -> FlexOfferState:
        """The state that was noted last."""
        return self.standing.state

    @cached_property
    def offer(self) -> FlexOffer:
        """What is offered; two-mode operation is written out as the profiles that it means."""
        return expanded(offer_of(self.document, self.id))

    @cached_property
    def schedule(self) -> Schedule | None:
        """The schedule that it was given last."""
        return None if self.schedule_document is None else schedule_of(self.schedule_document)

    @property
    def used_at(self) -> datetime:
        """The moment that resolves its start times where they are implicit."""
        return self.accepted_at or self.offered_at


@dataclass(frozen=True)
class FlexOfferChange:
    """Something that happened to a flex-offer. sequence is 0 until the transaction commits."""

    subscription_id: UUID
    flex_offer_id: UUID
    kind: FlexOfferEventKind
    state: FlexOfferState
    occurred_at: datetime
    reason: str | None = None
    schedule: Json | None = None
    replaced_by: UUID | None = None
    sequence: int = 0

    def document(self) -> dict[str, Any]:
        """Return it as a FlexOfferEvent of the contract."""
        members = {
            "sequence": self.sequence,
            "flexOfferId": str(self.flex_offer_id),
            "kind": self.kind.value,
            "state": self.state.value,
            "reason": self.reason,
            "schedule": self.schedule,
            "replacedBy": None if self.replaced_by is None else str(self.replaced_by),
            "occurredAt": format_moment(self.occurred_at),
        }
        return {name: value for name, value in members.items() if value is not None}


class FlexOfferStore:
    """Keeps flex-offers, moves them through their lifecycle, and writes down what happens to them.

    Every change and its event are one transaction, which a call inside a running one joins. Where
    several are named, all are changed or, when one of them cannot be, none.
    """

    def __init__(
        self,
        transactions: Transactions,
        *,
        measured_within: timedelta = lifecycle.MEASURED_WITHIN,
    ) -> None:
        self._transactions = transactions
        self._measured_within = measured_within
        self.on_events: Callable[[UUID], None] = lambda subscription_id: None

    def create(self) -> None:
        """Make what is missing of the tables. Raises SchemaError for what cannot be added."""
        bring_up_to_date(self._transactions.engine, METADATA)

    # ---- reading

    def get(self, subscription_id: UUID, flex_offer_id: UUID) -> ReceivedFlexOffer:
        """Return a flex-offer of a subscription. Raises NotFound."""
        with self._transactions.reading() as session:
            row = session.execute(_one(subscription_id, flex_offer_id)).one_or_none()
        if row is None:
            raise NotFound.entity("flex-offer", flex_offer_id)
        return _received(row)

    def some(
        self,
        subscription_id: UUID | None = None,
        *,
        states: Collection[FlexOfferState] = lifecycle.ACTIVE,
        changed: tuple[datetime, datetime] | None = None,
        running: tuple[datetime, datetime] | None = None,
        after: UUID | None = None,
        limit: int | None = None,
    ) -> Iterator[ReceivedFlexOffer]:
        """Yield flex-offers in the order in which they were offered.

        Those in some states; of one subscription if given; changed in a period, or whose default or
        schedule runs in one; after the one named, at most so many. A period ends before its end.
        """
        query = select(OFFERS).order_by(OFFERS.c.id)
        if subscription_id is not None:
            query = query.where(OFFERS.c.subscription_id == subscription_id)
        if len(states) < len(FlexOfferState):
            query = query.where(OFFERS.c.state.in_(states))
        if changed is not None:
            start, end = changed
            happened = select(EVENTS.c.flex_offer_id).where(
                EVENTS.c.occurred_at >= start, EVENTS.c.occurred_at < end
            )
            if subscription_id is not None:
                happened = happened.where(EVENTS.c.subscription_id == subscription_id)
            query = query.where(OFFERS.c.id.in_(happened), OFFERS.c.offered_at < end)
        if running is not None:
            start, end = running
            query = query.where(OFFERS.c.begins_at < end, OFFERS.c.ends_at > start)
        page_size = _AT_ONCE if limit is None else limit
        while True:
            page = query if after is None else query.where(OFFERS.c.id > after)
            with self._transactions.reading() as session:
                rows = session.execute(page.limit(page_size)).all()
            yield from map(_received, rows)
            if limit is not None or len(rows) < page_size:
                return
            after = rows[-1].id

    def states_of(self, ids: Sequence[UUID]) -> dict[UUID, tuple[FlexOfferState, str | None]]:
        """Return the states of flex-offers, with their reasons."""
        query = select(OFFERS.c.id, OFFERS.c.state, OFFERS.c.reason)
        found: dict[UUID, tuple[FlexOfferState, str | None]] = {}
        with self._transactions.reading() as session:
            for some in _chunks(ids):
                for row in session.execute(query.where(OFFERS.c.id.in_(some))):
                    found[row.id] = FlexOfferState(row.state), row.reason
        return found

    def history(self, flex_offer_id: UUID) -> list[FlexOfferChange]:
        """Return all that has happened to a flex-offer, in order."""
        query = select(EVENTS).where(EVENTS.c.flex_offer_id == flex_offer_id)
        with self._transactions.reading() as session:
            return [_change(row) for row in session.execute(query.order_by(EVENTS.c.sequence))]

    # ---- the offering party

    def add(
        self, subscription_id: UUID, offers: Sequence[tuple[FlexOffer, Json]], now: datetime
    ) -> None:
        """Keep new flex-offers, each with the document that it was read from."""
        rows = [_new_row(subscription_id, offer, document, now) for offer, document in offers]
        if not rows:
            return
        with self._transactions() as session:
            session.connection().execute(insert(OFFERS), rows)
            for row in rows:
                self._note(
                    session,
                    FlexOfferChange(
                        subscription_id,
                        row["id"],
                        FlexOfferEventKind.OFFERED,
                        FlexOfferState.OFFERED,
                        now,
                    ),
                )

    def replace(
        self,
        subscription_id: UUID,
        flex_offer_id: UUID,
        offer: FlexOffer,
        document: Json,
        now: datetime,
    ) -> None:
        """Keep a flex-offer in the place of another. Raises NotFound, IllegalTransition."""
        with self._transactions() as session:
            old = self._lock_own(session, subscription_id, flex_offer_id)
            state = self._after(old, "replace", now)
            row = _new_row(subscription_id, offer, document, now) | {"replaces": flex_offer_id}
            session.execute(insert(OFFERS), [row])
            self._move(session, old, state, now, replaced_by=offer.id)
            self._note(
                session,
                FlexOfferChange(
                    subscription_id,
                    offer.id,
                    FlexOfferEventKind.OFFERED,
                    FlexOfferState.OFFERED,
                    now,
                ),
            )

    def delete(self, subscription_id: UUID, flex_offer_id: UUID, now: datetime) -> None:
        """Note that a flex-offer is taken back. Raises NotFound, IllegalTransition."""
        with self._transactions() as session:
            old = self._lock_own(session, subscription_id, flex_offer_id)
            self._move(session, old, self._after(old, "delete", now), now)

    # ---- the receiving party

    def accept(self, ids: Collection[UUID], now: datetime) -> None:
        """Accept flex-offers. Raises NotFound, IllegalTransition: also once it is too late."""
        self._move_all(ids, "accept", now, accepted_at=now)

    def reject(self, ids: Collection[UUID], reason: str, now: datetime) -> None:
        """Reject flex-offers. Raises NotFound, IllegalTransition."""
        self._move_all(ids, "reject", now, reason=reason)

    def settle(self, ids: Collection[UUID], now: datetime) -> None:
        """Note that flex-offers are paid for. Raises NotFound, IllegalTransition."""
        self._move_all(ids, "settle", now)

    def assign(self, schedules: Mapping[UUID, Schedule], now: datetime) -> None:
        """Give flex-offers their schedules, or newer ones while the last has not begun.

        Raises NotFound, IllegalTransition, and InvalidInput for what is not feasible, with pointers
        that begin with the id of the flex-offer.
        """
        errors: list[FieldError] = []
        changes: list[tuple[ReceivedFlexOffer, Schedule]] = []
        with self._transactions() as session:
            for received in self._lock(session, schedules):
                self._after(received, "assign", now)
                schedule = schedules[received.id]
                found = _broken(received.offer, schedule, now)
                errors += (replace(one, pointer=f"/{received.id}/{one.pointer}") for one in found)
                changes.append((received, schedule))
                if len(errors) >= _MOST_ERRORS:
                    break
            refuse(errors)
            rows = [
                _assigned(received, schedule, now, self._measured_within)
                for received, schedule in changes
            ]
            if not rows:
                return
            _set_each(session, rows)
            for (received, _), row in zip(changes, rows, strict=True):
                first = received.update == 0
                self._note(
                    session,
                    FlexOfferChange(
                        received.subscription_id,
                        received.id,
                        FlexOfferEventKind.ASSIGNED if first else FlexOfferEventKind.UPDATED,
                        FlexOfferState.ASSIGNED,
                        now,
                        schedule=row["schedule"],
                    ),
                )

    def judge(
        self, session: Session, received: ReceivedFlexOffer, verdict: Verdict, now: datetime
    ) -> ReceivedFlexOffer:
        """Return a locked flex-offer, with the verdict on its schedule noted if that is news."""
        if not LIFECYCLE.allows(received.state, verdict.action):
            return received
        state = LIFECYCLE.after(received.state, verdict.action)
        return self._move(session, received, state, now, reason=verdict.reason)

    # ---- time

    def advance(self, now: datetime) -> int:
        """Move on what time has come for; return how many flex-offers that were.

        It is safe for several processes at once.
        """
        due = OFFERS.c.due_at <= now
        some = select(OFFERS).where(due).order_by(OFFERS.c.due_at).limit(_AT_ONCE)
        moved = 0
        while self._is_any(due):
            with self._transactions() as session:
                found = session.execute(some.with_for_update(skip_locked=True)).all()
                for row in found:
                    self.catch_up(session, _received(row), now)
            moved += len(found)
            if len(found) < _AT_ONCE:
                break
        return moved

    def _is_any(self, condition: ColumnElement[bool]) -> bool:
        """Return whether there is such a flex-offer, without taking a lock to find out."""
        with self._transactions.reading() as session:
            return bool(session.execute(select(exists().where(condition))).scalar_one())

    def catch_up(
        self, session: Session, received: ReceivedFlexOffer, now: datetime
    ) -> ReceivedFlexOffer:
        """Return a locked flex-offer, moved on in a running transaction by what is due."""
        while (fallen := lifecycle.fallen_due(received.standing, now)) is not None:
            action, reason = fallen
            state = LIFECYCLE.after(received.state, action)
            received = self._move(session, received, state, now, reason=reason)
        return received

    # ---- the stream

    def extent(self, subscription_id: UUID) -> Extent:
        """Return which events there are of a subscription."""
        query = select(STREAMS.c.newest).where(STREAMS.c.subscription_id == subscription_id)
        with self._transactions.reading() as session:
            return Extent(0, session.execute(query).scalar_one_or_none() or 0)

    def events_after(
        self, subscription_id: UUID, sequence: int, limit: int
    ) -> Sequence[StreamedEvent]:
        """Return the events after a number, in order, at most so many."""
        query = (
            select(EVENTS)
            .where(EVENTS.c.subscription_id == subscription_id, EVENTS.c.sequence > sequence)
            .order_by(EVENTS.c.sequence)
            .limit(limit)
        )
        with self._transactions.reading() as session:
            changes = [_change(row) for row in session.execute(query)]
        return [
            StreamedEvent(one.sequence, one.kind.value, _dump(one.document())) for one in changes
        ]

    def newest(self, subscription_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the number of the newest event of each subscription that has not ended."""
        query = (
            select(SubscriptionRow.id, func.coalesce(STREAMS.c.newest, 0).label("newest"))
            .outerjoin(STREAMS, STREAMS.c.subscription_id == SubscriptionRow.id)
            .where(SubscriptionRow.state.not_in(ENDED_SUBSCRIPTION))
        )
        found: dict[UUID, int] = {}
        with self._transactions.reading() as session:
            for some in _chunks(list(subscription_ids)):
                rows = session.execute(query.where(SubscriptionRow.id.in_(some)))
                found |= {row.id: row.newest for row in rows}
        return found

    # ---- inside

    def _note(self, session: Session, change: FlexOfferChange) -> None:
        gather(session, self._write_events, change)

    def _write_events(self, session: Session, changes: Sequence[FlexOfferChange]) -> None:
        """Give events their numbers and keep them, as the last thing before the commit.

        Whoever comes this far holds all other locks that it needs already, and takes those of the
        streams in one order: nobody waits for each other.
        """
        by_subscription: dict[UUID, list[FlexOfferChange]] = {}
        for change in changes:
            by_subscription.setdefault(change.subscription_id, []).append(change)
        connection = session.connection()
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        for subscription_id in sorted(by_subscription):
            some = by_subscription[subscription_id]
            made = dialect.insert(STREAMS).values(subscription_id=subscription_id, newest=len(some))
            taken = made.on_conflict_do_update(
                index_elements=[STREAMS.c.subscription_id],
                set_={"newest": STREAMS.c.newest + len(some)},
            ).returning(STREAMS.c.newest)
            first = connection.execute(taken).scalar_one() - len(some) + 1
            connection.execute(
                insert(EVENTS),
                [_event_row(change, first + number) for number, change in enumerate(some)],
            )
            self._transactions.after_commit(partial(self.on_events, subscription_id))

    def _lock(self, session: Session, ids: Iterable[UUID]) -> list[ReceivedFlexOffer]:
        """Return flex-offers that nobody else can change until the transaction ends."""
        wanted = sorted(set(ids))
        found: list[ReceivedFlexOffer] = []
        for some in _chunks(wanted):
            query = select(OFFERS).where(OFFERS.c.id.in_(some)).order_by(OFFERS.c.id)
            found += map(_received, session.execute(query.with_for_update()))
        if len(found) < len(wanted):
            missing = set(wanted) - {one.id for one in found}
            raise NotFound.entity("flex-offer", min(missing))
        return found

    def _lock_own(
        self, session: Session, subscription_id: UUID, flex_offer_id: UUID
    ) -> ReceivedFlexOffer:
        row = session.execute(_one(subscription_id, flex_offer_id).with_for_update()).one_or_none()
        if row is None:
            raise NotFound.entity("flex-offer", flex_offer_id)
        return _received(row)

    def lock_of(
        self, session: Session, subscription_id: UUID, ids: Iterable[UUID]
    ) -> dict[UUID, ReceivedFlexOffer]:
        """Return those of some flex-offers that are a subscription's, locked, by their ids."""
        found: dict[UUID, ReceivedFlexOffer] = {}
        for some in _chunks(sorted(set(ids))):
            query = (
                select(OFFERS)
                .where(OFFERS.c.id.in_(some), OFFERS.c.subscription_id == subscription_id)
                .order_by(OFFERS.c.id)
                .with_for_update()
            )
            found |= {row.id: _received(row) for row in session.execute(query)}
        return found

    def _after(self, received: ReceivedFlexOffer, action: str, now: datetime) -> FlexOfferState:
        return received.standing.after(action, now)

    def _move_all(
        self,
        ids: Collection[UUID],
        action: str,
        now: datetime,
        *,
        reason: str | None = None,
        accepted_at: datetime | None = None,
    ) -> None:
        with self._transactions() as session:
            found = self._lock(session, ids)
            if not found:
                return
            states = {self._after(received, action, now) for received in found}
            [state] = states  # an action leads to one state, wherever it is allowed
            rows = [
                {
                    "id": received.id,
                    "state": state,
                    "reason": reason,
                    "due_at": received.deadlines.due_in(state),
                    "accepted_at": accepted_at or received.accepted_at,
                    "updated_at": now,
                }
                for received in found
            ]
            _set_each(session, rows)
            for received in found:
                self._note(
                    session,
                    FlexOfferChange(
                        received.subscription_id,
                        received.id,
                        FlexOfferEventKind(state.value),
                        state,
                        now,
                        reason,
                    ),
                )

    def _move(
        self,
        session: Session,
        received: ReceivedFlexOffer,
        state: FlexOfferState,
        now: datetime,
        *,
        reason: str | None = None,
        replaced_by: UUID | None = None,
    ) -> ReceivedFlexOffer:
        due_at = received.deadlines.due_in(state)
        session.execute(
            update(OFFERS)
            .where(OFFERS.c.id == received.id)
            .values(
                state=state,
                reason=reason,
                due_at=due_at,
                updated_at=now,
                replaced_by=replaced_by,
            )
        )
        self._note(
            session,
            FlexOfferChange(
                received.subscription_id,
                received.id,
                FlexOfferEventKind(state.value),
                state,
                now,
                reason,
                replaced_by=replaced_by,
            ),
        )
        return replace(
            received,
            standing=Standing(state, due_at),
            reason=reason,
            updated_at=now,
            replaced_by=replaced_by,
        )


def _one(subscription_id: UUID, flex_offer_id: UUID) -> Select[Any]:
    """Return the query of a flex-offer; what is another subscription's does not exist."""
    return select(OFFERS).where(
        OFFERS.c.id == flex_offer_id, OFFERS.c.subscription_id == subscription_id
    )


def _set_each(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set columns of many rows, each of the id that it gives."""
    # A parameter may not have the name of the column that it is the value of.
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name != "id"}
    statement = update(OFFERS).where(OFFERS.c.id == bindparam("new_id")).values(values)
    session.connection().execute(
        statement, [{f"new_{name}": value for name, value in row.items()} for row in rows]
    )


def _new_row(
    subscription_id: UUID, offer: FlexOffer, document: Json, now: datetime
) -> dict[str, Any]:
    baseline = offer.default_schedule(now)
    return {
        "id": offer.id,
        "subscription_id": subscription_id,
        "state": FlexOfferState.OFFERED,
        "document": _dump(document),
        "interval_s": offer.interval // timedelta(seconds=1),
        "offered_at": now,
        "updated_at": now,
        "accept_before": offer.accept_before,
        "assign_before": offer.assign_before,
        "due_at": offer.accept_before,
        "schedule_update": 0,
        "begins_at": lifecycle.begin_of(offer, baseline),
        "ends_at": lifecycle.end_of(offer, baseline),
    }


def _assigned(
    received: ReceivedFlexOffer, schedule: Schedule, now: datetime, measured_within: timedelta
) -> dict[str, Any]:
    """Return what changes in the row of a flex-offer that is given a schedule."""
    offer = received.offer
    deadlines = Deadlines.of(offer, schedule, measured_within)
    both = (schedule, offer.default_schedule(received.used_at))
    number = received.update + 1
    return {
        "id": received.id,
        "state": FlexOfferState.ASSIGNED,
        "updated_at": now,
        "due_at": deadlines.begin,
        "schedule": schedule_document(schedule, number, now),
        "schedule_update": number,
        "schedule_begins_at": deadlines.begin,
        "measured_before": deadlines.measured_before,
        "begins_at": min(lifecycle.begin_of(offer, one) for one in both),
        "ends_at": max(lifecycle.end_of(offer, one) for one in both),
    }


def _broken(offer: FlexOffer, schedule: Schedule, now: datetime) -> list[FieldError]:
    """Return what is wrong with a schedule that is to be given now."""
    found = violations(offer, schedule, now)
    if not found and lifecycle.begin_of(offer, schedule) < now:
        found.append(FieldError("start", "inTheFuture", "It would have begun already."))
    return found


def _event_row(change: FlexOfferChange, sequence: int) -> dict[str, Any]:
    return {
        "subscription_id": change.subscription_id,
        "sequence": sequence,
        "flex_offer_id": change.flex_offer_id,
        "kind": change.kind,
        "state": change.state,
        "reason": change.reason,
        "schedule": change.schedule,
        "replaced_by": change.replaced_by,
        "occurred_at": change.occurred_at,
    }


def _received(row: Row[Any]) -> ReceivedFlexOffer:
    return ReceivedFlexOffer(
        id=row.id,
        subscription_id=row.subscription_id,
        standing=Standing(FlexOfferState(row.state), row.due_at),
        reason=row.reason,
        document=json.loads(row.document),
        offered_at=row.offered_at,
        updated_at=row.updated_at,
        accepted_at=row.accepted_at,
        schedule_document=row.schedule,
        update=row.schedule_update,
        deadlines=Deadlines(
            row.accept_before, row.assign_before, row.schedule_begins_at, row.measured_before
        ),
        replaces=row.replaces,
        replaced_by=row.replaced_by,
    )


def _change(row: Row[Any]) -> FlexOfferChange:
    return FlexOfferChange(
        subscription_id=row.subscription_id,
        flex_offer_id=row.flex_offer_id,
        kind=FlexOfferEventKind(row.kind),
        state=FlexOfferState(row.state),
        occurred_at=row.occurred_at,
        reason=row.reason,
        schedule=row.schedule,
        replaced_by=row.replaced_by,
        sequence=row.sequence,
    )


def _dump(document: Json) -> str:
    return to_json(document).decode()


def _chunks(items: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]

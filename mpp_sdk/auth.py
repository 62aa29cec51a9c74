"""API keys in both directions: those issued to the marketplace, and the one presented to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from mpp_sdk import clock
from mpp_sdk.errors import IdempotencyMismatch, Unauthenticated, Unavailable
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import SecretBox, hash_secret, new_secret
from mpp_sdk.state.tables import InboundKeyRow, OutboundKeyRow
from mpp_sdk.transactions import Transactions

KEY_PREFIX = "fxk"


@dataclass(frozen=True)
class KeyPolicy:
    """How long keys live.

    A key is valid for `validity`. Its predecessor stays valid until `overlap` after the new one was
    issued, or until `grace` after the new one was first used, whichever is first.
    """

    validity: timedelta
    overlap: timedelta
    grace: timedelta


@dataclass(frozen=True)
class NewKey:
    """A key just issued, the only time that it is seen."""

    api_key: str
    valid_from: datetime
    valid_until: datetime
    previous_key_valid_until: datetime


@dataclass(frozen=True)
class IssuedKey:
    """What is known of a key that was issued; the key itself is not stored."""

    id: UUID
    valid_from: datetime
    valid_until: datetime
    first_used_at: datetime | None


class InboundKeys:
    """The keys that were issued to the marketplace, stored hashed."""

    def __init__(self, transactions: Transactions, policy: KeyPolicy) -> None:
        self._transactions = transactions
        self._policy = policy

    def adopt(self, configured: str | None) -> None:
        """Take the configured key as the first one, unless there are keys already."""
        if configured is None:
            return
        with self._transactions() as session:
            if session.scalars(select(InboundKeyRow).limit(1)).first() is None:
                self._add(session, configured, clock.now())

    def issue(self) -> NewKey:
        """Return a new key. Those before it stay valid for the overlap, or until it is used."""
        with self._transactions() as session:
            return self._add(session, new_secret(KEY_PREFIX), clock.now())

    def all(self) -> Sequence[IssuedKey]:
        """Return what is known of the keys, the oldest first."""
        with self._transactions.reading() as session:
            rows = session.scalars(select(InboundKeyRow).order_by(InboundKeyRow.id)).all()
        return [
            IssuedKey(row.id, row.valid_from, row.valid_until, row.first_used_at) for row in rows
        ]

    def check(self, presented: str) -> None:
        """Return when a key is valid now. Raises Unauthenticated when it is not."""
        moment = clock.now()
        key_hash = hash_secret(presented)
        with self._transactions.reading() as session:
            row = session.scalars(
                select(InboundKeyRow).where(InboundKeyRow.key_hash == key_hash)
            ).one_or_none()
            if row is None:
                raise Unauthenticated("The API key is unknown.")
            later = session.scalars(select(InboundKeyRow).where(InboundKeyRow.id > row.id)).all()
        self._check_validity(row, later, moment)
        if row.first_used_at is None:
            self._note_first_use(row, moment)

    def _check_validity(
        self, row: InboundKeyRow, later: Sequence[InboundKeyRow], moment: datetime
    ) -> None:
        if moment >= row.valid_until:
            raise Unauthenticated("The API key has expired.")
        for newer in later:
            ends = newer.overlap_ends_at
            if newer.first_used_at is not None:
                ends = min(ends, newer.first_used_at + self._policy.grace)
            if moment >= ends:
                raise Unauthenticated("The API key was replaced by a newer one.")

    def _note_first_use(self, row: InboundKeyRow, moment: datetime) -> None:
        with self._transactions() as session:
            session.execute(
                update(InboundKeyRow)
                .where(InboundKeyRow.id == row.id, InboundKeyRow.first_used_at.is_(None))
                .values(first_used_at=moment)
            )
            session.execute(
                delete(InboundKeyRow).where(InboundKeyRow.valid_until < moment - timedelta(days=1))
            )

    def _add(self, session: Session, key: str, moment: datetime) -> NewKey:
        row = InboundKeyRow(
            id=new_id(),
            key_hash=hash_secret(key),
            valid_from=moment,
            valid_until=moment + self._policy.validity,
            overlap_ends_at=moment + self._policy.overlap,
        )
        session.add(row)
        session.flush()
        return NewKey(key, row.valid_from, row.valid_until, row.overlap_ends_at)


class OutboundKey:
    """The key that is presented to one callee, stored encrypted and refreshed before it expires."""

    def __init__(self, transactions: Transactions, box: SecretBox, callee: str) -> None:
        self._transactions = transactions
        self._box = box
        self._callee = callee

    def adopt(self, configured: str | None) -> None:
        """Take the configured key when there is none yet, or when another one was configured."""
        if configured is None:
            return
        configured_hash = hash_secret(configured)
        with self._transactions() as session:
            row = session.get(OutboundKeyRow, self._callee)
            if row is not None and row.configured_hash == configured_hash:
                return
            session.merge(
                OutboundKeyRow(
                    callee=self._callee,
                    encrypted_key=self._box.encrypt(configured),
                    configured_hash=configured_hash,
                    valid_until=None,
                    refresh_id=None,
                )
            )

    def current(self) -> str:
        """Return the key to present. Raises Unavailable when there is none yet."""
        with self._transactions.reading() as session:
            row = session.get(OutboundKeyRow, self._callee)
        if row is None:
            raise Unavailable(f"There is no API key for {self._callee} yet.")
        return self._box.decrypt(row.encrypted_key)

    def known_end(self) -> datetime | None:
        """Return when the key ends; None when that is not known, or there is none."""
        with self._transactions.reading() as session:
            row = session.get(OutboundKeyRow, self._callee)
        return None if row is None else row.valid_until

    def is_due(self, before: timedelta) -> bool:
        """Return whether the key should be refreshed now: it ends within `before`.

        The first key is due at once: it passed through a person's hands, and its end is unknown.
        """
        with self._transactions.reading() as session:
            row = session.get(OutboundKeyRow, self._callee)
        if row is None:
            return False
        if row.refresh_id is not None or row.valid_until is None:
            return True
        return clock.now() >= row.valid_until - before

    def refresh(self, call: Callable[[str], NewKey]) -> datetime:
        """Replace the key by the one that `call` gets for an idempotency key; return its end.

        The idempotency key is stored before the call, so that a lost answer, or the death of this
        process, is followed by the same question and the same new key. Raises what the call raises.
        """
        refresh_id = self._begin_refresh()
        try:
            issued = call(refresh_id)
        except IdempotencyMismatch:
            self._forget_refresh(refresh_id)
            raise
        with self._transactions() as session:
            session.execute(
                update(OutboundKeyRow)
                .where(
                    OutboundKeyRow.callee == self._callee, OutboundKeyRow.refresh_id == refresh_id
                )
                .values(
                    encrypted_key=self._box.encrypt(issued.api_key),
                    valid_until=issued.valid_until,
                    refresh_id=None,
                )
            )
        return issued.valid_until

    def _begin_refresh(self) -> str:
        with self._transactions() as session:
            row = session.get(OutboundKeyRow, self._callee, with_for_update=True)
            if row is None:
                raise Unavailable(f"There is no API key for {self._callee} yet.")
            if row.refresh_id is None:
                row.refresh_id = str(new_id())
            return row.refresh_id

    def _forget_refresh(self, refresh_id: str) -> None:
        with self._transactions() as session:
            session.execute(
                update(OutboundKeyRow)
                .where(
                    OutboundKeyRow.callee == self._callee, OutboundKeyRow.refresh_id == refresh_id
                )
                .values(refresh_id=None)
            )

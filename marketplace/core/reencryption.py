"""Encrypts anew what is stored, so that an old key can be dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Engine, Row, and_, literal, select, tuple_, update

from marketplace.core.unit_of_work import current_session, unit_of_work
from mpp_sdk.errors import Unavailable
from mpp_sdk.secrets import SecretBox

_BATCH = 200


@dataclass(frozen=True)
class Reencrypted:
    """How many values were encrypted anew, and how many none of the keys can read."""

    renewed: int = 0
    unreadable: int = 0


def reencrypt(
    engine: Engine, box: SecretBox, column: Column[Any], *, batch: int = _BATCH
) -> Reencrypted:
    """Return what became of the values of a column that the first key of the box did not encrypt.

    Each batch is committed by itself, and what is done already is passed over: it may be
    interrupted and run again, and it may run while others work.
    """
    renewed = unreadable = 0
    after: Sequence[Any] | None = None
    while True:
        with unit_of_work(engine):
            rows = _rows(column, after, batch)
            for row in rows:
                try:
                    renewed += _renew(box, column, row)
                except Unavailable:
                    unreadable += 1
        if len(rows) < batch:
            return Reencrypted(renewed, unreadable)
        after = rows[-1][1:]


def _rows(column: Column[Any], after: Sequence[Any] | None, batch: int) -> Sequence[Row[Any]]:
    """Return values that follow a primary key, each with its own."""
    keys = column.table.primary_key.columns
    query = select(column, *keys).where(column.is_not(None)).order_by(*keys).limit(batch)
    if after is not None:
        last = (literal(value, key.type) for value, key in zip(after, keys, strict=True))
        query = query.where(tuple_(*keys) > tuple_(*last))
    return current_session().execute(query).all()


def _renew(box: SecretBox, column: Column[Any], row: Row[Any]) -> bool:
    """Encrypt a value anew, unless it is already or somebody has just replaced it."""
    encrypted, *values = tuple(row)
    anew = box.renew(encrypted)
    if anew is None:
        return False
    keys = column.table.primary_key.columns
    this = and_(*(key == value for key, value in zip(keys, values, strict=True)))
    change = update(column.table).where(this, column == encrypted).values({column: anew})
    return bool(current_session().connection().execute(change).rowcount)

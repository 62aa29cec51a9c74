import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from marketplace.core.database import Base
from marketplace.core.paging import Key, paginate
from marketplace.core.unit_of_work import unit_of_work
from mpp_sdk.database import open_database
from mpp_sdk.errors import InvalidInput
from mpp_sdk.ids import new_id


class Own(DeclarativeBase):
    """Apart from the marketplace's tables, whose schema other tests compare with migrations."""

    type_annotation_map = Base.type_annotation_map


class Item(Own):
    __tablename__ = "test_item"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    rank: Mapped[int]
    made_at: Mapped[datetime]


_START = datetime(2026, 1, 1, tzinfo=UTC)
_ORDERS = [
    [Key(Item.id)],
    [Key(Item.made_at, descending=True), Key(Item.id)],
    [Key(Item.name), Key(Item.rank, descending=True), Key(Item.id, descending=True)],
]


@pytest.fixture(autouse=True)
def _items(request: pytest.FixtureRequest) -> None:
    if "engine" in request.fixturenames:
        Own.metadata.create_all(request.getfixturevalue("engine"))


def _fill(engine: Engine, count: int) -> None:
    with unit_of_work(engine) as session:
        for number in range(count):
            session.add(
                Item(
                    id=new_id(),
                    name="abc"[number % 3],
                    rank=number % 4,
                    made_at=_START + timedelta(seconds=number // 5),
                )
            )


@pytest.mark.parametrize("order", _ORDERS)
@pytest.mark.parametrize("limit", [1, 7, 23, 24])
def test_pages_hold_every_row_once_and_in_order(
    engine: Engine, order: list[Key], limit: int
) -> None:
    _fill(engine, 23)
    with unit_of_work(engine, read_only=True) as session:
        whole = paginate(session, select(Item), order, 1000, None)
        found: list[Item] = []
        cursor = None
        while True:
            page = paginate(session, select(Item), order, limit, cursor)
            assert 0 < len(page.items) <= limit
            found.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.items) == limit
    assert len(whole.items) == 23
    assert [item.id for item in found] == [item.id for item in whole.items]


def test_a_cursor_belongs_to_its_order_and_filter(engine: Engine) -> None:
    _fill(engine, 3)
    with unit_of_work(engine, read_only=True) as session:
        cursor = paginate(session, select(Item), _ORDERS[0], 1, None, bound_to="x").next_cursor
        assert paginate(session, select(Item), _ORDERS[0], 1, cursor, bound_to="x").items
        with pytest.raises(InvalidInput):
            paginate(session, select(Item), _ORDERS[0], 1, cursor, bound_to="y")
        with pytest.raises(InvalidInput):
            paginate(session, select(Item), _ORDERS[1], 1, cursor, bound_to="x")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    path: Path = tmp_path_factory.mktemp("paging") / "test.db"
    engine = open_database(f"sqlite:///{path}")
    Own.metadata.create_all(engine)
    _fill(engine, 5)
    with unit_of_work(engine, read_only=True) as session:
        cursor = paginate(session, select(Item), _ORDERS[1], 1, None).next_cursor
    assert cursor is not None
    yield engine, cursor
    engine.dispose()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_cursor_is_refused_and_never_an_error(
    filled: tuple[Engine, str], data: st.DataObject
) -> None:
    engine, cursor = filled
    at = data.draw(st.integers(0, len(cursor)))
    text = (
        cursor[:at] + data.draw(st.text(max_size=8)) + cursor[at + data.draw(st.integers(0, 9)) :]
    )
    with unit_of_work(engine, read_only=True) as session, contextlib.suppress(InvalidInput):
        paginate(session, select(Item), _ORDERS[1], 2, text)

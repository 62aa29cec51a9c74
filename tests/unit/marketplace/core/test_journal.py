"""What is written at the end of a unit of work."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from marketplace.core.database import Base
from marketplace.core.journal import set_columns, written_down
from marketplace.core.unit_of_work import current_session, release, unit_of_work
from mpp_sdk.ids import new_id


class Own(DeclarativeBase):
    """Apart from the marketplace's tables, whose schema other tests compare with migrations."""

    type_annotation_map = Base.type_annotation_map


class Noted(Own):
    __tablename__ = "test_noted"

    subject: Mapped[UUID] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    colour: Mapped[str | None]
    size: Mapped[int | None]


Row = tuple[str, str | None, int | None]


@pytest.fixture
def subject() -> UUID:
    return new_id()


@pytest.fixture
def noted(engine: Engine) -> Engine:
    Own.metadata.create_all(engine)
    return engine


def note(subject: UUID, part: str, **values: object) -> None:
    set_columns(current_session(), Noted, {"subject": subject, "part": part}, values)


def rows(engine: Engine) -> list[Row]:
    with engine.connect() as connection:
        query = select(Noted.part, Noted.colour, Noted.size).order_by(Noted.part)
        return [(part, colour, size) for part, colour, size in connection.execute(query)]


def test_columns_that_are_set_make_a_row_and_leave_the_others_as_they_are(
    noted: Engine, subject: UUID
) -> None:
    with unit_of_work(noted):
        note(subject, "a", colour="red")
        note(subject, "b", size=2)
    assert rows(noted) == [("a", "red", None), ("b", None, 2)]

    with unit_of_work(noted):
        note(subject, "a", size=1)
        note(subject, "b", size=None)
        note(subject, "b", colour="blue")
    assert rows(noted) == [("a", "red", 1), ("b", "blue", None)]


def test_what_was_set_last_counts(noted: Engine, subject: UUID) -> None:
    with unit_of_work(noted):
        for colour in ("red", "green", "blue"):
            note(subject, "a", colour=colour)
    assert rows(noted) == [("a", "blue", None)]


def test_nothing_is_set_by_what_fails(noted: Engine, subject: UUID) -> None:
    def fail() -> None:
        with unit_of_work(noted):
            note(subject, "a", colour="red")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rows(noted) == []


def test_what_is_set_counts_as_written_down(noted: Engine, subject: UUID) -> None:
    with unit_of_work(noted) as session:
        note(subject, "a", colour="red")
        note(subject, "a", colour="green")
        assert written_down(session) == 2
        with pytest.raises(RuntimeError, match="written already"):
            release()

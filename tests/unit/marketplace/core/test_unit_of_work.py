import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from marketplace.core import audit
from marketplace.core.actor import Actor, acting_as
from marketplace.core.database import Base, Versioned
from marketplace.core.etag import check_if_match, etag
from marketplace.core.unit_of_work import after_commit, current_session, unit_of_work
from mpp_sdk.errors import Conflict, InvalidInput, PreconditionFailed, PreconditionRequired
from mpp_sdk.ids import new_id


class Own(DeclarativeBase):
    """Apart from the marketplace's tables, whose schema other tests compare with migrations."""

    type_annotation_map = Base.type_annotation_map


class Note(Versioned, Own):
    __tablename__ = "test_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]


@pytest.fixture(autouse=True)
def _notes(engine: Engine) -> None:
    Own.metadata.create_all(engine)


def _count(engine: Engine) -> int:
    with unit_of_work(engine, read_only=True) as session:
        return session.scalar(select(func.count()).select_from(Note)) or 0


def test_commits_at_the_end_and_then_calls_back(engine: Engine) -> None:
    seen: list[int] = []
    with unit_of_work(engine) as session:
        session.add(Note(id=1, body="a"))
        after_commit(lambda: seen.append(_count(engine)))
        assert seen == []
    assert seen == [1]


def test_rolls_back_and_does_not_call_back(engine: Engine) -> None:
    seen: list[int] = []

    def fail() -> None:
        with unit_of_work(engine) as session:
            session.add(Note(id=1, body="a"))
            session.flush()
            after_commit(lambda: seen.append(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == []
    assert _count(engine) == 0


def test_a_failing_callback_does_not_undo_the_commit_or_stop_the_others(engine: Engine) -> None:
    seen: list[int] = []
    with unit_of_work(engine) as session:
        session.add(Note(id=1, body="a"))
        after_commit(lambda: [][0])
        after_commit(lambda: seen.append(1))
    assert seen == [1]
    assert _count(engine) == 1


def test_read_only_writes_nothing(engine: Engine) -> None:
    try:
        with unit_of_work(engine, read_only=True) as session:
            session.add(Note(id=1, body="a"))
            session.flush()
    except DBAPIError:
        pass  # PostgreSQL refuses the write at once
    assert _count(engine) == 0


def test_no_unit_of_work_inside_another(engine: Engine) -> None:
    with (
        pytest.raises(RuntimeError),
        unit_of_work(engine, read_only=True),
        unit_of_work(engine, read_only=True),
    ):
        pass
    with pytest.raises(LookupError):
        current_session()


def test_a_concurrent_change_is_a_failed_precondition(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        session.add(Note(id=1, body="a"))

    def edit() -> None:
        with unit_of_work(engine) as session:
            note = session.get_one(Note, 1)
            session.execute(
                update(Note)
                .where(Note.id == 1)
                .values(version=Note.version + 1)
                .execution_options(synchronize_session=False)
            )
            note.body = "b"

    with pytest.raises(PreconditionFailed):
        edit()


def test_the_same_inserted_twice_is_a_conflict(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        session.add(Note(id=1, body="a"))
    with pytest.raises(Conflict), unit_of_work(engine) as session:
        session.add(Note(id=1, body="b"))


def test_if_match(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        note = Note(id=1, body="a")
        session.add(note)
        first = etag(note)
        note.body = "b"
        second = etag(note)
        assert first != second
        check_if_match(note, second)
        check_if_match(note, f'"x", {second}')
        check_if_match(note, "*")
        with pytest.raises(PreconditionFailed):
            check_if_match(note, first)
        with pytest.raises(PreconditionRequired):
            check_if_match(note, None)
        check_if_match(note, None, required=False)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET reason = 'x'", "DELETE FROM audit_entry"]
)
def test_the_audit_trail_cannot_be_changed(engine: Engine, statement: str) -> None:
    with unit_of_work(engine) as session, acting_as(Actor("client:1", "A person", "c-1")):
        audit.record("Note", new_id(), "write", to_state="WRITTEN")
    with pytest.raises(DBAPIError, match="append-only"), unit_of_work(engine) as session:
        session.execute(text(statement))
    with unit_of_work(engine, read_only=True) as session:
        (entry,) = audit.entries(session, audit.AuditFilter(), 10, None).items
        assert (entry.actor_subject, entry.to_state, entry.reason) == ("client:1", "WRITTEN", None)
        assert entry.correlation_id == "c-1"


def test_an_audit_entry_is_seen_by_those_it_concerns(engine: Engine) -> None:
    provider, requester, other = new_id(), new_id(), new_id()
    with unit_of_work(engine):
        audit.record("S", new_id(), "a", provider_id=provider, requester_id=requester)
        audit.record("S", new_id(), "b", provider_id=provider)
        audit.record("M", new_id(), "c", market_player_id=other)
    with unit_of_work(engine, read_only=True) as session:

        def actions(**wanted: object) -> list[str]:
            page = audit.entries(session, audit.AuditFilter(**wanted), 10, None)  # type: ignore[arg-type]
            return [entry.action for entry in page.items]

        assert actions() == ["c", "b", "a"]
        assert actions(visible_to=provider) == ["b", "a"]
        assert actions(visible_to=requester) == ["a"]
        assert actions(visible_to=other) == ["c"]
        assert actions(visible_to=requester, entity_kind="M") == []
        first = audit.entries(session, audit.AuditFilter(), 2, None)
        rest = audit.entries(session, audit.AuditFilter(), 2, first.next_cursor)
        assert [entry.action for entry in [*first.items, *rest.items]] == ["c", "b", "a"]
        assert rest.next_cursor is None
        with pytest.raises(InvalidInput):
            audit.entries(session, audit.AuditFilter(visible_to=other), 2, first.next_cursor)

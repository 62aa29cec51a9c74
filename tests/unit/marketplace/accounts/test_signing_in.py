from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import argon2
import pytest
from sqlalchemy import Engine, event, select, text

from marketplace.accounts import hashing, retention, sessions, signing_in
from marketplace.accounts.domain import Origin, PersonRole
from marketplace.accounts.guessing import TooManyGuesses
from marketplace.accounts.signing_in import Refused, Session
from marketplace.accounts.tables import Person, WebSession
from marketplace.core.audit import AuditEntry
from marketplace.core.unit_of_work import current_session
from marketplace.identity import service
from marketplace.identity.domain import MarketPlayerState
from mpp_sdk.errors import Forbidden, NotFound, Unauthenticated

from .conftest import PASSWORD, Accounts, deregister

MINUTE = timedelta(minutes=1)


def actions(accounts: Accounts, person_id: UUID) -> list[tuple[str, str]]:
    with accounts.at_work(read_only=True):
        rows = current_session().scalars(
            select(AuditEntry).where(AuditEntry.entity_id == str(person_id)).order_by(AuditEntry.id)
        )
        return [(row.action, row.actor_name) for row in rows]


def test_whoever_signs_up_is_signed_in(accounts: Accounts) -> None:
    made = accounts.company()
    found = accounts.known(made.session.token)
    assert (found.name, found.email, found.company) == (
        "Ana Ruiz",
        "ana@levante.example",
        "Levante",
    )
    assert found.roles == {
        PersonRole.ADMINISTRATOR,
        PersonRole.PROVIDER,
        PersonRole.REQUESTER,
    }
    assert (found.locale, found.time_zone) == ("en", "Europe/Madrid")
    assert found.player_state is MarketPlayerState.PENDING
    principal = found.principal
    assert principal.subject == f"person:{made.person_id}"
    assert principal.name == "Ana Ruiz (Levante)"
    assert principal.roles == {"provider", "requester"}
    assert principal.administers
    assert not principal.is_operator
    assert principal.market_player_id == made.market_player_id


def test_the_right_password_opens_a_new_session(accounts: Accounts) -> None:
    made = accounts.company()
    outcome = accounts.sign_in(" ANA@levante.example")
    assert isinstance(outcome, Session)
    assert outcome.token != made.session.token
    assert accounts.known(outcome.token).person_id == made.person_id
    assert actions(accounts, made.person_id)[-1] == ("sign-in", "Ana Ruiz")
    with accounts.at_work():
        signing_in.sign_out(outcome.token)
        signing_in.sign_out("no token at all \udcff")
    assert accounts.signed_in(outcome.token) is None
    assert accounts.signed_in("fxw_guessed") is None
    assert accounts.signed_in(made.session.token) is not None


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ana@levante.example", "another one of mine"),
        ("ana@levante.example", ""),
        ("ana@levante.example", "\ud800\x00" * 9),
        ("nobody@levante.example", PASSWORD),
        ("", PASSWORD),
        ("x" * 100_000, PASSWORD),
        ("ana\x00", PASSWORD),
        ("\udcff@levante.example", PASSWORD),
    ],
)
def test_everything_else_is_refused_alike(accounts: Accounts, email: str, password: str) -> None:
    accounts.company()
    outcome = accounts.sign_in(email, password)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, Unauthenticated)
    assert str(outcome.error) == "The e-mail address or the password is not right."


def test_an_unknown_address_costs_the_same_work(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.company()
    checked: list[str] = []
    verify = argon2.PasswordHasher.verify

    def watched(hasher: object, stored: str, password: bytes) -> bool:
        checked.append(stored.split("$")[3])  # the costs
        return verify(hashing._HASHER, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    accounts.sign_in("ana@levante.example", "wrong")
    accounts.sign_in("nobody@levante.example", "wrong")
    assert checked == ["m=19456,t=2,p=1"] * 2


@pytest.mark.parametrize("email", ["ana@levante.example", "nobody@levante.example"])
def test_many_wrong_ones_cost_a_wait(accounts: Accounts, email: str) -> None:
    made = accounts.company()
    for _ in range(5):
        outcome = accounts.sign_in(email, "wrong")
        assert isinstance(outcome, Refused)
        assert isinstance(outcome.error, Unauthenticated)
    for password in (PASSWORD, "wrong", PASSWORD):  # and what is tried meanwhile adds nothing
        outcome = accounts.sign_in(email, password)
        assert isinstance(outcome, Refused)
        assert isinstance(outcome.error, TooManyGuesses)
        assert 0 < outcome.error.retry_after <= 30
    if email.startswith("ana"):
        assert actions(accounts, made.person_id)[-1][0] == "lock"
        accounts.later(timedelta(seconds=31))
        assert isinstance(accounts.sign_in(), Session)
        for _ in range(4):  # and the count begins anew
            accounts.sign_in(email, "wrong")
        assert isinstance(accounts.sign_in(), Session)


def test_guesses_at_once_are_counted_like_others(accounts: Accounts) -> None:
    accounts.company()
    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(lambda _: accounts.sign_in(password="wrong"), range(12)))
    told = [o.error for o in outcomes if isinstance(o, Refused)]
    assert [type(error) for error in told].count(Unauthenticated) == 5
    assert [type(error) for error in told].count(TooManyGuesses) == 7
    assert isinstance(accounts.sign_in(), Refused)


def test_a_session_ends_with_its_time(accounts: Accounts) -> None:
    made = accounts.company()
    accounts.later(timedelta(hours=1, minutes=59))
    assert accounts.signed_in(made.session.token) is not None  # and is in use again
    accounts.later(timedelta(hours=1, minutes=59))
    assert accounts.signed_in(made.session.token) is not None
    accounts.later(timedelta(hours=2))
    assert accounts.signed_in(made.session.token) is None
    token = _session_of(accounts)
    for _ in range(11):
        accounts.later(timedelta(hours=1))
        assert accounts.signed_in(token) is not None
    accounts.later(timedelta(hours=1))  # whatever it is used for
    assert accounts.signed_in(token) is None
    with accounts.at_work():
        assert retention.forget_ended() == 2
        assert current_session().scalars(select(WebSession)).all() == []


def _session_of(accounts: Accounts) -> str:
    outcome = accounts.sign_in()
    assert isinstance(outcome, Session)
    return outcome.token


def test_a_page_costs_one_query_and_a_write_every_few_minutes(
    accounts: Accounts, engine: Engine
) -> None:
    made = accounts.company()
    statements: list[str] = []

    def seen(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement.split()[0])

    event.listen(engine, "before_cursor_execute", seen)
    accounts.signed_in(made.session.token)
    accounts.later(4 * MINUTE)
    accounts.signed_in(made.session.token)
    only = [one for one in statements if one not in ("BEGIN", "SET")]
    assert only == ["SELECT", "SELECT"]
    accounts.later(MINUTE)
    accounts.signed_in(made.session.token)
    accounts.signed_in(made.session.token)
    assert [s for s in statements if s not in ("BEGIN", "SET")].count("UPDATE") == 1


def test_people_of_a_company_that_has_left_are_let_in_no_more(accounts: Accounts) -> None:
    made = accounts.company()
    deregister(accounts, made)
    assert accounts.signed_in(made.session.token) is None
    outcome = accounts.sign_in()
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, Forbidden)


def test_people_of_a_suspended_company_are(accounts: Accounts) -> None:
    made = accounts.company()
    accounts.operate(service.activate_market_player, made.market_player_id, "Fine.", None)
    accounts.operate(service.suspend_market_player, made.market_player_id, "Review.", None)
    assert accounts.entered().player_state is MarketPlayerState.SUSPENDED


def test_without_local_accounts_nobody_comes_in_by_password(accounts: Accounts) -> None:
    accounts.company()
    accounts.settings(local_accounts=False)
    with pytest.raises(Forbidden, match="organisation"):
        accounts.sign_in()
    with pytest.raises(Forbidden):
        accounts.company("Other", "other@other.example")


def test_people_see_and_end_their_own_sessions(accounts: Accounts) -> None:
    made = accounts.company()
    other = accounts.company("Ponent", "pau@ponent.example")
    second = accounts.entered()
    with accounts.at_work():
        listed = sessions.list_sessions(made.person_id)
        assert listed[0].session_id == second.session_id
        assert len(listed) == 2
        assert (listed[0].address, listed[0].agent) == ("192.0.2.7", "Browser 1.0")
        with pytest.raises(NotFound):
            sessions.end_session(other.person_id, second.session_id)
        sessions.end_session(made.person_id, second.session_id)
        with pytest.raises(NotFound):
            sessions.end_session(made.person_id, second.session_id)
    accounts.entered()
    with accounts.at_work():
        assert sessions.end_other_sessions(made.person_id, listed[1].session_id) == 1
    assert accounts.signed_in(made.session.token) is not None
    assert accounts.signed_in(other.session.token) is not None


def test_neither_passwords_nor_tokens_are_stored(accounts: Accounts, engine: Engine) -> None:
    made = accounts.company()
    with engine.connect() as connection:
        for table in ("person", "web_session", "guess_count", "audit_entry"):
            for row in connection.execute(text(f"SELECT * FROM {table}")):
                assert PASSWORD not in str(row)
                assert made.session.token not in str(row)
        assert str(connection.scalar(select(Person.password_hash))).startswith("$argon2id$")


def test_a_password_of_other_costs_is_stored_anew(accounts: Accounts) -> None:
    made = accounts.company()
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with accounts.at_work():
        row = current_session().get(Person, made.person_id)
        assert row is not None
        row.password_hash = cheap
    accounts.entered()
    with accounts.at_work(read_only=True):
        row = current_session().get(Person, made.person_id)
        assert row is not None
        assert not hashing.is_outdated(row.password_hash or "")
    accounts.entered()


def test_signing_in_makes_no_new_version_of_a_person(accounts: Accounts) -> None:
    made = accounts.company()

    def version() -> int:
        with accounts.at_work(read_only=True):
            row = current_session().get(Person, made.person_id)
            assert row is not None
            assert row.last_signed_in_at is not None
            return row.version

    before = version()
    accounts.entered()
    accounts.sign_in(password="wrong")
    assert version() == before


def test_where_somebody_comes_from_may_be_anything(accounts: Accounts) -> None:
    accounts.company()
    with accounts.at_work():
        outcome = signing_in.sign_in(
            "ana@levante.example", PASSWORD, Origin("\x00", "\ud800<script>" * 100)
        )
    assert isinstance(outcome, Session)

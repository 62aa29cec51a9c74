from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import text

from marketplace.accounts import second_factor, signing_in
from marketplace.accounts.guessing import TooManyGuesses
from marketplace.accounts.signing_in import Challenge, Refused, Session, SignedIn
from mpp_sdk import clock
from mpp_sdk.errors import Conflict, Gone, InvalidInput, NotFound, Unauthenticated

from .conftest import ORIGIN, PASSWORD, Accounts

STEP = timedelta(seconds=30)


class Phone:
    """Somebody with an authenticator app, enrolled; codes are those of the accounts' time."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self.who: SignedIn = accounts.known(accounts.company().session.token)
        with accounts.at_work(self.who.principal):
            self.enrolment = second_factor.begin(self.who.person_id)
        with accounts.at_work(self.who.principal):
            assert second_factor.pending(self.who.person_id) == self.enrolment
            self.recovery = second_factor.confirm(self.who.person_id, self.code())

    def code(self, ahead: timedelta = timedelta(0)) -> str:
        return pyotp.TOTP(self.enrolment.secret).at(self.accounts.later(timedelta(0)) + ahead)

    def challenge(self) -> str:
        outcome = self.accounts.sign_in()
        assert isinstance(outcome, Challenge)
        return outcome.token

    def answer(self, challenge: str, code: str) -> Session | Refused:
        with self.accounts.at_work():
            return signing_in.answer_challenge(challenge, code, ORIGIN)

    def wrong(self) -> str:
        return next(c for c in ("000000", "111111", "222222", "333333") if not self._is_near(c))

    def _is_near(self, code: str) -> bool:
        return any(code == self.code(n * STEP) for n in range(-3, 4))


@pytest.fixture
def phone(accounts: Accounts) -> Phone:
    return Phone(accounts)


def test_a_challenge_is_no_session_and_is_answered_once(phone: Phone) -> None:
    accounts = phone.accounts
    challenge = phone.challenge()
    assert accounts.signed_in(challenge) is None
    refused = phone.answer(challenge, phone.wrong())
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, Unauthenticated)
    accounts.later(STEP)
    session = phone.answer(challenge, phone.code())
    assert isinstance(session, Session)
    assert accounts.known(session.token).person_id == phone.who.person_id
    accounts.later(STEP)
    with pytest.raises(Gone, match="Sign in again"):
        phone.answer(challenge, phone.code())
    with pytest.raises(NotFound):
        phone.answer("fxl_guessed", phone.code())


def test_a_challenge_ends_after_five_minutes(phone: Phone) -> None:
    challenge = phone.challenge()
    phone.accounts.later(timedelta(minutes=5))
    with pytest.raises(Gone):
        phone.answer(challenge, phone.code())


def test_a_code_works_once(phone: Phone) -> None:
    phone.accounts.later(STEP)
    code = phone.code()
    assert isinstance(phone.answer(phone.challenge(), code), Session)
    assert isinstance(phone.answer(phone.challenge(), code), Refused)
    # nor one of before, though the clocks may differ that much
    assert isinstance(phone.answer(phone.challenge(), phone.code(-STEP)), Refused)
    assert isinstance(phone.answer(phone.challenge(), phone.code(STEP)), Session)


def test_the_code_of_the_enrolment_is_used_up(phone: Phone) -> None:
    assert isinstance(phone.answer(phone.challenge(), phone.code(-STEP)), Refused)


def test_a_recovery_code_works_once_however_it_is_typed(phone: Phone) -> None:
    assert len(set(phone.recovery)) == 10
    typed = f" {phone.recovery[0].lower().replace('-', ' ')}"
    assert isinstance(phone.answer(phone.challenge(), typed), Session)
    assert isinstance(phone.answer(phone.challenge(), phone.recovery[0]), Refused)
    with phone.accounts.at_work(read_only=True):
        assert second_factor.recovery_codes_left(phone.who.person_id) == 9


@pytest.mark.parametrize("code", ["", "12345", "١٢٣٤٥٦", "\ud800\x00", "x" * 99_999])
def test_anything_else_is_refused(phone: Phone, code: str) -> None:
    assert isinstance(phone.answer(phone.challenge(), code), Refused)


def test_codes_cannot_be_tried_one_after_another(phone: Phone) -> None:
    for _ in range(5):  # each with a challenge of its own: the right password is no way around
        refused = phone.answer(phone.challenge(), phone.wrong())
        assert isinstance(refused, Refused)
        assert isinstance(refused.error, Unauthenticated)
    phone.accounts.later(STEP / 2)
    for code in (phone.recovery[0], phone.code()):
        refused = phone.answer(phone.challenge(), code)
        assert isinstance(refused, Refused)
        assert isinstance(refused.error, TooManyGuesses)
    phone.accounts.later(STEP)
    assert isinstance(phone.answer(phone.challenge(), phone.recovery[0]), Session)


def test_it_is_on_only_when_it_was_confirmed(accounts: Accounts) -> None:
    made = accounts.company()
    who = accounts.known(made.session.token)
    with accounts.at_work(who.principal):
        with pytest.raises(Conflict, match="Begin"):
            second_factor.confirm(who.person_id, "000000")
        enrolment = second_factor.begin(who.person_id)
        assert "Flexagora" in enrolment.uri
    with pytest.raises(InvalidInput) as refused, accounts.at_work(who.principal):
        second_factor.confirm(who.person_id, "x")
    assert refused.value.errors[0].pointer == "/code"
    assert isinstance(accounts.sign_in(), Session)
    with accounts.at_work(who.principal):
        assert not second_factor.is_on(who.person_id)
        second_factor.confirm(who.person_id, pyotp.TOTP(enrolment.secret).at(clock.now()))
    assert isinstance(accounts.sign_in(password=PASSWORD), Challenge)


def test_it_is_switched_off_by_a_code_alone(phone: Phone) -> None:
    who = phone.who

    def switch_off(code: str) -> Refused | None:
        with phone.accounts.at_work(who.principal):
            return second_factor.switch_off(who.person_id, code)

    assert switch_off(phone.wrong()) is not None
    for begin in (second_factor.begin, second_factor.pending):
        with pytest.raises(Conflict), phone.accounts.at_work(who.principal):
            begin(who.person_id)
    with phone.accounts.at_work(who.principal):
        codes = second_factor.renew_recovery_codes(who.person_id, phone.recovery[0])
    assert not isinstance(codes, Refused)
    assert switch_off(phone.recovery[1]) is not None
    assert switch_off(codes[1]) is None
    assert isinstance(phone.accounts.sign_in(), Session)
    with pytest.raises(Conflict):
        switch_off(codes[2])


def test_neither_the_secret_nor_recovery_codes_are_stored_plain(phone: Phone) -> None:
    with phone.accounts.environment.engine.connect() as connection:
        stored = [
            str(row)
            for table in ("person", "recovery_code", "audit_entry")
            for row in connection.execute(text(f"SELECT * FROM {table}"))
        ]
    for secret in (phone.enrolment.secret, *(code.replace("-", "") for code in phone.recovery)):
        assert not any(secret in row for row in stored)

from datetime import timedelta

import pytest

from marketplace.accounts import links, passwords, sessions
from marketplace.accounts.domain import LinkKind
from marketplace.accounts.guessing import TooManyGuesses
from marketplace.accounts.signing_in import Refused, Session
from mpp_sdk.errors import Forbidden, Gone, InvalidInput, NotFound, Unauthenticated

from .conftest import PASSWORD, Accounts

ANA = "ana@levante.example"
NEW = "another four words"


def ask(accounts: Accounts, email: str = ANA) -> None:
    with accounts.at_work():
        passwords.request_reset(email)


def reset(accounts: Accounts, token: str, password: str = NEW) -> None:
    with accounts.at_work():
        passwords.reset(token, password)


def test_a_link_sets_a_password_once_and_ends_every_session(accounts: Accounts) -> None:
    made = accounts.company()
    ask(accounts, "ANA@levante.example ")
    token = accounts.token(ANA)
    assert "https://market.example/password/reset?token=fxl_" in accounts.mails(ANA)[0]
    with accounts.at_work():
        assert passwords.read_reset(token) == ANA
    with pytest.raises(InvalidInput) as refused:
        reset(accounts, token, "short")
    assert refused.value.errors[0].pointer == "/password"
    reset(accounts, token)
    assert accounts.signed_in(made.session.token) is None
    assert isinstance(accounts.sign_in(), Refused)
    assert isinstance(accounts.sign_in(password=NEW), Session)
    assert "was changed" in accounts.mails(ANA)[0]
    with pytest.raises(Gone, match="Ask for another link"):
        reset(accounts, token)


def test_a_link_ends_with_its_hour_and_with_the_next(accounts: Accounts) -> None:
    accounts.company()
    ask(accounts)
    first = accounts.token(ANA)
    ask(accounts)
    with pytest.raises(Gone):
        reset(accounts, first)
    second = accounts.token(ANA)
    accounts.later(timedelta(hours=1))
    with pytest.raises(Gone, match="too old"):
        reset(accounts, second)
    with pytest.raises(NotFound):
        reset(accounts, "fxl_guessed")
    with pytest.raises(NotFound):
        reset(accounts, "\ud800\x00")


def test_a_link_is_for_one_purpose(accounts: Accounts) -> None:
    accounts.company()
    ask(accounts)
    token = accounts.token(ANA)
    with pytest.raises(NotFound), accounts.at_work():
        links.find(LinkKind.CHALLENGE, token)


@pytest.mark.parametrize("email", ["nobody@levante.example", "", "\x00", "\ud800", "x" * 9999])
def test_an_address_that_nobody_has_looks_the_same(accounts: Accounts, email: str) -> None:
    ask(accounts, email)
    if email and email.isprintable():
        assert accounts.mails(email) == []


def test_nobody_s_mailbox_is_flooded(accounts: Accounts) -> None:
    accounts.company()
    for _ in range(7):
        ask(accounts)
    assert len(accounts.mails(ANA)) == 5
    accounts.later(timedelta(hours=1))
    ask(accounts)
    assert len(accounts.mails(ANA)) == 6


def test_a_link_ends_the_wait_for_more_guesses(accounts: Accounts) -> None:
    accounts.company()
    for _ in range(6):
        accounts.sign_in(password="wrong")
    ask(accounts)
    reset(accounts, accounts.token(ANA))
    assert isinstance(accounts.sign_in(password=NEW), Session)


def test_who_knows_the_password_changes_it_and_ends_the_other_sessions(accounts: Accounts) -> None:
    made = accounts.company()
    here = accounts.entered()

    def change(current: str, new: str) -> Refused | None:
        with accounts.at_work(here.principal):
            return passwords.change(here.person_id, here.session_id, current, new)

    refused = change("wrong", NEW)
    assert refused is not None
    assert isinstance(refused.error, Unauthenticated)
    with pytest.raises(InvalidInput) as wrong:
        change(PASSWORD, "short")
    assert wrong.value.errors[0].pointer == "/new"
    assert change(PASSWORD, NEW) is None
    assert accounts.signed_in(made.session.token) is None
    with accounts.at_work(here.principal):
        assert [s.session_id for s in sessions.list_sessions(here.person_id)] == [here.session_id]
    for _ in range(5):
        change("wrong", NEW)
    refused = change(NEW, PASSWORD)
    assert refused is not None
    assert isinstance(refused.error, TooManyGuesses)


def test_without_local_accounts_there_are_no_passwords(accounts: Accounts) -> None:
    accounts.company()
    ask(accounts)
    token = accounts.token(ANA)
    accounts.settings(local_accounts=False)
    with pytest.raises(Forbidden):
        ask(accounts)
    with pytest.raises(Forbidden):
        reset(accounts, token)

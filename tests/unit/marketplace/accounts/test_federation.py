from dataclasses import replace

import pytest
from sqlalchemy import select

from marketplace.accounts import federation, passwords, people
from marketplace.accounts.domain import PersonRole
from marketplace.accounts.federation import Identity
from marketplace.accounts.signing_in import Challenge, Refused, Session
from marketplace.accounts.tables import Person
from marketplace.core.unit_of_work import current_session
from marketplace.identity import service
from marketplace.identity.domain import MarketPlayerRole
from marketplace.identity.service import Statement
from mpp_sdk.errors import Forbidden

from .conftest import OPERATOR, ORIGIN, Accounts, deregister

ANA = Identity("https://login.example", "248289761001", "Ana@levante.example", True, "Ana at Login")
BO = replace(ANA, subject="bo", email="bo@levante.example", name="Bo\nVidal\x00")


def enter(accounts: Accounts, identity: Identity) -> Session | Challenge | Refused:
    with accounts.at_work():
        return federation.sign_in_federated(identity, ORIGIN)


def entered(accounts: Accounts, identity: Identity) -> str:
    outcome = enter(accounts, identity)
    assert isinstance(outcome, Session)
    return outcome.token


def invite(accounts: Accounts, company: str, email: str = "bo@levante.example") -> None:
    """Have a company, registered by REST, invite somebody."""
    statement = Statement(company, frozenset({MarketPlayerRole.DSO}), "ES", "a@b.example")
    with accounts.at_work():
        player, _ = service.register_market_player(statement)
    with accounts.at_work(OPERATOR):
        people.invite(player.id, email, "Bo", frozenset({PersonRole.REQUESTER}))


def test_who_was_invited_is_let_in_without_a_password(accounts: Accounts) -> None:
    accounts.settings(local_accounts=False)
    invite(accounts, "Levante")
    known = accounts.known(entered(accounts, BO))
    assert (known.name, known.company) == ("BoVidal", "Levante")
    assert known.principal.roles == {"requester"}
    # from then on by the identity alone, whatever becomes of the address
    moved = replace(BO, email=None, email_verified=False)
    assert accounts.known(entered(accounts, moved)).person_id == known.person_id
    with pytest.raises(Forbidden, match="invited"):
        enter(accounts, replace(BO, subject="another", email="cai@levante.example"))


@pytest.mark.parametrize("email", [None, "bo@levante.example"])
def test_an_address_that_the_provider_has_not_verified_is_none(
    accounts: Accounts, email: str | None
) -> None:
    invite(accounts, "Levante")
    with pytest.raises(Forbidden, match="verified"):
        enter(accounts, replace(BO, email=email, email_verified=email is None))


def test_nobody_comes_in_uninvited(accounts: Accounts) -> None:
    with pytest.raises(Forbidden, match="Nobody has invited"):
        enter(accounts, ANA)
    with accounts.at_work(read_only=True):
        assert current_session().scalars(select(Person)).all() == []


def test_whoever_signed_up_with_another_s_address_does_not_get_its_identity(
    accounts: Accounts,
) -> None:
    made = accounts.company()
    with pytest.raises(Forbidden, match="Have a link sent"):
        enter(accounts, ANA)
    with accounts.at_work():
        passwords.request_reset("ana@levante.example")
    token = accounts.token("ana@levante.example")
    with accounts.at_work():
        passwords.reset(token, "another four words")
    assert accounts.known(entered(accounts, ANA)).person_id == made.person_id
    with pytest.raises(Forbidden, match="Another account"):
        enter(accounts, replace(ANA, subject="another"))


def test_identities_of_two_providers_are_two(accounts: Accounts) -> None:
    invite(accounts, "Levante")
    entered(accounts, BO)
    with pytest.raises(Forbidden):
        enter(accounts, replace(BO, issuer="https://evil.example", email="x@evil.example"))
    for long in (replace(BO, subject="x" * 256), replace(BO, issuer="x" * 501)):
        with pytest.raises(Forbidden):
            enter(accounts, long)


def test_somebody_of_another_company_comes_in_as_that(accounts: Accounts) -> None:
    invite(accounts, "Levante")
    entered(accounts, BO)
    invite(accounts, "Ponent")  # which changes nothing: the address has its person
    assert accounts.known(entered(accounts, BO)).company == "Levante"


def test_of_a_company_that_has_left_nobody_is_let_in(accounts: Accounts) -> None:
    made = accounts.company()
    by = accounts.known(made.session.token).principal
    with accounts.at_work(by):
        people.invite(
            made.market_player_id, "bo@levante.example", "Bo", frozenset({PersonRole.PROVIDER})
        )
    entered(accounts, BO)
    with accounts.at_work(by):
        people.invite(
            made.market_player_id, "cai@levante.example", "Cai", frozenset({PersonRole.PROVIDER})
        )
    deregister(accounts, made)
    assert isinstance(enter(accounts, BO), Refused)
    with pytest.raises(Forbidden, match="Nobody has invited"):
        enter(accounts, replace(BO, subject="cai", email="cai@levante.example"))

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from marketplace.accounts import invitations, people
from marketplace.accounts.domain import IN_COMPANIES, OF_OPERATORS, PersonRole
from marketplace.accounts.membership import add_person
from marketplace.accounts.people import Invited, SignedUp
from marketplace.accounts.sessions import Session
from marketplace.accounts.tables import Person
from marketplace.core.audit import AuditEntry
from marketplace.core.etag import etag
from marketplace.core.unit_of_work import current_session
from marketplace.identity import service
from marketplace.identity.access import MarketplacePrincipal
from marketplace.identity.domain import AccessRole, CredentialKind, MarketPlayerRole
from marketplace.identity.repository import MarketPlayerFilter
from marketplace.identity.service import PlatformStatement, Statement
from mpp_sdk.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
)
from mpp_sdk.ids import new_id

from .conftest import OPERATOR, ORIGIN, PASSWORD, Accounts, deregister

ADMINISTRATOR = frozenset({PersonRole.ADMINISTRATOR})
PROVIDER = frozenset({PersonRole.PROVIDER})
BO = "bo@levante.example"


def principal(accounts: Accounts, made: SignedUp) -> MarketplacePrincipal:
    return accounts.known(made.session.token).principal


def invited(
    accounts: Accounts,
    by: MarketplacePrincipal,
    email: str = BO,
    roles: frozenset[PersonRole] = PROVIDER,
) -> Invited:
    with accounts.at_work(by):
        return people.invite(by.market_player_id, email, "Bo Vidal", roles, "de")


def accepted(accounts: Accounts, token: str) -> MarketplacePrincipal:
    with accounts.at_work():
        session = people.accept_invitation(token, "Bo Vidal", PASSWORD, "de", None, ORIGIN)
    return accounts.known(session.token).principal


def colleague(
    accounts: Accounts, by: MarketplacePrincipal, roles: frozenset[PersonRole] = PROVIDER
) -> MarketplacePrincipal:
    invited(accounts, by, roles=roles)
    return accepted(accounts, accounts.token(BO))


def test_a_company_signs_up_once_for_an_address(accounts: Accounts) -> None:
    accounts.company()
    with pytest.raises(InvalidInput) as refused:
        accounts.company("Other", "ANA@levante.example")
    assert refused.value.errors[0].pointer == "/email"
    with accounts.at_work(OPERATOR):
        players = service.list_market_players(MarketPlayerFilter(), 9, None).items
        assert [player.name for player in players] == ["Levante"]  # no company without people


@pytest.mark.parametrize(
    ("name", "email", "password", "locale", "zone", "pointer"),
    [
        ("", "a@b.example", PASSWORD, None, None, "/name"),
        ("Ana", "a@b", PASSWORD, None, None, "/email"),
        ("Ana", "a@b.example", "short", None, None, "/password"),
        ("Ana", "a@b.example", "Levante Levante", None, None, "/password"),
        ("Ana", "a@b.example", PASSWORD, "xx", None, "/locale"),
        ("Ana", "a@b.example", PASSWORD, None, "Mars", "/timeZone"),
    ],
)
def test_what_is_wrong_at_sign_up_is_named(
    accounts: Accounts,
    name: str,
    email: str,
    password: str,
    locale: str | None,
    zone: str | None,
    pointer: str,
) -> None:
    statement = Statement("Levante", frozenset({MarketPlayerRole.DSO}), "ES", "a@b.example")
    with pytest.raises(InvalidInput) as refused, accounts.at_work():
        people.sign_up(statement, name, email, password, locale, zone, ORIGIN)
    assert refused.value.errors[0].pointer == pointer


def test_an_invitation_is_accepted_once(accounts: Accounts) -> None:
    made = accounts.company()
    by = principal(accounts, made)
    offer = invited(accounts, by)
    assert (offer.company, offer.invited_by, offer.email) == ("Levante", "Ana Ruiz (Levante)", BO)
    token = accounts.token(BO)
    assert "Guten Tag Bo Vidal" in accounts.mails(BO)[0]
    assert "https://market.example/invitation?token=fxl_" in accounts.mails(BO)[0]
    with accounts.at_work(read_only=True):
        assert people.read_invitation(token) == offer
    who = accepted(accounts, token)
    assert who.roles == {"provider"}
    assert who.market_player_id == made.market_player_id
    assert not who.administers
    with pytest.raises(Gone, match="Ask whoever invited you"):
        accepted(accounts, token)
    with accounts.at_work(by):
        assert people.list_invitations(made.market_player_id) == []
        listed = people.list_people(made.market_player_id).items
        assert [person.name for person in listed] == ["Bo Vidal", "Ana Ruiz"]
        assert listed[0].email_proven_at is not None


def test_an_invitation_ends(accounts: Accounts) -> None:
    made = accounts.company()
    by = principal(accounts, made)
    with pytest.raises(NotFound):
        accepted(accounts, "fxl_guessed")
    invited(accounts, by)
    first = accounts.token(BO)
    invited(accounts, by)  # replaced by another
    with pytest.raises(Gone):
        accepted(accounts, first)
    second = accounts.token(BO)
    with accounts.at_work(by):
        [open_one] = people.list_invitations(made.market_player_id)
        people.withdraw_invitation(open_one.invitation_id)
    with pytest.raises(Gone):
        accepted(accounts, second)
    with pytest.raises(Gone), accounts.at_work(by):
        people.withdraw_invitation(open_one.invitation_id)
    invited(accounts, by)
    third = accounts.token(BO)
    accounts.later(timedelta(days=7))
    with pytest.raises(Gone, match="too old"):
        accepted(accounts, third)


def test_a_company_floods_nobody_with_invitations(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "_MOST_A_DAY", 2)
    by = principal(accounts, accounts.company())
    invited(accounts, by)
    invited(accounts, by)
    with pytest.raises(Conflict, match="within a day"):
        invited(accounts, by)
    accounts.later(timedelta(days=1))
    invited(accounts, by)


def test_an_invitation_of_a_company_that_has_left_is_worth_nothing(accounts: Accounts) -> None:
    made = accounts.company()
    invited(accounts, principal(accounts, made))
    deregister(accounts, made)
    with pytest.raises(Gone, match="left the market"):
        accepted(accounts, accounts.token(BO))


def test_somebody_of_another_company_cannot_be_told_from_a_stranger(accounts: Accounts) -> None:
    by = principal(accounts, accounts.company())
    accounts.company("Ponent", "pau@ponent.example")
    invited(accounts, by, "pau@ponent.example")
    with pytest.raises(InvalidInput, match="Sign in instead"):
        accepted(accounts, accounts.token("pau@ponent.example"))
    with pytest.raises(InvalidInput, match="Ana Ruiz has this address"):
        invited(accounts, by, "Ana@levante.example")


def test_only_administrators_deal_with_people(accounts: Accounts) -> None:
    made = accounts.company()
    by = principal(accounts, made)
    who = colleague(accounts, by)
    assert who.person_id is not None
    company, ana = made.market_player_id, made.person_id
    other = principal(accounts, accounts.company("Ponent", "pau@ponent.example"))
    offer = invited(accounts, by, "cai@levante.example")
    for caller, error in ((who, Forbidden), (other, NotFound)):
        calls: tuple[Callable[[], object], ...] = (
            lambda: people.invite(company, "x@y.example", "X", PROVIDER),
            lambda: people.list_invitations(company),
            lambda: people.withdraw_invitation(offer.invitation_id),
            lambda: people.change_roles(ana, PROVIDER, "*"),
            lambda: people.remove(ana, None),
        )
        for call in calls:
            with pytest.raises(error), accounts.at_work(caller):
                call()
    with accounts.at_work(who):
        assert len(people.list_people(company).items) == 2
        people.read_person(ana)
    calls = (lambda: people.list_people(company), lambda: people.read_person(ana))
    for call in calls:
        with pytest.raises(NotFound), accounts.at_work(other):
            call()
    calls = (
        lambda: people.list_people(None),
        lambda: people.invite(None, "x@y.example", "X", frozenset({PersonRole.OPERATOR})),
        lambda: people.list_invitations(None),
    )
    for call in calls:
        with pytest.raises(Forbidden), accounts.at_work(by):
            call()
    with pytest.raises(NotFound), accounts.at_work(by):
        people.read_person(new_id())
    with pytest.raises(InvalidInput), accounts.at_work(by):
        people.invite(company, "x@y.example", "X", frozenset({PersonRole.OPERATOR}))


def test_only_administrators_deal_with_the_company_s_settings(accounts: Accounts) -> None:
    made = accounts.company()
    by = principal(accounts, made)
    who = colleague(accounts, by)
    company = made.market_player_id
    statement = Statement("Other", frozenset({MarketPlayerRole.DSO}), "ES", "a@b.example")
    platform = PlatformStatement("http://192.0.2.1", "a-key-of-20-characters", False)
    provider = frozenset({AccessRole.PROVIDER})
    calls: tuple[Callable[[], object], ...] = (
        lambda: service.edit_market_player(company, statement, "*"),
        lambda: service.set_platform(company, platform, None),
        lambda: service.test_platform(company),
        lambda: service.issue_credential(company, CredentialKind.API_KEY, "x", provider),
        lambda: service.revoke_credential(company, new_id(), "x"),
    )
    other = principal(accounts, accounts.company("Ponent", "pau@ponent.example"))
    for call in calls:
        with pytest.raises(Forbidden, match="administrator"), accounts.at_work(who):
            call()
        with pytest.raises(NotFound), accounts.at_work(other):
            call()
    with accounts.at_work(who):
        service.list_credentials(company, None, 9, None)
        service.read_market_player(company)
    with accounts.at_work(by):
        service.edit_market_player(company, statement, "*")


def test_an_administrator_issues_any_role_of_a_company(accounts: Accounts) -> None:
    made = accounts.company()
    who = colleague(accounts, principal(accounts, made), ADMINISTRATOR)
    assert who.roles == set()
    both = frozenset({AccessRole.PROVIDER, AccessRole.REQUESTER})
    with accounts.at_work(who):
        issued = service.issue_credential(
            made.market_player_id, CredentialKind.OAUTH2_CLIENT, "scripts", both
        )
        assert issued.credential.scope == "provider requester"
    with pytest.raises(Forbidden, match="operator"), accounts.at_work(who):
        service.issue_credential(
            made.market_player_id,
            CredentialKind.OAUTH2_CLIENT,
            "scripts",
            frozenset({AccessRole.OPERATOR}),
        )


def test_a_company_keeps_an_administrator(accounts: Accounts) -> None:
    made = accounts.company()
    by = principal(accounts, made)
    for caller in (by, OPERATOR):
        with pytest.raises(Conflict, match="administrator"), accounts.at_work(caller):
            people.change_roles(made.person_id, PROVIDER, "*")
        with pytest.raises(Conflict, match="administrator"), accounts.at_work(caller):
            people.remove(made.person_id, None)
    who = colleague(accounts, by, ADMINISTRATOR)
    with accounts.at_work(by):
        people.change_roles(made.person_id, PROVIDER, "*")
    assert principal(accounts, made).roles == {"provider"}
    assert who.person_id is not None
    with pytest.raises(Conflict), accounts.at_work(OPERATOR):
        people.remove(who.person_id, None)


def test_roles_change_at_once_and_from_the_present_version(accounts: Accounts) -> None:
    made = accounts.company()
    by = principal(accounts, made)
    who = colleague(accounts, by)
    assert who.person_id is not None
    with accounts.at_work(by):
        before = etag(people.read_person(who.person_id))
        people.change_roles(who.person_id, IN_COMPANIES, before)
    assert accounts.entered(BO).roles == IN_COMPANIES
    with pytest.raises(PreconditionFailed), accounts.at_work(by):
        people.change_roles(who.person_id, PROVIDER, before)
    with pytest.raises(PreconditionRequired), accounts.at_work(by):
        people.change_roles(who.person_id, PROVIDER, None)
    with pytest.raises(InvalidInput), accounts.at_work(by):
        people.change_roles(who.person_id, frozenset(), "*")
    with accounts.at_work(OPERATOR):
        entries = current_session().scalars(
            select(AuditEntry).where(AuditEntry.entity_id == str(who.person_id))
        )
        reasons = {entry.action: entry.reason for entry in entries}
    assert reasons["change-roles"] == "provider -> administrator, provider, requester"


def test_who_is_removed_is_out_at_once_and_may_come_again(accounts: Accounts) -> None:
    made = accounts.company()
    by = principal(accounts, made)
    colleague(accounts, by)
    entered = accounts.entered(BO)
    with accounts.at_work(by):
        people.remove(entered.person_id, None)
    assert not isinstance(accounts.sign_in(BO), Session)
    with accounts.at_work(by):
        assert len(people.list_people(made.market_player_id).items) == 1
        with pytest.raises(NotFound):
            people.read_person(entered.person_id)
    again = colleague(accounts, by)
    assert again.person_id != entered.person_id
    with accounts.at_work(read_only=True):
        row = current_session().get(Person, entered.person_id)
        assert row is not None
        assert (row.password_hash, row.encrypted_totp_secret) == (None, None)


def test_operators_invite_operators_and_the_first_people_of_a_company(accounts: Accounts) -> None:
    with accounts.at_work(OPERATOR):
        people.invite(None, BO, "Bo Vidal", frozenset({PersonRole.OPERATOR}))
    assert "invites you to act for the marketplace" in accounts.mails(BO)[0]
    who = accepted(accounts, accounts.token(BO))
    assert who.is_operator
    assert who.market_player_id is None
    assert who.name == "Bo Vidal"
    statement = Statement("By REST", frozenset({MarketPlayerRole.DSO}), "ES", "a@b.example")
    with accounts.at_work():
        player, _ = service.register_market_player(statement)
    with accounts.at_work(who):
        people.invite(player.id, "cai@rest.example", "Cai", IN_COMPANIES)
        assert [person.name for person in people.list_people(None).items] == ["Bo Vidal"]
    first = accepted(accounts, accounts.token("cai@rest.example"))
    assert first.market_player_id == player.id
    assert first.administers


def test_people_state_how_they_want_to_be_named_and_shown_things(accounts: Accounts) -> None:
    made = accounts.company()
    by = principal(accounts, made)
    with accounts.at_work(by):
        people.change_profile("Ana R.", "de", None, "*")
    known = accounts.known(made.session.token)
    assert (known.name, known.locale, known.time_zone) == ("Ana R.", "de", None)
    with pytest.raises(PreconditionFailed), accounts.at_work(by):
        people.change_profile("Ana", None, None, '"1"')
    with pytest.raises(NotFound), accounts.at_work(OPERATOR):
        people.change_profile("Ana", None, None, "*")


def test_an_operator_is_removed_by_another_one(accounts: Accounts) -> None:
    with accounts.at_work(OPERATOR):
        first = add_person(
            new_id(), None, "olivia@market.example", "Olivia", OF_OPERATORS, "invite"
        )
        other = add_person(new_id(), None, "otto@market.example", "Otto", OF_OPERATORS, "invite")
        first_id, other_id = first.id, other.id
    herself = MarketplacePrincipal(
        f"person:{first_id}", "Olivia", frozenset({"operator"}), person_id=first_id
    )
    with pytest.raises(Conflict), accounts.at_work(herself):
        people.remove(first_id, None)
    with accounts.at_work(herself):
        people.remove(other_id, None)
    with accounts.at_work(herself, read_only=True):
        assert [one.name for one in people.list_people(None).items] == ["Olivia"]

"""Companies with people at a website, and business that they do by its services."""

from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from marketplace.accounts import hashing, membership
from marketplace.accounts.domain import PersonRole
from marketplace.identity import service as identity
from mpp_sdk.ids import new_id
from tests.functional.website.browserless import PASSWORD, Visitor, sign_in, sign_up
from tests.functional.website.places import Place
from tests.unit.marketplace.market import OPERATOR, Company, Market


@dataclass(frozen=True)
class Member:
    """A company whose first person, with every role, is signed in."""

    company: Company
    visitor: Visitor

    @property
    def id(self) -> UUID:
        """The company's id."""
        return self.company.id


class Business:
    """A website, and what companies do by the services behind it."""

    def __init__(self, place: Place) -> None:
        self.url = place.url
        self.market = Market(place.application.environment)
        self._place = place

    def member(self, name: str) -> Member:
        """Return a company that has signed up on the page, is approved and has a platform."""
        visitor = self.newcomer(name)
        company = Company(self._place.company(name), name)
        self.market.call(OPERATOR, identity.activate_market_player, company.id, "Fine.", None)
        self.market.state_platform(company)
        return Member(company, visitor)

    def newcomer(self, name: str) -> Visitor:
        """Return somebody whose company has just signed up."""
        return sign_up(self.url, name, f"{_letters(name)}@company.example")

    def colleague(self, member: Member, *roles: PersonRole) -> Visitor:
        """Return another person of a company, with these roles only."""
        name = "-".join(sorted(roles))
        return self._person(
            f"{name}-{_letters(member.company.name)}@company.example", member, roles
        )

    @cached_property
    def operator(self) -> Visitor:
        """An operator who is signed in."""
        return self._person("op@flexagora.example", None, (PersonRole.OPERATOR,))

    def _person(self, email: str, member: Member | None, roles: tuple[PersonRole, ...]) -> Visitor:
        company_id = member.id if member else None
        with self.market.working(None):
            person = membership.add_person(
                new_id(), company_id, email, "Bob", frozenset(roles), "sign-up"
            )
            person.password_hash = hashing.hash_password(PASSWORD)
        return sign_in(self.url, email)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalpha())

"""Where the demonstration is played: everything is done by the services, as whoever does it."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from marketplace.accounts import hashing
from marketplace.accounts.domain import IN_COMPANIES, OF_OPERATORS
from marketplace.accounts.membership import add_person
from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import unit_of_work
from marketplace.delivery import queue
from marketplace.demo_data.cast import OPERATOR, Part
from marketplace.identity import service as identity
from marketplace.identity.access import MarketplacePrincipal, acting_for
from marketplace.identity.domain import AccessRole, MarketPlayerState
from marketplace.identity.service import PlatformStatement, Statement
from mpp_sdk import clock
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import Answer, Event, Sent, Settlement

_LANES = 100
_DURATION_MS = 240
_ZONE = "Europe/Madrid"


@dataclass(frozen=True)
class Access:
    """Where a platform is, and the first key that it takes."""

    base_url: str
    api_key: str


@dataclass
class Stage:
    """The marketplace of the demonstration and the companies on it, by their parts' names.

    password opens every account of the demonstration; it is made anew each time.
    """

    environment: Environment
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    companies: dict[str, UUID] = field(default_factory=dict)

    @contextmanager
    def operator(self) -> Iterator[None]:
        """Run a block as one unit of work of the marketplace's operator."""
        name, _ = OPERATOR
        roles = frozenset[str]({AccessRole.OPERATOR})
        with self._work(MarketplacePrincipal("person:demo-operator", name, roles)):
            yield

    @contextmanager
    def acting(self, part: Part) -> Iterator[None]:
        """Run a block as one unit of work of a company's person."""
        with self._work(
            MarketplacePrincipal(
                subject=f"person:{part.email}",
                name=f"{part.person} ({part.name})",
                roles=frozenset({AccessRole.PROVIDER, AccessRole.REQUESTER}),
                market_player_id=self.companies[part.name],
                player_state=MarketPlayerState.ACTIVE,
            )
        ):
            yield

    @contextmanager
    def _work(self, principal: MarketplacePrincipal) -> Iterator[None]:
        with (
            in_environment(self.environment),
            acting_for(principal),
            unit_of_work(self.environment.engine),
        ):
            yield

    def people(self, *parts: Part) -> None:
        """Let the operator, and a person of each company, sign in."""
        stored = hashing.hash_password(self.password)
        with self.operator():
            name, email = OPERATOR
            operator = add_person(new_id(), None, email, name, OF_OPERATORS, "invite")
            operator.password_hash, operator.time_zone = stored, _ZONE
            for part in parts:
                company = self.companies[part.name]
                person = add_person(
                    new_id(), company, part.email, part.person, IN_COMPANIES, "sign-up"
                )
                person.password_hash, person.time_zone = stored, _ZONE

    def register(self, part: Part) -> None:
        """Have a company sign up."""
        with self.operator():
            statement = Statement(part.name, part.roles, part.country, part.email)
            self.companies[part.name] = identity.register_company(statement).id

    def approve(self, part: Part) -> None:
        """Have the operator let a company take part."""
        with self.operator():
            identity.activate_market_player(
                self.companies[part.name], "The licence was verified.", None
            )

    def connect(self, part: Part, base_url: str, api_key: str) -> str:
        """State where a company's platform is; return the signing secret."""
        with self.acting(part):
            statement = PlatformStatement(base_url, api_key, rotate_signing_secret=False)
            state = identity.set_platform(self.companies[part.name], statement, None)
        if state.signing_secret is None:
            raise RuntimeError("The platform has a signing secret already.")
        return state.signing_secret

    def deliver(self, answer: Callable[[Event], Answer]) -> None:
        """Have every event that is due now answered as a made-up platform would."""
        outbox = queue.outbox_of(self.environment)
        while claims := outbox.claim("demonstration", _LANES, clock.now()):
            settlements = [
                Settlement(
                    claim.lease,
                    [
                        Sent(event, clock.now(), _DURATION_MS, answer(event))
                        for event in claim.events
                    ],
                    release=True,
                )
                for claim in claims
            ]
            outbox.settle(settlements, clock.now())


def _sent(event: Event, answer: Answer) -> Sent:
    return Sent(event, clock.now(), _DURATION_MS, answer)

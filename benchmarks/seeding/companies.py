"""Companies: with people, a platform, credentials, and tests of the integration."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from benchmarks.seeding.chance import Chance
from benchmarks.seeding.loading import Loader, Row
from benchmarks.seeding.trail import Trail
from benchmarks.seeding.words import COUNTRIES, FIRST_NAMES, LAST_NAMES, PLACES, REASONS, TRADES
from marketplace.identity.domain import CredentialKind, MarketPlayerRole, MarketPlayerState
from mpp_sdk.secrets import hash_secret

OPERATOR = ("person:operator", "Olga Keller")
OPERATOR_EMAIL = "operator@flexagora.example"
PROVIDER_EMAIL = "person-0@company-0.example"
REQUESTER_EMAIL = "person-0@company-1.example"
"""Who signs in for the largest provider and the largest requester: all the three have PASSWORD."""

_PROVIDING = (
    MarketPlayerRole.DSO,
    MarketPlayerRole.METERED_DATA_OPERATOR,
    MarketPlayerRole.TSO,
)
_REQUESTING = (
    MarketPlayerRole.AGGREGATOR,
    MarketPlayerRole.RETAILER,
    MarketPlayerRole.ESCO,
    MarketPlayerRole.BRP,
)
_STEPS = ("resolve", "connect", "authenticate", "test-connection")
_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Secrets:
    """What every company has the same of: encrypting it for each would take most of the time."""

    encrypted: str
    password_hash: str


@dataclass(frozen=True)
class Company:
    """A company of the market. down_since is since when its platform has not answered."""

    id: UUID
    name: str
    state: MarketPlayerState
    roles: tuple[MarketPlayerRole, ...]
    created_at: datetime
    administrator: tuple[str, str]
    email: str
    down_since: datetime | None


def add_companies(
    loader: Loader, chance: Chance, trail: Trail, count: int, given: Secrets
) -> list[Company]:
    """Add so many companies and return them: a quarter provides, most of the others request."""
    companies = []
    for number in range(count):
        company = _company(chance, number)
        _add(loader, chance, trail, company, given)
        companies.append(company)
    return companies


def add_operators(loader: Loader, chance: Chance, given: Secrets) -> UUID:
    """Add the people who run the marketplace; return the id of the first."""
    first = _add_person(loader, chance, None, OPERATOR[1], OPERATOR_EMAIL, "operator", given)
    for number in range(4):
        name = f"{FIRST_NAMES[number]} {LAST_NAMES[number]}"
        email = f"operator-{number}@flexagora.example"
        _add_person(loader, chance, None, name, email, "operator", given)
    return first


def _company(chance: Chance, number: int) -> Company:
    providing = number % 4 == 0
    role = chance.choice(_PROVIDING if providing else _REQUESTING)
    # The first and largest are what the sign-ins of the measurement look at.
    usual = number < 8 or chance.happens(0.96)
    state = MarketPlayerState.ACTIVE if usual else chance.choice(list(MarketPlayerState))
    created = chance.ago(4 * _YEAR, timedelta(days=2))
    down = number >= 8 and state is MarketPlayerState.ACTIVE and chance.happens(0.02)
    person = f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}"
    return Company(
        id=chance.id_at(created),
        name=f"{chance.choice(PLACES)} {chance.choice(TRADES)} {number}",
        state=state,
        roles=(role,),
        created_at=created,
        administrator=(f"person:{chance.id_at(created)}", person),
        email=f"person-0@company-{number}.example",
        down_since=chance.ago(timedelta(days=3), timedelta(hours=1)) if down else None,
    )


def _add(loader: Loader, chance: Chance, trail: Trail, company: Company, given: Secrets) -> None:
    created, player = company.created_at, company.id
    loader.add(
        "market_player",
        id=player,
        name=company.name,
        country=chance.choice(COUNTRIES),
        contact_email=company.email,
        state=company.state,
        state_reason=chance.choice(REASONS),
        created_at=created,
        updated_at=created,
        version=2,
    )
    for role in company.roles:
        loader.add("market_player_role", market_player_id=player, role=role)
    trail.note(
        "MarketPlayer", player, "register", created, actor=company.administrator,
        after="PENDING", player=player,
    )  # fmt: skip
    for before, after, action in _way_to(company.state):
        trail.note(
            "MarketPlayer", player, action, chance.after(created, timedelta(days=3)),
            actor=OPERATOR, before=before, after=after, reason="Verified.", player=player,
        )  # fmt: skip
    host = company.email.partition("@")[2]
    for number, roles in enumerate(("administrator provider requester", "provider", "requester")):
        name = f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}"
        person = company.administrator[1] if number == 0 else name
        _add_person(loader, chance, player, person, f"person-{number}@{host}", roles, given)
    _add_platform(loader, chance, company, given)
    _add_credentials(loader, chance, company)


def _way_to(state: MarketPlayerState) -> Iterator[tuple[str, str, str]]:
    if state is not MarketPlayerState.PENDING:
        yield "PENDING", "ACTIVE", "activate"
    if state is MarketPlayerState.SUSPENDED:
        yield "ACTIVE", "SUSPENDED", "suspend"
    if state is MarketPlayerState.DEREGISTERED:
        yield "ACTIVE", "DEREGISTERED", "deregister"


def _add_person(
    loader: Loader, chance: Chance, player: UUID | None, name: str, email: str, roles: str,
    given: Secrets,
) -> UUID:  # fmt: skip
    created = chance.ago(_YEAR)
    person = chance.id_at(created)
    loader.add(
        "person",
        id=person,
        market_player_id=player,
        email=email,
        email_key=email,
        email_proven_at=created,
        name=name,
        held_roles=roles,
        state="ACTIVE",
        password_hash=given.password_hash,
        created_at=created,
        last_signed_in_at=chance.after(created, _YEAR),
        version=1,
    )
    return person


def _add_platform(loader: Loader, chance: Chance, company: Company, given: Secrets) -> None:
    player, created = company.id, company.created_at
    loader.add(
        "platform",
        market_player_id=player,
        base_url=f"https://platform.{company.email.partition('@')[2]}",
        updated_at=created,
        version=1,
    )
    loader.add(
        "platform_key",
        market_player_id=player,
        encrypted_key=given.encrypted,
        obtained_at=created,
        valid_until=chance.now + _YEAR * chance.random(),
        next_refresh_at=chance.now + timedelta(days=60),
        failures=3 if chance.happens(0.005) else 0,
    )
    loader.add(
        "signing_secret",
        id=chance.id_at(created),
        market_player_id=player,
        encrypted_secret=given.encrypted,
    )
    for _ in range(chance.randint(1, 4)):
        _add_test(loader, chance, company)
    loader.add(
        "outbox_lane",
        name=str(player),
        breaker_state="OPEN" if company.down_since else "CLOSED",
        consecutive_failures=12 if company.down_since else 0,
        probe_at=chance.now + timedelta(minutes=5) if company.down_since else None,
        due_at=chance.now + timedelta(minutes=5) if company.down_since else None,
    )


def _add_test(loader: Loader, chance: Chance, company: Company) -> None:
    at = chance.after(company.created_at, _YEAR)
    failing = chance.randrange(len(_STEPS)) if chance.happens(0.05) else len(_STEPS)
    steps = []
    for number, name in enumerate(_STEPS):
        outcome = "PASSED" if number < failing else "FAILED" if number == failing else "SKIPPED"
        detail = "The answer is the contract's." if outcome == "PASSED" else "It did not answer."
        steps.append({"name": name, "outcome": outcome, "detail": detail, "durationMs": 12})
    loader.add(
        "integration_test",
        id=chance.id_at(at),
        market_player_id=company.id,
        passed=failing == len(_STEPS),
        started_at=at,
        steps=json.dumps(steps),
    )


def _add_credentials(loader: Loader, chance: Chance, company: Company) -> None:
    at = company.created_at
    client, keyed = chance.id_at(at), chance.id_at(at)
    common: Row = {"market_player_id": company.id, "created_at": at, "last_used_at": chance.now}
    loader.add(
        "credential",
        id=client,
        kind=CredentialKind.OAUTH2_CLIENT,
        label="people",
        scope="provider requester",
        client_id=f"client-{client}",
        secret_hash=hash_secret(str(client)),
        **common,
    )
    loader.add(
        "credential",
        id=keyed,
        kind=CredentialKind.API_KEY,
        label="platform",
        scope="provider requester",
        **common,
    )
    ends = chance.now + timedelta(days=90) * chance.random()
    loader.add(
        "api_key",
        id=chance.id_at(at),
        credential_id=keyed,
        key_hash=hash_secret(str(keyed)),
        valid_from=at,
        expires_at=ends,
        ends_at=ends,
        first_used_at=at,
    )

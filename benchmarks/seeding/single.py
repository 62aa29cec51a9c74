"""What there is little of in any market, so that every page has something to show."""

from datetime import UTC, timedelta
from uuid import UUID

from benchmarks.seeding.chance import Chance
from benchmarks.seeding.companies import Company
from benchmarks.seeding.loading import Loader
from marketplace.monitoring.over_time import NOTIFICATIONS
from mpp_sdk.secrets import hash_secret

INVITATION = "the-token-of-an-invitation"
RESET = "the-token-of-a-password-reset"
"""What the links of two mails hold."""

_DAY = timedelta(days=1)


def add_links(loader: Loader, chance: Chance, company: Company, person: UUID) -> None:
    """Add an invitation of a company, and a link for a new password of one of its people."""
    loader.add(
        "invitation",
        id=chance.id_at(chance.now),
        token_hash=hash_secret(INVITATION),
        market_player_id=company.id,
        email="invited@company.example",
        email_key="invited@company.example",
        name="Ines Rossi",
        held_roles="provider",
        invited_by=company.administrator[1],
        created_at=chance.now,
        expires_at=chance.now + 7 * _DAY,
    )
    loader.add(
        "person_link",
        id=chance.id_at(chance.now),
        kind="PASSWORD_RESET",
        token_hash=hash_secret(RESET),
        person_id=person,
        created_at=chance.now,
        expires_at=chance.now + _DAY,
    )


def add_replays(loader: Loader, chance: Chance, lane: UUID, count: int) -> None:
    """Add replays of what was sent to a platform, done long ago."""
    for _ in range(count):
        at = chance.ago(300 * _DAY, _DAY)
        loader.add(
            "outbox_replay",
            id=chance.id_at(at),
            state="DONE",
            states="DEAD",
            lane=str(lane),
            requested_by="Olga Keller",
            reason="The platform is back.",
            requested_at=at,
            first_position=1,
            last_position=1_000,
            cursor=1_000,
            replayed=990,
            skipped=10,
            started_at=at,
            advanced_at=at,
            finished_at=at,
        )


def add_resynchronisation(loader: Loader, chance: Chance, companies: list[Company]) -> None:
    """Add a re-synchronisation with every platform, with findings."""
    at = chance.ago(100 * _DAY, _DAY)
    run = chance.id_at(at)
    loader.add(
        "resynchronisation", id=run, since=at - _DAY, started_at=at, finished_at=at + _DAY / 24
    )
    for company in companies:
        loader.add(
            "resynchronisation_platform",
            resynchronisation_id=run,
            market_player_id=company.id,
            step="DONE",
            since=at - _DAY,
            events_held=20,
            events_delivered=20,
            updated_at=at,
        )
        if chance.happens(0.2):
            loader.add(
                "resynchronisation_finding",
                id=chance.id_at(at),
                resynchronisation_id=run,
                kind="EVENT_UNKNOWN",
                outcome="NOTED",
                market_player_id=company.id,
                detail="The platform has an event that is not known here.",
                found_at=at,
            )


def add_counted(loader: Loader, chance: Chance) -> None:
    """Have all but the last month counted already, as a marketplace has that ran for years."""
    at = (chance.now - 30 * _DAY).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    loader.add("figure_over_time", name=NOTIFICATIONS, at=at, value=0)

"""The audit trail of what is seeded."""

from datetime import datetime
from uuid import UUID

from benchmarks.seeding.chance import Chance
from benchmarks.seeding.loading import Loader

MARKETPLACE = ("system:marketplace", "Marketplace")


class Trail:
    """Writes entries down, as the services do for what they carry out."""

    def __init__(self, loader: Loader, chance: Chance) -> None:
        self._loader = loader
        self._chance = chance

    def note(
        self,
        kind: str,
        entity_id: UUID | str,
        action: str,
        moment: datetime,
        *,
        actor: tuple[str, str] = MARKETPLACE,
        before: str | None = None,
        after: str | None = None,
        reason: str | None = None,
        subscription: UUID | None = None,
        provider: UUID | None = None,
        requester: UUID | None = None,
        player: UUID | None = None,
    ) -> None:
        """Write an entry. actor is the subject and the name of who did it."""
        self._loader.add(
            "audit_entry",
            id=self._chance.id_at(moment),
            occurred_at=moment,
            recorded_at=moment,
            actor_subject=actor[0],
            actor_name=actor[1],
            entity_kind=kind,
            entity_id=str(entity_id),
            action=action,
            from_state=before,
            to_state=after,
            reason=reason,
            subscription_id=subscription,
            provider_id=provider,
            requester_id=requester,
            market_player_id=player,
        )

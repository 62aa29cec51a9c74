"""What comes of the copies of one subscription that the platforms hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.delivery import recovering as deliveries
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import service as identity
from marketplace.recovery.domain import FindingKind, FindingOutcome
from marketplace.subscriptions import recovering
from marketplace.subscriptions.domain import ENDED, SubscriptionState
from marketplace.subscriptions.tables import Subscription
from mpp_sdk.contracts.eu_mp.models import HeldServiceOffer

REASON = "Re-synchronised with the platforms: both hold it like this."

_MAKE_ANEW = (
    "Ask both companies. What they agree on is made anew with a request and an offer; what one of "
    "them holds and the other does not want any more, it removes."
)


@dataclass(frozen=True)
class Found:
    """What was found of a subscription."""

    kind: FindingKind
    outcome: FindingOutcome
    detail: str
    advice: str | None = None
    market_player_id: UUID | None = None


def compare(
    subscription_id: UUID, copies: Mapping[UUID, HeldServiceOffer], asked_at: datetime
) -> list[Found]:
    """Bring a subscription to what both platforms hold, where that is safe; return what was found.

    copies has each company's own, asked_at is when the first of them was asked for: what a platform
    has been told since then says nothing of what it held. A company speaks for itself alone: a copy
    in which it has another part than it says is taken for nothing.
    """
    found: list[Found] = []
    by_role: dict[PlatformRole, HeldServiceOffer] = {}
    for player, offer in copies.items():
        role = PlatformRole(offer.platform_role.value)
        if recovering.party(offer, role) == player:
            by_role[role] = offer
        else:
            found.append(
                Found(
                    FindingKind.TERMS_CONFLICT,
                    FindingOutcome.OPEN,
                    f"{_name(player)} holds it as its {role.value}, which is another company.",
                    "Ask the company where its platform has this from.",
                    player,
                )
            )
    if not by_role:
        return found
    row = recovering.find(subscription_id)
    if row is None:
        return [*found, _unknown(by_role)]
    return [*found, *_known(row, by_role, asked_at)]


def _unknown(by_role: Mapping[PlatformRole, HeldServiceOffer]) -> Found:
    offer = next(iter(by_role.values()))
    what = _described(offer)
    why = None
    if len(by_role) < len(PlatformRole):
        [role] = by_role
        why = f"only the {role.value}'s platform was found to hold it"
    else:
        differs = recovering.disagreement(*by_role.values())
        why = f"the platforms differ in {differs}" if differs else recovering.obstacle(offer)
    if why is not None:
        return Found(
            FindingKind.SUBSCRIPTION_UNKNOWN,
            FindingOutcome.OPEN,
            f"{what} is not in the database, and could not be reconstructed: {why}.",
            _MAKE_ANEW,
        )
    recovering.reconstruct(by_role[PlatformRole.PROVIDER], by_role[PlatformRole.REQUESTER], REASON)
    held = offer.state.value
    suspended = offer.state.value == SubscriptionState.SUSPENDED
    return Found(
        FindingKind.SUBSCRIPTION_RECONSTRUCTED,
        FindingOutcome.OPEN if suspended else FindingOutcome.RESTORED,
        f"{what} was not in the database. Both platforms agree on it: it is here again, {held}. "
        "Its request and its offers are not.",
        "Nobody knows who suspended it: resume it as operator when that is right."
        if suspended
        else None,
    )


def _known(
    row: Subscription, by_role: Mapping[PlatformRole, HeldServiceOffer], asked_at: datetime
) -> list[Found]:
    found = []
    agreeing = {}
    for role, offer in by_role.items():
        differs = recovering.difference(row, offer)
        if differs is None:
            agreeing[role] = offer
            continue
        player = recovering.party(offer, role)
        found.append(
            Found(
                FindingKind.TERMS_CONFLICT,
                FindingOutcome.OPEN,
                f"The platform of {_name(player)} holds {differs} otherwise than the database.",
                "Compare what both companies signed; agree on new terms that replace these.",
                player,
            )
        )
    ended = _agreed_end(row, agreeing)
    if ended is not None:
        recovering.become(row, ended, REASON)
        found.append(
            Found(
                FindingKind.SUBSCRIPTION_ENDED,
                FindingOutcome.RESTORED,
                f"Both platforms hold it as {ended.state.value} since "
                f"{ended.state_since.isoformat()}: it is so here too.",
            )
        )
        return found
    return [*found, *_conflicts(row, agreeing, asked_at)]


def _agreed_end(
    row: Subscription, agreeing: Mapping[PlatformRole, HeldServiceOffer]
) -> HeldServiceOffer | None:
    states = {offer.state for offer in agreeing.values()}
    if row.state in ENDED or len(agreeing) < len(PlatformRole) or len(states) > 1:
        return None
    offer = agreeing[PlatformRole.PROVIDER]
    return offer if SubscriptionState(offer.state.value) in ENDED else None


def _conflicts(
    row: Subscription, agreeing: Mapping[PlatformRole, HeldServiceOffer], asked_at: datetime
) -> list[Found]:
    expected = row.state
    if expected is SubscriptionState.PENDING:  # a platform holds it from its confirmation on
        expected = SubscriptionState.ACTIVE
    found = []
    for role, offer in agreeing.items():
        player = recovering.party(offer, role)
        held = offer.state.value
        if held == expected or deliveries.was_under_way(player, row.id, asked_at):
            continue
        found.append(
            Found(
                FindingKind.STATE_CONFLICT,
                FindingOutcome.OPEN,
                f"The platform of {_name(player)} holds it as {held} since "
                f"{offer.state_since.isoformat()}; here it is {row.state.value}.",
                "Find out from both companies which is right. Suspend, resume or cancel it here, "
                "which tells both platforms.",
                player,
            )
        )
    return found


def _described(offer: HeldServiceOffer) -> str:
    return (
        f"The subscription of {offer.requester.name} ({offer.requester.market_player_id}) to "
        f"{offer.service.name!r} of {offer.provider.name} ({offer.provider.market_player_id}), "
        f"confirmed at {offer.confirmed_at.isoformat()},"
    )


def _name(market_player_id: UUID) -> str:
    company = identity.companies([market_player_id]).get(market_player_id)
    return company.name if company else str(market_player_id)

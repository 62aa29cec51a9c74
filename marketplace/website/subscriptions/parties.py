"""A subscription as a page needs it: with the companies' names, and who of them looks."""

from dataclasses import dataclass
from uuid import UUID

from marketplace.accounts.domain import PersonRole
from marketplace.identity import service as identity
from marketplace.identity.service import Company
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.domain import SUBSCRIPTION, TAKES_POINTS_OF_DELIVERY, Hold
from marketplace.subscriptions.tables import Subscription
from marketplace.website.frame.visitor import require_visitor


@dataclass(frozen=True)
class Parties:
    """A subscription, its companies, and what the visitor may do about it."""

    row: Subscription
    provider: Company
    requester: Company
    is_provider: bool
    is_requester: bool
    is_operator: bool
    roles: frozenset[PersonRole]

    @property
    def takes_points_of_delivery(self) -> bool:
        """Whether the visitor may add points of delivery now."""
        return self._requests and self.row.state in TAKES_POINTS_OF_DELIVERY

    @property
    def can_be_cancelled(self) -> bool:
        """Whether the visitor may end it now."""
        takes_part = self._provides or self._requests or self.is_operator
        return takes_part and "cancel" in SUBSCRIPTION.allowed(self.row.state)

    @property
    def can_be_suspended(self) -> bool:
        """Whether the visitor may have it suspended, and has not done so yet."""
        hold = self._hold
        allowed = SUBSCRIPTION.allowed(self.row.state)
        is_running = "suspend" in allowed or "resume" in allowed
        return hold is not None and is_running and hold not in self.row.standing.holds

    @property
    def can_be_resumed(self) -> bool:
        """Whether it is the visitor's own suspension that can be lifted."""
        return self._hold is not None and self._hold in self.row.standing.holds

    @property
    def can_get_new_terms(self) -> bool:
        """Whether the visitor may ask for new terms now."""
        return self._requests and bool(SUBSCRIPTION.allowed(self.row.state))

    @property
    def _hold(self) -> Hold | None:
        if self.is_operator:
            return Hold.OPERATOR
        return Hold.PROVIDER if self._provides else None

    @property
    def _provides(self) -> bool:
        return self.is_provider and PersonRole.PROVIDER in self.roles

    @property
    def _requests(self) -> bool:
        return self.is_requester and PersonRole.REQUESTER in self.roles


def read_parties(subscription_id: UUID) -> Parties:
    """Return a subscription of the visitor's company, or any for operators. Raises NotFound."""
    row = subscriptions.read_subscription(subscription_id)
    companies = identity.companies({row.provider_id, row.requester_id})
    someone = require_visitor()
    return Parties(
        row=row,
        provider=companies[row.provider_id],
        requester=companies[row.requester_id],
        is_provider=someone.market_player_id == row.provider_id,
        is_requester=someone.market_player_id == row.requester_id,
        is_operator=someone.principal.is_operator,
        roles=someone.roles,
    )

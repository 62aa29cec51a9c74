"""A request as a page needs it: with the companies' names, and who of them looks."""

from dataclasses import dataclass
from uuid import UUID

from marketplace.accounts.domain import PersonRole
from marketplace.catalogue import service as catalogue
from marketplace.catalogue.tables import ServiceVersion
from marketplace.identity import service as identity
from marketplace.identity.service import Company
from marketplace.subscriptions import negotiation
from marketplace.subscriptions.tables import Offer, ServiceRequest
from marketplace.website.frame.visitor import require_visitor


@dataclass(frozen=True)
class Parties:
    """A request, the companies that negotiate, and which of them the visitor belongs to."""

    row: ServiceRequest
    current_offer: Offer | None
    subscription_id: UUID | None
    provider: Company
    requester: Company
    is_provider: bool
    is_requester: bool
    roles: frozenset[PersonRole]

    @property
    def may_provide(self) -> bool:
        """Whether the visitor may act as the provider."""
        return self.is_provider and PersonRole.PROVIDER in self.roles

    @property
    def may_request(self) -> bool:
        """Whether the visitor may act as the requester."""
        return self.is_requester and PersonRole.REQUESTER in self.roles

    @property
    def version(self) -> ServiceVersion:
        """The version of the service that is requested."""
        return catalogue.version_of_subscription(self.row.service_id, self.row.service_number)


def read_parties(request_id: UUID) -> Parties:
    """Return a request of the visitor's company, or any for operators. Raises NotFound."""
    found = negotiation.read_request(request_id)
    row = found.request
    companies = identity.companies({row.provider_id, row.requester_id})
    someone = require_visitor()
    return Parties(
        row=row,
        current_offer=found.current_offer,
        subscription_id=found.subscription_id,
        provider=companies[row.provider_id],
        requester=companies[row.requester_id],
        is_provider=someone.market_player_id == row.provider_id,
        is_requester=someone.market_player_id == row.requester_id,
        roles=someone.roles,
    )

"""Who may do what: roles and ownership, in one place.

A company's things look to every other company as if they did not exist. An operator sees
everything. What changes the market (publishing, requesting) needs an active market player.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from marketplace.core.actor import Actor, acting_as
from marketplace.identity.domain import AccessRole, MarketPlayerState
from mpp_sdk.errors import Forbidden, NotFound, Unauthenticated
from mpp_sdk.web.call import Calling, Principal

_ADVICE = {
    MarketPlayerState.PENDING: "an operator must activate it first; meanwhile state and test the "
    "platform's connection settings",
    MarketPlayerState.SUSPENDED: "ask the marketplace's operator to reinstate it",
    MarketPlayerState.DEREGISTERED: "it has left the market",
}

_ASK_ADMINISTRATOR = "ask an administrator of your company for it."


@dataclass(frozen=True)
class MarketplacePrincipal(Principal):
    """Who calls. An operator has no market player; everybody else acts for exactly one.

    It is a credential or a person. administers says whether it may state the company's settings and
    issue its credentials: every credential may, of the people those who hold the role for it.
    """

    credential_id: UUID | None = None
    market_player_id: UUID | None = None
    player_state: MarketPlayerState | None = None
    person_id: UUID | None = None
    administers: bool = True

    @property
    def is_operator(self) -> bool:
        """Whether the caller runs the marketplace."""
        return AccessRole.OPERATOR in self.roles


_principal: ContextVar[MarketplacePrincipal] = ContextVar("principal")


@contextmanager
def acting_for(
    principal: MarketplacePrincipal, correlation_id: str | None = None
) -> Iterator[None]:
    """Run a block for a caller: what it does is checked and recorded as the caller's."""
    token = _principal.set(principal)
    try:
        with acting_as(Actor(principal.subject, principal.name, correlation_id)):
            yield
    finally:
        _principal.reset(token)


@contextmanager
def entering(call: Calling) -> Iterator[None]:
    """Run a block for whoever makes a call; for an anonymous one there is no principal."""
    if isinstance(call.principal, MarketplacePrincipal):
        with acting_for(call.principal, call.correlation_id):
            yield
        return
    with acting_as(Actor("anonymous", "Anonymous", call.correlation_id)):
        yield


def current_principal() -> MarketplacePrincipal:
    """Return who calls. Raises Unauthenticated when nobody is known to."""
    principal = _principal.get(None)
    if principal is None:
        raise Unauthenticated("Present an API key or an access token.")
    return principal


def require_operator() -> None:
    """Pass for operators. Raises Forbidden for everybody else."""
    if not current_principal().is_operator:
        raise Forbidden("This needs the role operator.")


def require_market_player() -> UUID:
    """Return the market player that the caller acts for, in whatever state it is.

    Raises Forbidden for operators, who act for none.
    """
    market_player_id = current_principal().market_player_id
    if market_player_id is None:
        raise Forbidden("This is done by a company; an operator has none.")
    return market_player_id


def require_active_player(role: AccessRole | None = None) -> UUID:
    """Return the market player that the caller acts for, if it is ACTIVE and holds the role.

    Raises Forbidden, saying what to do about it.
    """
    market_player_id = require_market_player()
    principal = current_principal()
    if role is not None:
        require_role(role)
    state = principal.player_state
    if state is not None and state is not MarketPlayerState.ACTIVE:
        raise Forbidden(f"The market player is {state.value}: {_ADVICE[state]}.")
    return market_player_id


def require_role(role: AccessRole) -> None:
    """Pass for callers that hold a role. Raises Forbidden, saying how to come by it."""
    principal = current_principal()
    if role in principal.roles:
        return
    if principal.person_id is None:
        raise Forbidden(f"This needs the role {role.value}; issue a credential that carries it.")
    raise Forbidden(f"This needs the role {role.value}; {_ASK_ADMINISTRATOR}")


def require_role_in_deal(provider_id: UUID, requester_id: UUID) -> None:
    """Pass for operators, and for callers that hold the role in which their company takes part.

    It is for what both companies may do; raises Forbidden, also for those who take no part.
    """
    principal = current_principal()
    if principal.is_operator:
        return
    if principal.market_player_id == provider_id:
        require_role(AccessRole.PROVIDER)
    elif principal.market_player_id == requester_id:
        require_role(AccessRole.REQUESTER)
    else:
        raise Forbidden("Your company takes no part in this.")


def require_administration(kind: str, identifier: object, market_player_id: UUID | None) -> None:
    """Pass for operators and for those who administer the company that a thing belongs to.

    For other companies it does not exist: raises NotFound. Raises Forbidden for people of the
    company who do not administer it.
    """
    require_operator_or_party(kind, identifier, market_player_id)
    principal = current_principal()
    if not principal.is_operator and not principal.administers:
        raise Forbidden(f"This needs the role administrator; {_ASK_ADMINISTRATOR}")


def visible_to() -> UUID | None:
    """Return the market player that a list is restricted to; None for operators, who see all."""
    principal = current_principal()
    return None if principal.is_operator else require_market_player()


def is_operator_or_party(*parties: UUID | None) -> bool:
    """Return whether the caller is an operator or acts for one of the parties."""
    principal = current_principal()
    return principal.is_operator or (
        principal.market_player_id is not None and principal.market_player_id in parties
    )


def require_operator_or_party(kind: str, identifier: object, *parties: UUID | None) -> None:
    """Pass for operators and for the parties of a thing.

    For everybody else it does not exist: raises NotFound.
    """
    if not is_operator_or_party(*parties):
        raise NotFound.entity(kind, identifier)

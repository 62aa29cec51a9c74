"""Who may see a page: whoever may call the operations of the contract that it stands for.

Every view says so, for a view without a word about it is not served.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from marketplace.identity.access import MarketplacePrincipal
from marketplace.website.frame.visitor import require_visitor
from mpp_sdk.errors import Forbidden
from mpp_sdk.web.contract import Contract

View = TypeVar("View", bound=Callable[..., Any])

_CONTRACT = "marketplace"
_SCHEME = "oauth2"
_CHECK = "flexagora_check"


class Unguarded(Exception):
    """A view does not say who may see it."""


def anyone(view: View) -> View:
    """Mark a view that everybody may see, signed in or not."""
    return _guarded(view, lambda: None)


def people(view: View) -> View:
    """Mark a view for whoever is signed in."""

    def check() -> None:
        require_visitor()

    return _guarded(view, check)


def operators(view: View) -> View:
    """Mark a view for operators, where the contract has no operation for it."""

    def check() -> None:
        if not require_visitor().principal.is_operator:
            raise Forbidden("This page is for those who run the marketplace.")

    return _guarded(view, check)


def companies(view: View) -> View:
    """Mark a view for people of a company, where the contract has no operation for it."""

    def check() -> None:
        if require_visitor().market_player_id is None:
            raise Forbidden("This page is for people of a company.")

    return _guarded(view, check)


def acts_as(*operation_ids: str) -> Callable[[View], View]:
    """Mark a view for whoever may call each of these operations of the marketplace's contract."""
    for operation_id in operation_ids:
        _contract().by_id[operation_id]

    def check() -> None:
        principal = require_visitor().principal
        for operation_id in operation_ids:
            if not may(principal, operation_id):
                raise Forbidden(
                    "Your roles do not allow this. An administrator of your company can give you "
                    "others."
                )

    return lambda view: _guarded(view, check)


def may(principal: MarketplacePrincipal, operation_id: str) -> bool:
    """Return whether the contract lets somebody with these roles call an operation."""
    return _contract().by_id[operation_id].admits(_SCHEME, principal.roles)


def check(view: Callable[..., Any]) -> None:
    """Pass when the visitor may see a view. Raises Unauthenticated, Forbidden and Unguarded."""
    guard = getattr(view, _CHECK, None)
    if guard is None:
        raise Unguarded(f"{view.__module__}.{view.__name__} does not say who may see it.")
    guard()


def is_guarded(view: Callable[..., Any]) -> bool:
    """Return whether a view says who may see it."""
    return hasattr(view, _CHECK)


def _guarded(view: View, guard: Callable[[], None]) -> View:
    setattr(view, _CHECK, guard)
    return view


@cache
def _contract() -> Contract:
    return Contract.load(_CONTRACT)

"""What operators decide about a company: it may take part, is suspended, comes back, leaves."""

from collections.abc import Callable
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.identity import service as identity
from marketplace.identity.tables import MarketPlayer
from marketplace.website.frame import forms
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.operators.blueprint import blueprint
from marketplace.website.operators.companies import player

_Decision = Callable[[UUID, str, str | None], MarketPlayer]


@blueprint.post("/operators/companies/<uuid:market_player_id>/activate")
@acts_as("identity.activate_market_player")
@shown_again(player)
def activate_player(market_player_id: UUID) -> ResponseReturnValue:
    """Let a company take part."""
    return _decide(identity.activate_market_player, market_player_id)


@blueprint.post("/operators/companies/<uuid:market_player_id>/suspend")
@acts_as("identity.suspend_market_player")
@shown_again(player)
def suspend_player(market_player_id: UUID) -> ResponseReturnValue:
    """Suspend a company and its subscriptions."""
    return _decide(identity.suspend_market_player, market_player_id)


@blueprint.post("/operators/companies/<uuid:market_player_id>/reinstate")
@acts_as("identity.reinstate_market_player")
@shown_again(player)
def reinstate_player(market_player_id: UUID) -> ResponseReturnValue:
    """Have a suspended company take part again."""
    return _decide(identity.reinstate_market_player, market_player_id)


@blueprint.post("/operators/companies/<uuid:market_player_id>/deregister")
@acts_as("identity.deregister_market_player")
@shown_again(player)
def deregister_player(market_player_id: UUID) -> ResponseReturnValue:
    """End a company's part for good."""
    return _decide(identity.deregister_market_player, market_player_id)


@blueprint.post("/operators/companies/<uuid:market_player_id>/test")
@acts_as("identity.test_platform")
@shown_again(player)
def test_player(market_player_id: UUID) -> ResponseReturnValue:
    """Test whether a company's platform can be reached and answers as the contract says."""
    test = identity.test_platform(market_player_id)
    if test.passed:
        flash(_("The platform has passed the test."), "success")
    else:
        flash(_("The platform has failed the test. Each step says what to do."), "warning")
    return redirect(_back_to(market_player_id, "platform"), 303)


def _decide(decision: _Decision, market_player_id: UUID) -> ResponseReturnValue:
    """Carry out a decision on the company as the operator saw it."""
    changed = decision(market_player_id, forms.reason(), request.form.get("version") or None)
    flash(_("%(name)s is %(state)s now.", name=changed.name, state=changed.state.value), "success")
    return redirect(_back_to(market_player_id, None), 303)


def _back_to(market_player_id: UUID, part: str | None) -> str:
    return url_for("operators.player", market_player_id=market_player_id, _anchor=part)

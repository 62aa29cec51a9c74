"""What operators say about deliveries to one platform: pause, drain, resume, limit."""

from collections.abc import Callable
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.delivery import lanes
from marketplace.delivery.lanes import Limits, Standing
from marketplace.website.frame import forms
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.operators.blueprint import blueprint
from marketplace.website.operators.companies import player
from mpp_sdk.contracts.marketplace.models import DeliveryLimits


@blueprint.post("/operators/companies/<uuid:market_player_id>/lane/pause")
@acts_as("delivery.pause_lane")
@shown_again(player)
def pause_lane(market_player_id: UUID) -> ResponseReturnValue:
    """Send nothing more to a platform, and keep everything."""
    return _change(lanes.pause, market_player_id)


@blueprint.post("/operators/companies/<uuid:market_player_id>/lane/drain")
@acts_as("delivery.drain_lane")
@shown_again(player)
def drain_lane(market_player_id: UUID) -> ResponseReturnValue:
    """Send a platform what waits now, then pause."""
    return _change(lanes.drain, market_player_id)


@blueprint.post("/operators/companies/<uuid:market_player_id>/lane/resume")
@acts_as("delivery.resume_lane")
@shown_again(player)
def resume_lane(market_player_id: UUID) -> ResponseReturnValue:
    """Go on with what was kept."""
    return _change(lanes.resume, market_player_id)


@blueprint.post("/operators/companies/<uuid:market_player_id>/lane/limits")
@acts_as("delivery.limit_lane")
@shown_again(player)
def limit_lane(market_player_id: UUID) -> ResponseReturnValue:
    """Limit how fast a platform is called; both limits are replaced."""
    draft = forms.read(DeliveryLimits, "delivery.limit_lane")
    limits = Limits(draft.max_concurrency, draft.max_per_second)
    lanes.limit(market_player_id, limits, draft.reason, request.form.get("version"))
    flash(_("The limits of this platform are set."), "success")
    return _back(market_player_id)


def _change(change: Callable[[UUID, str], Standing], market_player_id: UUID) -> ResponseReturnValue:
    standing = change(market_player_id, forms.reason())
    flash(_("Deliveries to this platform are %(mode)s now.", mode=standing.lane.mode), "success")
    return _back(market_player_id)


def _back(market_player_id: UUID) -> ResponseReturnValue:
    where = url_for("operators.player", market_player_id=market_player_id, _anchor="deliveries")
    return redirect(where, 303)

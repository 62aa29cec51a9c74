"""What a company states about itself."""

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.etag import etag
from marketplace.identity import service
from marketplace.identity.tables import MarketPlayer
from marketplace.website.company.blueprint import blueprint
from marketplace.website.company.frame import company_page, own_company
from marketplace.website.company.statements import MARKET_ROLES, statement_of
from marketplace.website.frame.countries import countries, country
from marketplace.website.frame.forms import form_of, read
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import companies
from mpp_sdk.contracts.marketplace.models import MarketPlayerDraft, MarketPlayerRole


@blueprint.get("/company")
@companies
def statement() -> ResponseReturnValue:
    """Show what the company states, and whether it takes part."""
    player = service.read_market_player(own_company())
    return company_page("company/statement.html", player=player, country=country(player.country))


@blueprint.get("/company/edit")
@companies
def edit() -> ResponseReturnValue:
    """Show the company's statement as a form."""
    player = service.read_market_player(own_company())
    return company_page(
        "company/edit.html",
        form=form_of(_draft(player)),
        version=etag(player),
        market_roles=MARKET_ROLES,
        countries=countries(),
    )


@blueprint.post("/company/edit")
@companies
@shown_again(edit)
def change_statement() -> ResponseReturnValue:
    """Store what the company states from now on."""
    draft = read(MarketPlayerDraft, "identity.edit_market_player")
    service.edit_market_player(own_company(), statement_of(draft), request.form.get("version", ""))
    flash(_("Your company's statement is changed."), "success")
    return redirect(url_for("company.statement"), 303)


def _draft(player: MarketPlayer) -> MarketPlayerDraft:
    return MarketPlayerDraft.model_construct(
        name=player.name,
        roles=[MarketPlayerRole(role) for role in player.roles],
        country=player.country,
        contact_email=player.contact_email,
        eic_code=player.eic_code,
        website=player.website,
    )

"""The first page of a company: what waits for it, and what is new."""

from flask import render_template
from flask.typing import ResponseReturnValue

from marketplace.identity import access
from marketplace.monitoring import service as monitoring
from marketplace.website.company.checklist import checklist
from marketplace.website.frame.rights import companies
from marketplace.website.home import news
from marketplace.website.home.blueprint import blueprint
from marketplace.website.home.waiting import cards

_NEWEST = 10
_READ = 40
_NO_NEWS = frozenset({"Person", "Credential", "Offer"})


@blueprint.get("/overview")
@companies
def overview() -> ResponseReturnValue:
    """Show a company what waits for it."""
    return render_template("home/overview.html", checklist=checklist(), **_present())


@blueprint.get("/overview/present")
@companies
def present() -> ResponseReturnValue:
    """Show the part of the overview that changes while it is open."""
    return render_template("home/present.html", **_present())


def _present() -> dict[str, object]:
    company_id = access.require_market_player()
    if not access.current_principal().roles:  # who only administers the company does no business
        return {"cards": [], "news": []}
    entries = monitoring.newest_of_company(_READ, without=_NO_NEWS)
    return {"cards": cards(company_id), "news": news.told(entries)[:_NEWEST]}

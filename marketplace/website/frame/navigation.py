"""The entries of the main menu, for whoever looks at it."""

from dataclasses import dataclass

from flask import request, url_for
from flask_babel import gettext as _

from marketplace.accounts.domain import PersonRole
from marketplace.website.frame.visitor import visitor


@dataclass(frozen=True)
class Entry:
    """An entry of the menu. here says that the visitor is in this part of the site."""

    title: str
    url: str
    here: bool


def entries() -> list[Entry]:
    """Return the entries that lead somewhere for this visitor."""
    someone = visitor()
    if someone is None:
        return []
    if someone.market_player_id is None:
        wanted = [
            (_("Board"), "operators.board"),
            (_("Companies"), "operators.players"),
            (_("Services"), "catalogue.search"),
            (_("Subscriptions"), "subscriptions.overview"),
            (_("Deliveries"), "operators.deliveries"),
            (_("Audit trail"), "operators.audit_trail"),
            (_("Numbers"), "operators.numbers"),
        ]
    else:
        # Whoever only administers a company may call nothing that is about its business.
        deals = bool(someone.principal.roles)
        wanted = [
            (_("Overview"), "home.overview"),
            *([(_("Find services"), "catalogue.search")] if deals else []),
            *(
                [(_("Our services"), "catalogue.own")]
                if PersonRole.PROVIDER in someone.roles
                else []
            ),
            *(
                [
                    (_("Requests"), "negotiation.overview"),
                    (_("Subscriptions"), "subscriptions.overview"),
                ]
                if deals
                else []
            ),
            (_("Company"), "company.statement"),
            *([(_("Audit trail"), "operators.audit_trail")] if deals else []),
        ]
    return [Entry(str(title), url_for(name), _is_here(name)) for title, name in wanted]


def _is_here(name: str) -> bool:
    endpoint = request.endpoint or ""
    area, _, view = name.partition(".")
    if area == "operators":
        return f"{request.path}/".startswith(f"{url_for(name)}/")
    if area == "catalogue":
        return endpoint == name or endpoint.startswith(f"{area}.{view}_")
    return endpoint.partition(".")[0] == area

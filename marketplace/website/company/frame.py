"""What every page of a company shows."""

from uuid import UUID

from flask import render_template

from marketplace.website.company.checklist import checklist
from marketplace.website.frame.visitor import require_visitor
from mpp_sdk.errors import Forbidden


def own_company() -> UUID:
    """Return the visitor's company. Raises Forbidden for operators, who have none."""
    found = require_visitor().market_player_id
    if found is None:
        raise Forbidden("This page is for people of a company.")
    return found


def administers() -> bool:
    """Return whether the visitor administers the company."""
    return require_visitor().principal.administers


def company_page(template: str, **shown: object) -> str:
    """Return a page of the company, below what is missing before it can take part."""
    return render_template(template, checklist=checklist(), administers=administers(), **shown)

"""The start page, a company's overview, and the choice of the language."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from marketplace.website.frame.languages import choose
from marketplace.website.frame.rights import anyone
from marketplace.website.frame.visitor import visitor
from marketplace.website.frame.ways import local_path
from marketplace.website.home import overview
from marketplace.website.home.blueprint import blueprint

__all__ = ["blueprint", "overview"]


@blueprint.get("/")
@anyone
def start() -> ResponseReturnValue:
    """Show what Flexagora is; who is signed in gets to their own first page."""
    someone = visitor()
    if someone is None:
        return render_template("home/start.html")
    target = "operators.board" if someone.market_player_id is None else "home.overview"
    return redirect(url_for(target), 303)


@blueprint.post("/language")
@anyone
def choose_language() -> ResponseReturnValue:
    """Remember the language and go back."""
    choose(request.form.get("language", ""))
    return redirect(local_path(request.form.get("back", "")), 303)

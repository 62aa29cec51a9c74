"""Pages by which people sign in with the account of their organisation."""

from flask import redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from marketplace.accounts.federation import sign_in_federated
from marketplace.core.unit_of_work import release
from marketplace.website.account import oidc
from marketplace.website.account.blueprint import blueprint
from marketplace.website.account.outcomes import NEXT, go_on
from marketplace.website.account.sign_in import sign_in
from marketplace.website.frame.rights import anyone
from marketplace.website.frame.visitor import origin
from marketplace.website.frame.ways import local_path
from marketplace.website.frame.work import writes


@blueprint.get("/sign-in/organisation")
@anyone
def to_provider() -> ResponseReturnValue:
    """Lead to the sign-in page of the OpenID provider."""
    if oidc.provider_name() is None:
        return redirect(url_for("account.sign_in"), 303)
    session[NEXT] = local_path(request.args.get("next", ""))
    return oidc.to_provider()


@blueprint.get("/sign-in/return")
@anyone
@writes
def from_provider() -> ResponseReturnValue:
    """Let in whoever the OpenID provider has sent back."""
    release()  # the provider may take its time
    found = oidc.identity()
    return go_on(sign_in_federated(found, origin()), session.get(NEXT, ""), sign_in)

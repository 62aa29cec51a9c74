"""What follows when somebody was let in, or was not."""

from collections.abc import Callable

from flask import Response, g, make_response, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from marketplace.accounts import signing_in
from marketplace.accounts.signing_in import Challenge, Refused, Session
from marketplace.website.frame import visitor
from marketplace.website.frame.ways import local_path
from mpp_sdk.errors import FlexagoraError
from mpp_sdk.web.exchange import exchange_of
from mpp_sdk.web.problems import refusal

CHALLENGE = "challenge"
NEXT = "next"


def go_on(
    outcome: Session | Challenge | Refused, wanted: str, page: Callable[[], ResponseReturnValue]
) -> ResponseReturnValue:
    """Return the way to what is wanted, to where a code is asked for, or the page again.

    A session that the browser had before ends.
    """
    if isinstance(outcome, Refused):
        return shown_refused(outcome.error, page)
    if isinstance(outcome, Challenge):
        session[CHALLENGE] = outcome.token
        session[NEXT] = wanted
        return redirect(url_for("account.code"), 303)
    before = visitor.session_token()
    if before is not None:
        signing_in.sign_out(before)
    visitor.enter(outcome.token)
    return redirect(local_path(wanted), 303)


def shown_refused(error: FlexagoraError, page: Callable[[], ResponseReturnValue]) -> Response:
    """Return a page with the form on it and the reason why it was refused.

    It is for what is refused and counted: nothing is raised, so that the count is committed.
    """
    g.refusal = error
    response = make_response(page())
    found = refusal(error, exchange_of(request.environ["asgi.scope"]))
    response.status_code = found.problem.status
    for name, value in found.headers.items():
        response.headers[name] = value
    return response

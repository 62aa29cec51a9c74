"""What is shown when something could not be done: the form again, or a page that says why."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from starlette.exceptions import HTTPException as StandardError
from werkzeug.exceptions import HTTPException, NotFound

from mpp_sdk.errors import FieldError, FlexagoraError, Unauthenticated
from mpp_sdk.errors import NotFound as NoSuchThing
from mpp_sdk.web.exchange import exchange_of
from mpp_sdk.web.problems import no_such_path, refusal

View = TypeVar("View", bound=Callable[..., Any])

_AGAIN = "flexagora_shown_again"
_LOG = logging.getLogger(__name__)


class FormExpired(FlexagoraError):
    """The form is too old, or was not made for this visitor."""

    title = "This form has expired"


def shown_again(page: Callable[..., Any]) -> Callable[[View], View]:
    """Mark a view that takes a form: when it is refused, this page is shown again with the reasons.

    The page's view gets the same arguments from the URL; the form on it keeps what was entered.
    """

    def mark(view: View) -> View:
        setattr(view, _AGAIN, page)
        return view

    return mark


def page_again(view: Callable[..., Any], error: FlexagoraError) -> Callable[..., Any] | None:
    """Return the page that shows a refused form again; None when there is none."""
    if isinstance(error, NoSuchThing | Unauthenticated):
        return None
    page: Callable[..., Any] | None = getattr(view, _AGAIN, None)
    return page


def reasons() -> FlexagoraError | None:
    """Return why the form that was just sent was refused; None when none was."""
    error: FlexagoraError | None = g.get("refusal")
    return error


def field_errors() -> tuple[FieldError, ...]:
    """Return what was wrong with single fields of the form that was just sent."""
    error = reasons()
    return error.errors if error else ()


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    return refusal(error, exchange_of(request.environ["asgi.scope"])).problem.status


def answer(error: Exception) -> Response:
    """Return what a visitor sees of an error: a page; for a program, a problem document."""
    if isinstance(error, CSRFError):
        error = FormExpired(
            _("It was open for too long, or you have signed in or out since. Try again.")
        )
    if isinstance(error, NotFound):
        error = no_such_path()
    if isinstance(error, HTTPException) and error.code is not None and error.code < 400:
        return make_response(error.get_response())
    if isinstance(error, Unauthenticated) and request.method in ("GET", "HEAD"):
        return _to_sign_in()
    found = refusal(_known(error), exchange_of(request.environ["asgi.scope"]))
    headers = dict(found.headers)
    if not _wants_page():
        body = found.problem.model_dump_json(by_alias=True, exclude_none=True)
        return Response(body, found.problem.status, headers, mimetype="application/problem+json")
    page = render_template("error.html", problem=found.problem)
    return Response(page, found.problem.status, headers)


def _to_sign_in() -> Response:
    """Lead to the sign-in page; a part of a page that is fetched leads the whole page there."""
    wanted = request.full_path.rstrip("?")
    if request.headers.get("HX-Request"):
        return Response(status=200, headers={"HX-Redirect": url_for("account.sign_in")})
    target = f"{url_for('account.sign_in')}?{urlencode({'next': wanted})}"
    return make_response(redirect(target, 303))


def _known(error: Exception) -> Exception:
    """Return an error as the problem documents know it."""
    if isinstance(error, HTTPException) and error.code is not None:
        headers = {}
        valid = getattr(error, "valid_methods", None)
        if valid:
            headers["Allow"] = ", ".join(sorted(valid))
        return StandardError(error.code, error.description, headers)
    return error


def _wants_page() -> bool:
    best = request.accept_mimetypes.best_match(["application/problem+json", "text/html"])
    return best == "text/html" and "text/html" in str(request.accept_mimetypes)

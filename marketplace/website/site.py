"""The website: server-rendered pages over the same services as the REST API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask, Response, current_app, g, make_response, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect

from marketplace.core.edge import MarketplaceEdge
from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import unit_of_work
from marketplace.website.account.pages import blueprint as account
from marketplace.website.catalogue.pages import blueprint as catalogue
from marketplace.website.company.pages import blueprint as company
from marketplace.website.frame import refusals, rights
from marketplace.website.frame.durations import parts
from marketplace.website.frame.formats import add_filters
from marketplace.website.frame.headers import secure
from marketplace.website.frame.languages import LANGUAGES, language, speak
from marketplace.website.frame.lists import url_with
from marketplace.website.frame.markdown import markdown
from marketplace.website.frame.navigation import entries
from marketplace.website.frame.visitor import look_up_visitor, visitor
from marketplace.website.frame.work import EDGE, carry_out, once, reading
from marketplace.website.frame.zones import zone
from marketplace.website.home.pages import blueprint as home
from marketplace.website.negotiation.pages import blueprint as negotiation
from marketplace.website.operators.pages import blueprint as operators
from marketplace.website.static_files import static_url
from marketplace.website.subscriptions.pages import blueprint as subscriptions
from mpp_sdk.errors import FlexagoraError, InvalidInput
from mpp_sdk.web.exchange import exchange_of

REFUSED = "flexagora.refused"
"""Under which name a scope holds the reason why a request is refused before any page is asked."""

_AREAS = (home, account, company, catalogue, negotiation, subscriptions, operators)
_ENVIRONMENT = "flexagora_environment"
_COOKIE = "flexagora"
_HOST_COOKIE = "__Host-flexagora"  # browsers take it over TLS only, and from this host alone
_FORM_LIFETIME = timedelta(hours=8)
_MOST_FIELDS = 2_000


class Site(Flask):
    """The website of an environment. Each page is one unit of work, as whoever looks at it."""

    def __init__(self, environment: Environment, edge: MarketplaceEdge) -> None:
        super().__init__("marketplace.website", static_folder=None)
        self.environment = environment
        self._edge = edge
        self.extensions |= {EDGE: edge, _ENVIRONMENT: environment}

    def dispatch_request(self) -> ResponseReturnValue:
        """Return the answer of a page, or of the page that shows a refused form again."""
        if request.routing_exception is not None:
            self.raise_routing_exception(request)
        view = self.view_functions[request.endpoint or ""]
        rights.check(view)
        try:
            return carry_out(self._edge, self._view(view))
        except FlexagoraError as error:
            again = refusals.page_again(view, error)
            if again is None:
                raise
            g.refusal = error
            response = reading()(self._view(again))
            response.status_code = refusals.status_of(error)
            return response

    def _view(self, view: Callable[..., Any]) -> Callable[[], Response]:
        return lambda: make_response(self.ensure_sync(view)(**(request.view_args or {})))


def create_site(environment: Environment, edge: MarketplaceEdge) -> Site:
    """Return the website. Raises Unguarded when a page does not say who may see it."""
    site = Site(environment, edge)
    _configure(site)
    speak(site)
    add_filters(site)
    site.jinja_env.filters["markdown"] = markdown
    site.jinja_env.globals.update(
        static_url=static_url,
        url_with=url_with,
        once=once,
        duration_parts=parts,
        languages=LANGUAGES,
    )
    site.before_request(_begin)
    CSRFProtect(site)
    secure(site, https=site.config["SESSION_COOKIE_SECURE"])
    site.context_processor(_context)
    site.register_error_handler(Exception, refusals.answer)
    for area in _AREAS:
        site.register_blueprint(area)
    for name, view in site.view_functions.items():
        if not rights.is_guarded(view):
            raise rights.Unguarded(f"{name} does not say who may see it.")
    return site


def _configure(site: Site) -> None:
    settings = site.environment.settings
    first, *others = (key.hex() for key in settings.secret_box.derived("website cookies"))
    https = settings.effective_public_url.startswith("https:")
    site.config.update(
        SECRET_KEY=first,
        SECRET_KEY_FALLBACKS=others,
        SESSION_COOKIE_NAME=_HOST_COOKIE if https else _COOKIE,
        SESSION_COOKIE_SECURE=https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        MAX_FORM_MEMORY_SIZE=settings.max_body_bytes,
        MAX_FORM_PARTS=_MOST_FIELDS,
        WTF_CSRF_TIME_LIMIT=int(_FORM_LIFETIME.total_seconds()),
        WTF_CSRF_SSL_STRICT=False,  # the cookie and its token are enough; proxies drop the referrer
    )
    site.jinja_env.trim_blocks = site.jinja_env.lstrip_blocks = True


def _begin() -> None:
    """Find out who looks at a page; refuse what no page can take."""
    scope = request.environ["asgi.scope"]
    exchange = exchange_of(scope)
    exchange.page = request.endpoint
    request.environ["flexagora.correlation_id"] = exchange.correlation_id
    request.environ["flexagora.address"] = scope.get("flexagora.address", "")
    environment: Environment = current_app.extensions[_ENVIRONMENT]
    with in_environment(environment), unit_of_work(environment.engine, read_only=True):
        look_up_visitor()
    someone = visitor()
    exchange.principal = someone.principal if someone else None
    refused = scope.get(REFUSED)
    if refused is not None:
        raise refused
    _check_texts()


def _check_texts() -> None:
    """Raise InvalidInput for characters that no database stores."""
    for place in (request.args, request.form):
        for name, values in place.lists():
            if any("\x00" in value for value in (name, *values)):
                raise InvalidInput.field(name[:100], "characters", "A NUL character is no text.")


def _context() -> dict[str, object]:
    """Return what every template knows."""
    return {
        "visitor": visitor(),
        "navigation": entries(),
        "language": language(),
        "zone": str(zone()),
        "may": _may,
    }


def _may(operation_id: str) -> bool:
    someone = visitor()
    return someone is not None and rights.may(someone.principal, operation_id)

"""The contract reference: an index, one Swagger UI page for each contract, and the documents.

Everything is served from here: the pages ask no other server for anything. Needs the extra
`marketplace`.
"""

import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from swagger_ui_bundle import swagger_ui_path

from mpp_sdk.web.binding import BoundContract
from mpp_sdk.web.problems import no_such_path

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "DENY"}
_SWAGGER_UI = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_OWN = {"docs.css": "text/css", "docs.js": "text/javascript"}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
{head}<link rel="stylesheet" href="/docs/assets/docs.css">
</head>
<body>
{body}
</body>
</html>
"""


def docs_routes(contracts: Sequence[BoundContract]) -> list[BaseRoute]:
    """Return the routes below `/docs` for the contracts that are served."""
    by_name = {bound.contract.name: bound for bound in contracts}

    async def index(_: Request) -> Response:
        return HTMLResponse(_index(contracts), headers=_HEADERS)

    async def page(request: Request) -> Response:
        return HTMLResponse(_contract_page(_find(by_name, request)), headers=_HEADERS)

    async def document(request: Request) -> Response:
        bound = _find(by_name, request)
        served = {**bound.contract.document, "servers": [{"url": bound.base_path or "/"}]}
        return Response(json.dumps(served, ensure_ascii=False), media_type="application/json")

    async def asset(request: Request) -> Response:
        return _asset(request.path_params["file"])

    return [
        Route("/docs", index),
        Route("/docs/assets/{file}", asset),
        Route("/docs/{api}", page),
        Route("/docs/{api}/openapi.json", document),
    ]


def _find(by_name: dict[str, BoundContract], request: Request) -> BoundContract:
    bound = by_name.get(request.path_params["api"])
    if bound is None:
        raise no_such_path()
    return bound


def _asset(name: str) -> Response:
    caching = {"Cache-Control": "public, max-age=3600"}
    if name in _OWN:
        source = (resources.files("mpp_sdk.web") / "assets" / name).read_bytes()
        return Response(source, media_type=_OWN[name], headers=caching)
    if name in _SWAGGER_UI:
        return FileResponse(Path(swagger_ui_path) / name, headers=caching)
    raise no_such_path()


def _index(contracts: Sequence[BoundContract]) -> str:
    items = "\n".join(
        f'<li><a href="/docs/{escape(bound.contract.name)}">{escape(bound.contract.title)}</a> '
        f"{escape(bound.contract.version)}<br><code>{escape(bound.base_path)}</code> "
        f"<p>{escape(_first_paragraph(bound))}</p>"
        f'<a href="/docs/{escape(bound.contract.name)}/openapi.json">OpenAPI document</a></li>'
        for bound in contracts
    )
    body = f"<main>\n<h1>Contracts</h1>\n<ul>\n{items}\n</ul>\n</main>"
    return _PAGE.format(title="Contracts", head="", body=body)


def _first_paragraph(bound: BoundContract) -> str:
    description = str(bound.contract.document["info"].get("description", ""))
    return " ".join(description.strip().partition("\n\n")[0].split())


def _contract_page(bound: BoundContract) -> str:
    head = '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">\n'
    url = f"/docs/{escape(bound.contract.name)}/openapi.json"
    body = (
        '<nav><a href="/docs">All contracts</a></nav>\n'
        f'<div id="contract" data-url="{url}"></div>\n'
        '<script src="/docs/assets/swagger-ui-bundle.js"></script>\n'
        '<script src="/docs/assets/docs.js"></script>'
    )
    return _PAGE.format(title=escape(bound.contract.title), head=head, body=body)

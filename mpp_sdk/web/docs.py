"""The contract reference: an index, one Swagger UI page for each contract, and the documents.

Everything is served from here: the pages ask no other server for anything. Needs the extra
`marketplace`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from swagger_ui_bundle import swagger_ui_path

from mpp_sdk.web.binding import BoundContract
from mpp_sdk.web.contract import Contract
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


@dataclass(frozen=True)
class _Entry:
    """A contract in the reference: served here, below its base path, or by others."""

    contract: Contract
    base_path: str
    served_here: bool


def docs_routes(
    served: Sequence[BoundContract], served_by_others: Sequence[Contract] = ()
) -> list[BaseRoute]:
    """Return the routes below `/docs`.

    They show the contracts that are served here, which a reader can try out, and those that others
    serve to whoever serves this.
    """
    entries = [_Entry(bound.contract, bound.base_path, True) for bound in served]
    entries += [_Entry(contract, contract.base_path, False) for contract in served_by_others]
    by_name = {entry.contract.name: entry for entry in entries}

    async def index(_: Request) -> Response:
        return HTMLResponse(_index(entries), headers=_HEADERS)

    async def page(request: Request) -> Response:
        return HTMLResponse(_contract_page(_find(by_name, request)), headers=_HEADERS)

    async def document(request: Request) -> Response:
        entry = _find(by_name, request)
        shown = {**entry.contract.document, "servers": [{"url": entry.base_path or "/"}]}
        return Response(json.dumps(shown, ensure_ascii=False), media_type="application/json")

    async def asset(request: Request) -> Response:
        return _asset(request.path_params["file"])

    return [
        Route("/docs", index),
        Route("/docs/assets/{file}", asset),
        Route("/docs/{api}", page),
        Route("/docs/{api}/openapi.json", document),
    ]


def _find(by_name: dict[str, _Entry], request: Request) -> _Entry:
    entry = by_name.get(request.path_params["api"])
    if entry is None:
        raise no_such_path()
    return entry


def _asset(name: str) -> Response:
    caching = {"Cache-Control": "public, max-age=3600"}
    if name in _OWN:
        source = (resources.files("mpp_sdk.web") / "assets" / name).read_bytes()
        return Response(source, media_type=_OWN[name], headers=caching)
    if name in _SWAGGER_UI:
        return FileResponse(Path(swagger_ui_path) / name, headers=caching)
    raise no_such_path()


def _index(entries: Sequence[_Entry]) -> str:
    parts = ["<h1>Contracts</h1>"]
    sections = (("Served here", True), ("Served by platforms", False))
    for title, served_here in sections:
        cards = [_card(entry) for entry in entries if entry.served_here is served_here]
        if cards:
            parts += [f"<h2>{title}</h2>", "<ul>", *cards, "</ul>"]
    body = "\n".join(["<main>", *parts, "</main>"])
    return _PAGE.format(title="Contracts", head="", body=body)


def _card(entry: _Entry) -> str:
    contract, name = entry.contract, escape(entry.contract.name)
    return (
        f'<li><h3><a href="/docs/{name}">{escape(contract.title)}</a></h3>\n'
        f"<p>{escape(_first_paragraph(contract))}</p>\n"
        f"<p><span>Version {escape(contract.version)}</span> "
        f"<code>{escape(entry.base_path)}</code> "
        f'<a href="/docs/{name}/openapi.json">OpenAPI document</a></p></li>'
    )


def _first_paragraph(contract: Contract) -> str:
    description = str(contract.document["info"].get("description", ""))
    return " ".join(description.strip().partition("\n\n")[0].split())


def _contract_page(entry: _Entry) -> str:
    head = '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">\n'
    url = f"/docs/{escape(entry.contract.name)}/openapi.json"
    served_here = "true" if entry.served_here else "false"
    body = (
        '<nav><a href="/docs">All contracts</a></nav>\n'
        f'<div id="contract" data-url="{url}" data-served-here="{served_here}"></div>\n'
        '<script src="/docs/assets/swagger-ui-bundle.js"></script>\n'
        '<script src="/docs/assets/docs.js"></script>'
    )
    return _PAGE.format(title=escape(entry.contract.title), head=head, body=body)

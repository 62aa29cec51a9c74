"""Every page of a filled website: found by its links, as each of those who may sign in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from werkzeug.exceptions import HTTPException

from marketplace.app import open_environment
from marketplace.core.edge import MarketplaceEdge
from marketplace.core.settings import Settings
from marketplace.identity import access
from marketplace.website.site import Site, create_site
from tests.functional.website.browserless import Page, Visitor, sign_in
from tools.screenshots.demonstration import Demonstration

_NOBODY = "nobody"
_SAMPLES = 4
"""How many pages of a kind somebody looks at, to find those with the most on them."""

_NO_PAGES = ("/static/", "/docs", "/live/", "/api/")


@dataclass(frozen=True)
class Place:
    """A page: which view shows it, where, to whom, and how much is on it.

    A file is no page; nor is a part of a page, which scripts ask for.
    """

    endpoint: str
    path: str
    who: str | None
    size: int
    is_page: bool


def site_of(folder: Path) -> Site:
    """Return a website that nobody visits, for its list of routes."""
    environment = open_environment(Settings(data_dir=folder))
    return create_site(environment, MarketplaceEdge(environment, access.entering))


def shown(site: Site) -> set[str]:
    """Return the names of all views that show something."""
    return {rule.endpoint for rule in site.url_map.iter_rules() if "GET" in (rule.methods or ())}


def explore(demonstration: Demonstration, site: Site) -> list[Place]:
    """Return what can be got to by links: of each view the page with the most on it."""
    best: dict[str, Place] = {}
    for who in (None, *demonstration.sign_ins):
        for place in _walk(demonstration, site, who):
            known = best.get(place.endpoint)
            if known is None or known.size < place.size:
                best[place.endpoint] = place
    return list(best.values())


def _walk(demonstration: Demonstration, site: Site, who: str | None) -> Iterator[Place]:
    """Give what somebody finds, beginning at the first page. Fails where a link leads nowhere."""
    account = None if who is None else demonstration.sign_ins[who]
    someone = (
        Visitor(demonstration.url)
        if account is None
        else sign_in(demonstration.url, account.email, account.password)
    )
    queue, met, looked = ["/"], {"/"}, dict[str, int]()
    while queue:
        path = queue.pop(0)
        endpoint = _endpoint(site, path)
        if looked.get(endpoint, 0) >= _SAMPLES:
            continue
        looked[endpoint] = looked.get(endpoint, 0) + 1
        page = someone.go(path)
        assert page.status == 200, f"A link leads {who or _NOBODY} to {path}: {page.status}"
        is_html = "text/html" in page.response.headers["Content-Type"]
        if page.path == path.partition("?")[0]:
            is_page = is_html and "<html" in page.text
            yield Place(endpoint, path, who, len(page.text), is_page)
        if not is_html:
            continue
        new = [one for one in _leads(page, demonstration.url) if one not in met]
        queue += new
        met.update(new)


def _endpoint(site: Site, path: str) -> str:
    adapter = site.url_map.bind("127.0.0.1")
    try:
        endpoint, _ = adapter.match(path.partition("?")[0], method="GET")
    except HTTPException as error:
        raise AssertionError(f"A link leads to {path}, which is no page.") from error
    return str(endpoint)


def _leads(page: Page, site: str) -> list[str]:
    """Return the paths that a page leads to, or asks for by itself."""
    found = []
    for where in page.tree.xpath("//a/@href | //@hx-get"):
        url = urlsplit(urljoin(page.url, str(where)))
        if url.netloc == urlsplit(site).netloc and not url.path.startswith(_NO_PAGES):
            found.append(f"{url.path}?{url.query}" if url.query else url.path)
    found += _preview_and_comparison(page)
    return list(dict.fromkeys(found))


def _preview_and_comparison(page: Page) -> list[str]:
    """Return what forms of a page lead to: the preview of a draft, ticked services side by side."""
    found = []
    if page.path.endswith("/edit") and page.path.startswith("/services/"):
        found.append(page.path.removesuffix("edit") + "preview")
    ticked = page.tree.xpath('//input[@name="service"][@type="checkbox"]/@value')
    if page.path == "/services" and len(ticked) >= 2:
        found.append(f"/services/compare?service={ticked[0]}&service={ticked[1]}")
    return found

"""What each page costs: its time, its queries, its size, and what a browser loads with it."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from lxml import html

from benchmarks.website.pages import Page, pages_of
from benchmarks.website.visitors import ANONYMOUS, EMAILS, Answer, Query, Visitor, watching
from marketplace.app import Application
from marketplace.core.edge import MarketplaceEdge
from marketplace.core.environment import Environment
from marketplace.identity import access
from marketplace.website.site import create_site
from mpp_sdk.web.server import collect_less

_MOST_WAYS = 16
_LOADED = ("stylesheet", "icon", "preload", "modulepreload")
_FIRST_TIMES = 2  # templates are compiled, statements are planned
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, order=True)
class Key:
    """What was measured: a page as somebody sees it, in one of the ways to which it leads itself.

    way is how it was searched, sorted, filtered or turned over; empty for the page as it begins.
    """

    endpoint: str
    visitor: str
    way: str = ""


@dataclass(frozen=True)
class Cost:
    """What an address costs, over several answers.

    seconds are in order; size is in bytes, as it is made; assets are the bytes that a browser loads
    besides for a first page.
    """

    address: str
    status: int
    is_page: bool
    seconds: list[float]
    queries: int
    size: int
    slowest: Query | None
    assets: int = 0

    def percentile(self, part: float) -> float:
        """Return the milliseconds that a part of the answers (0 to 1) stayed within."""
        return self.seconds[min(math.ceil(part * len(self.seconds)), len(self.seconds)) - 1] * 1000


@dataclass(frozen=True)
class Measured:
    """What all pages cost, and how often each answered with which status when it was looked for."""

    costs: dict[Key, Cost]
    answered: dict[str, Counter[int]]


async def measure(environment: Environment, times: int) -> Measured:
    """Return what the pages of a filled marketplace cost, each called so many times."""
    application = Application(environment)
    site = create_site(environment, MarketplaceEdge(environment, access.entering))
    collect_less()  # as a server does once it has started
    costs: dict[Key, Cost] = {}
    answered: dict[str, Counter[int]] = {}
    with watching(environment.engine) as queries:
        for name in (ANONYMOUS, *EMAILS):
            visitor = Visitor(httpx.ASGITransport(application.app), queries, name)
            if name in EMAILS:
                await visitor.sign_in(EMAILS[name])
            with environment.engine.connect() as connection:
                pages = list(pages_of(site, connection, name))
            for page in pages:
                statuses = answered.setdefault(page.endpoint, Counter())
                costs |= await _look(visitor, page, statuses, times)
            await visitor.close()
    return Measured(costs, answered)


async def _look(
    visitor: Visitor, page: Page, statuses: Counter[int], times: int
) -> dict[Key, Cost]:
    """Return what a page costs for a visitor at the first address at which there is one."""
    key = Key(page.endpoint, visitor.name)
    for address in page.addresses:
        answer = await visitor.get(address)
        statuses[answer.status] += 1
        if answer.status != 200:
            continue
        cost = await _cost(visitor, address, times)
        if not answer.is_page:
            return {key: cost}
        ways = {
            replace(key, way=way): await _cost(visitor, one, max(3, times // 4))
            for way, one in _ways(address, answer).items()
        }
        # A word may be no answer to what a field asks for, such as an id.
        ways = {way: one for way, one in ways.items() if one.status == 200 or one.status >= 500}
        statuses.update(one.status for one in ways.values())
        return {key: replace(cost, assets=await _assets(visitor, answer)), **ways}
    return {}


async def _cost(visitor: Visitor, address: str, times: int) -> Cost:
    answers: list[Answer] = []
    for _ in range(times + _FIRST_TIMES):
        answers.append(await visitor.get(address))
    counted = answers[_FIRST_TIMES:]
    every = [query for answer in counted for query in answer.queries]
    return Cost(
        address=address,
        status=counted[0].status,
        is_page=counted[0].is_page,
        seconds=sorted(answer.seconds for answer in counted),
        queries=max(len(answer.queries) for answer in counted),
        size=counted[0].size,
        slowest=max(every, key=lambda query: query.seconds, default=None),
    )


def _ways(address: str, answer: Answer) -> dict[str, str]:
    """Return where a page leads to itself: sorted, filtered, searched, turned over.

    Not to its file: that is made while it is read, for as long as there are rows.
    """
    path = urlsplit(address).path
    found: dict[str, str] = {}
    page = html.fromstring(answer.text)
    for link in page.iter("a"):
        url = urlsplit(link.get("href") or "")
        if url.query and url.path in ("", path) and "format=" not in url.query:
            way = "&".join(f"{name}={_masked(value)}" for name, value in parse_qsl(url.query))
            found.setdefault(way, f"{path}?{url.query}")
    for form in page.iter("form"):
        leads_here = urlsplit(form.get("action") or path).path == path
        if leads_here and form.get("method", "get").lower() == "get":
            for choice in _choices(form):
                found.setdefault(choice, f"{path}?{choice}")
    return dict(islice(found.items(), _MOST_WAYS))


def _choices(form: html.HtmlElement) -> Iterator[str]:
    """Return what can be asked for with a form: a word, and an option of each list of them."""
    for field in form.iter("input"):
        if field.get("type") == "search":
            yield urlencode({field.get("name"): "forecast"})
    for field in form.iter("select"):
        given = [option.get("value") for option in field.iter("option") if option.get("value")]
        for value in given[-1:]:
            yield urlencode({field.get("name"): value})


def _masked(value: str) -> str:
    """Return a value without what differs between markets of different size."""
    return "..." if _ID.fullmatch(value) or len(value) > 30 else value


async def _assets(visitor: Visitor, answer: Answer) -> int:
    """Return how many bytes of files a browser loads with a page, if it has none of them yet."""
    addresses: set[str] = set()
    for element in html.fromstring(answer.text).iter("link", "script", "img"):
        if element.tag == "link" and element.get("rel") not in _LOADED:
            continue
        address = element.get("src") or element.get("href") or ""
        if address.startswith("/"):
            addresses.add(address)
    return sum([await visitor.transferred(address) for address in sorted(addresses)])

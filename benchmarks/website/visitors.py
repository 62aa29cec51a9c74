"""People who look at the website in this process, and what each answer has cost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from lxml import html
from sqlalchemy import Engine, event

from benchmarks.seeding import OPERATOR_EMAIL, PASSWORD, PROVIDER_EMAIL, REQUESTER_EMAIL

SITE = "http://127.0.0.1"
ANONYMOUS = "anonymous"
EMAILS = {"provider": PROVIDER_EMAIL, "requester": REQUESTER_EMAIL, "operator": OPERATOR_EMAIL}
"""Who looks: the first people of the largest companies, and an operator."""

_PATIENCE_S = 120
_SIGN_IN = "/sign-in"


@dataclass(frozen=True)
class Query:
    """A query that was asked, and the seconds that the database took for it."""

    statement: str
    parameters: object
    seconds: float


@dataclass
class Queries:
    """The queries of an engine since they were last taken."""

    asked: list[Query] = field(default_factory=list)

    def take(self) -> list[Query]:
        """Return them, and begin anew."""
        taken, self.asked = self.asked, []
        return taken


@contextmanager
def watching(engine: Engine) -> Iterator[Queries]:
    """Give the queries that are asked while the block runs."""
    queries = Queries()
    begun: dict[int, float] = {}

    def before(connection: object, cursor: object, *_: object) -> None:
        begun[id(cursor)] = time.perf_counter()

    def after(
        connection: object, cursor: object, statement: str, parameters: object, *_: object
    ) -> None:
        seconds = time.perf_counter() - begun.pop(id(cursor))
        if not statement.startswith("BEGIN"):  # SQLite's; PostgreSQL's driver begins by itself
            queries.asked.append(Query(statement, parameters, seconds))

    listeners = (("before_cursor_execute", before), ("after_cursor_execute", after))
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield queries
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)


@dataclass(frozen=True)
class Answer:
    """What came back. size is that of the body, in bytes, before compression."""

    status: int
    is_page: bool
    text: str
    size: int
    seconds: float
    queries: list[Query]


class Visitor:
    """Somebody with a browser's cookies."""

    def __init__(self, app: httpx.ASGITransport, queries: Queries, name: str) -> None:
        self.name = name
        self._queries = queries
        self._client = httpx.AsyncClient(
            transport=app,
            base_url=SITE,
            timeout=_PATIENCE_S,
            headers={"Accept-Language": "en", "User-Agent": "benchmark"},
        )

    async def get(self, path: str) -> Answer:
        """Return the answer for a path, which is not followed elsewhere."""
        self._queries.take()
        begun = time.perf_counter()
        response = await self._client.get(path)
        seconds = time.perf_counter() - begun
        is_page = response.headers.get("content-type", "").startswith("text/html")
        return Answer(
            response.status_code,
            is_page,
            response.text if is_page else "",
            len(response.content),
            seconds,
            self._queries.take(),
        )

    async def transferred(self, path: str) -> int:
        """Return how many bytes of a file come over the wire to a browser."""
        async with self._client.stream("GET", path) as response:
            response.raise_for_status()
            async for _ in response.aiter_raw():
                pass
            return response.num_bytes_downloaded

    async def sign_in(self, email: str) -> None:
        """Fill in the form of the sign-in page. Raises LookupError when nobody is signed in."""
        page = html.fromstring((await self.get(_SIGN_IN)).text)
        for form in page.iter("form"):
            inputs = list(form.iter("input"))
            named = {one.get("type"): one.get("name", "") for one in inputs}
            if "password" not in named:
                continue
            values = {one.get("name", ""): one.get("value", "") for one in inputs}
            values |= {named["email"]: email, named["password"]: PASSWORD}
            answer = await self._client.post(
                form.get("action") or _SIGN_IN, data=values, headers={"Origin": SITE}
            )
            if answer.status_code in (302, 303):
                return
            raise LookupError(f"{email} is not signed in: {answer.status_code} {answer.text[:500]}")
        raise LookupError("There is no form to sign in with.")

    async def close(self) -> None:
        """Close the browser."""
        await self._client.aclose()

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from mpp_sdk.logs import FieldsFormatter
from mpp_sdk.readiness import Readiness
from mpp_sdk.web.access_log import LOGGER
from mpp_sdk.web.binding import bind, methods_of
from mpp_sdk.web.call import no_edge
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.docs import docs_routes
from mpp_sdk.web.health import health_routes
from mpp_sdk.web.server import BackgroundServer, compose

from . import probe

LIMIT = 200_000


@dataclass
class Probe:
    """A running probe, and calls to it with a key that may do everything."""

    url: str
    handlers: probe.Handlers
    key: str = "writer"
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"X-API-Key": self.key, **options.pop("headers", {})}
        return self.session.request(
            method, self.url + "/probe/v1" + path, headers=headers, timeout=10, **options
        )

    def post_json(self, text: str | bytes, path: str = "/items") -> requests.Response:
        data = text.encode() if isinstance(text, str) else text
        return self.call("POST", path, data=data, headers={"Content-Type": "application/json"})


@pytest.fixture(scope="module")
def running() -> Iterator[Probe]:
    handlers = probe.Handlers()
    contract = Contract.from_document("probe", probe.document())
    bound = bind(
        contract,
        methods_of(handlers),
        edge=no_edge,
        authenticator=probe.Keys(),
        body_limit=LIMIT,
        threads=4,
    )
    app = compose([bound], [*docs_routes([bound]), *health_routes(Readiness())])
    with BackgroundServer(app) as url:
        served = Probe(url, handlers)
        yield served
        served.session.close()


@pytest.fixture
def server(running: Probe) -> Probe:
    """The probe, with nothing seen yet."""
    running.handlers.seen.clear()
    running.handlers.threads.clear()
    running.handlers.during = lambda: None
    return running


@pytest.fixture
def access_lines() -> Iterator[list[dict[str, Any]]]:
    """The lines that the access log gets, parsed."""
    lines: list[dict[str, Any]] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(FieldsFormatter().format(record)))

    collector = Collector()
    level = LOGGER.level
    LOGGER.addHandler(collector)
    LOGGER.setLevel(logging.INFO)
    yield lines
    LOGGER.removeHandler(collector)
    LOGGER.setLevel(level)

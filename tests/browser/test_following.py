"""Pages that follow what they show: they hold a stream while they are seen, and no longer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Request

from marketplace.app import Application, open_environment
from marketplace.core.settings import Settings
from mpp_sdk.web.server import BackgroundServer
from tests.browser import doing
from tests.browser.conftest import AsPerson

STREAM = "**/live/company"
SEEN = """state => {
  Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    application = Application(open_environment(Settings(data_dir=tmp_path)))
    with BackgroundServer(application.app) as url:
        yield url


def is_stream(request: Request) -> bool:
    return "/live/" in request.url


def test_a_tab_that_is_not_seen_holds_no_stream(url: str, as_person: AsPerson) -> None:
    someone = as_person(url)
    doing.sign_up(someone, "Crevillent Networks", "DSO", "Ana Ruiz", "ana@crevillent.example")
    page = someone.page
    with page.expect_request(STREAM):
        someone.go("/overview")
    with page.expect_event("requestfailed", is_stream):
        page.evaluate(SEEN, "hidden")
    # Who comes back gets what is new at once, and a stream again.
    with page.expect_request(STREAM), page.expect_request("**/overview/**"):
        page.evaluate(SEEN, "visible")

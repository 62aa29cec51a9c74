"""Which pictures of the website there are, what each shows, and how somebody gets there."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tools.screenshots.demonstration import OPERATOR, PROVIDER, REQUESTER

_LIVELY_MS = 60_000
"""How long a picture waits for the platforms of the demonstration to do their part."""


@dataclass(frozen=True)
class Picture:
    """A picture: its file's name without the ending, what it shows, whose page it is."""

    name: str
    caption: str
    who: str | None
    reach: Callable[[Page], object]
    dark: bool = False
    phone: bool = False


def at(path: str) -> Callable[[Page], object]:
    """Return what opens a page by its path."""
    return lambda page: page.goto(path)


def _platform_tested(page: Page) -> None:
    page.goto("/company/platform")
    page.get_by_role("button", name="Test integration").click()
    expect(page.locator("#test")).to_contain_text("PASSED")


def _platform_failing(page: Page) -> None:
    """State a key that the platform does not take, have it fail, and state the right one again."""
    page.goto("/company/platform")
    page.get_by_label("API key for the marketplace").fill("not-the-key-of-this-platform")
    page.get_by_role("button", name="Save").click()
    page.goto("/company/platform")
    page.get_by_role("button", name="Test integration").click()
    expect(page.locator("#test")).to_contain_text("FAILED")


def _key_issued(page: Page) -> None:
    page.goto("/company/credentials")
    page.get_by_label("What for").fill("reporting")
    page.get_by_role("radio").first.check()
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Issue", exact=True).click()
    page.locator("#secret").wait_for()


def _service(page: Page) -> None:
    page.goto("/services?q=Validated+meter+data")
    page.get_by_role("link", name="Validated meter data").click()
    page.get_by_role("heading", level=1, name="Validated meter data").wait_for()


def _editing(page: Page) -> None:
    page.goto("/our-services")
    page.get_by_role("link", name="Go on writing").click()
    page.get_by_role("button", name="Save and preview").wait_for()


def _compared(page: Page) -> None:
    page.goto("/services?category=METERING_DATA")
    for box in page.get_by_role("checkbox").all()[:3]:
        box.check()
    page.get_by_role("button", name="Compare the ticked ones").click()
    page.get_by_role("table").wait_for()


def _request(state: str) -> Callable[[Page], None]:
    def reach(page: Page) -> None:
        page.goto(f"/requests?state={state}")
        page.get_by_role("table").get_by_role("link").first.click()
        page.get_by_role("heading", name="What is open now").wait_for()

    return reach


def _offer(page: Page) -> None:
    _request("REQUESTED&role=provider")(page)
    page.get_by_role("button", name="Make an offer").click()
    page.get_by_role("heading", level=1, name="Make an offer").wait_for()


def _acceptance(page: Page) -> None:
    _request("OFFERED")(page)
    page.get_by_role("button", name="Look at what is agreed, and accept").click()
    page.get_by_role("button", name="Accept").first.wait_for()


def _subscription(page: Page) -> None:
    """Open the subscription whose platforms are live, once its consents have come."""
    page.goto("/subscriptions?state=ACTIVE")
    link = page.get_by_role("link", name="Validated meter data").first
    expect(link).to_be_visible()
    link.click()
    page.get_by_role("heading", level=1).wait_for()


def _pods(page: Page) -> None:
    _subscription(page)
    page.goto(page.url.partition("?")[0] + "/points-of-delivery")
    expect(page.get_by_role("table")).to_contain_text("GRANTED", timeout=_LIVELY_MS)


def _adding(page: Page) -> None:
    _subscription(page)
    page.goto(page.url.partition("?")[0] + "/points-of-delivery/new")


def _dead(page: Page) -> None:
    page.goto("/deliveries?state=DEAD")
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_role("heading", name="Attempts, the newest first").wait_for()


PICTURES = (
    Picture("start", "What everybody sees first.", None, at("/")),
    Picture("sign-up", "A company signs up.", None, at("/sign-up")),
    Picture("overview", "What waits for a company.", REQUESTER, at("/overview")),
    Picture("search", "Finding services.", REQUESTER, at("/services")),
    Picture("service", "A service, and where it is offered.", REQUESTER, _service),
    Picture("comparison", "Services side by side.", REQUESTER, _compared),
    Picture("request", "An offer that waits for an answer.", REQUESTER, _request("OFFERED")),
    Picture("acceptance", "Exactly what is agreed.", REQUESTER, _acceptance),
    Picture("subscription", "A subscription and what happened under it.", REQUESTER, _subscription),
    Picture("points-of-delivery", "Consents and activations.", REQUESTER, _pods),
    Picture("adding-pods", "Adding points of delivery.", REQUESTER, _adding),
    Picture("our-services", "What a provider offers.", PROVIDER, at("/our-services")),
    Picture("editing", "Describing a service.", PROVIDER, _editing),
    Picture("offer", "Answering a request with an offer.", PROVIDER, _offer),
    Picture("platform", "A platform whose integration test passed.", PROVIDER, _platform_tested),
    Picture("credential", "An API key, shown once.", PROVIDER, _key_issued),
    Picture("board", "What needs an operator's hand.", OPERATOR, at("/operators/board")),
    Picture("companies", "The companies.", OPERATOR, at("/operators/companies")),
    Picture("deliveries", "What platforms are told.", OPERATOR, at("/deliveries")),
    Picture("delivery", "A dead delivery and its attempts.", OPERATOR, _dead),
    Picture("audit-trail", "Who did what, when and why.", OPERATOR, at("/audit-trail")),
    Picture("numbers", "The numbers over time.", OPERATOR, at("/operators/numbers")),
    Picture("board-dark", "The board in the dark.", OPERATOR, at("/operators/board"), dark=True),
    Picture(
        "subscription-phone", "A subscription on a phone.", REQUESTER, _subscription, False, True
    ),
    Picture("search-phone", "Finding services on a phone.", REQUESTER, at("/services"), True, True),
    Picture("platform-failing", "A test that failed, and what to do.", PROVIDER, _platform_failing),
)
"""In the order in which they are taken; the last one leaves its platform with a wrong key."""

"""What people do on the pages, each with nothing but what the pages show; scripts may be off."""

import re
from collections.abc import Mapping

from playwright.sync_api import FilePayload, Locator, Page, expect
from yarl import URL

from tests.browser.person import Person

PASSWORD = "a long walk by the river"
AREA = '{"type":"Polygon","coordinates":[[[-0.95,38.1],[-0.6,38.1],[-0.6,38.4],[-0.95,38.1]]]}'
API_DOCUMENT = """openapi: 3.0.3
info: {title: Quality of readings, version: 1.0.0}
paths:
  /quality:
    get: {summary: How complete the readings are, responses: {"200": {description: Percentages.}}}
"""
SERVICE = {
    "name": "Validated meter data",
    "summary": "Hourly readings around Crevillent.",
    "category": "METERING_DATA",
    "providerRole": "DSO",
    "details": "Validated by the **metered data operator**.",
    "countries": "ES",
    "area": AREA,
    "dataStandard": "CIM_IEC_62325",
    "resolution": "1",
    "resolution/unit": "hours",
    "delay": "12",
    "delay/unit": "hours",
    "consentRequired": "true",
    "interimStatusInterval": "1",
    "interimStatusInterval/unit": "minutes",
    "price/model": "PER_POD",
    "price/amount": "0.25",
    "price/currency": "EUR",
    "price/interval": "30",
    "price/interval/unit": "days",
    "terms": "Readings of the day before are there by **noon**.",
    "integration/contract": "metering",
    "integration/contractVersion": "1.0.0",
}


def main(page: Page) -> Locator:
    """Return the part of a page that is its own."""
    return page.get_by_role("main")


def enter(page: Page, given: Mapping[str, str]) -> None:
    """Fill a form that is sent, by the names of its inputs."""
    forms = main(page).locator('form[method="post"]')
    for name, value in given.items():
        named = forms.locator(f'[name="{name}"]')
        kind = named.first.evaluate("field => field.type")
        if kind in ("checkbox", "radio"):
            forms.locator(f'[name="{name}"][value="{value}"]').check()
        elif kind == "select-one":
            named.select_option(value)
        else:
            named.fill(value)


def press(page: Page, button: str) -> None:
    """Press a button."""
    main(page).get_by_role("button", name=button, exact=True).click()


def follow(page: Page, link: str) -> None:
    """Follow a link, whether it looks like a button or not."""
    linked = main(page).get_by_role("link", name=link, exact=True)
    linked.or_(main(page).locator("a[role=button]").get_by_text(link, exact=True)).first.click()


def act(page: Page, title: str, reason: str) -> None:
    """Do what asks for a reason."""
    form = main(page).locator("form.act").filter(has=page.get_by_text(title, exact=True)).first
    form.locator("summary").click()
    form.locator("textarea").fill(reason)
    form.locator("button").click()


def sign_up(person: Person, company: str, role: str, name: str, email: str) -> None:
    """Sign a company up and be its first administrator."""
    person.go("/")
    follow(person.page, "Sign up your company")
    given = {"name": company, "roles": role, "country": "ES", "personName": name, "email": email}
    enter(person.page, given | {"password": PASSWORD, "passwordAgain": PASSWORD})
    press(person.page, "Sign up")
    expect(person.page.get_by_role("heading", level=1)).to_have_text("Overview")


def accept_invitation(person: Person, link: str, name: str) -> None:
    """Follow the link of an invitation, and choose a password."""
    person.page.goto(link)
    person.check_accessibility()
    enter(person.page, {"name": name, "password": PASSWORD, "passwordAgain": PASSWORD})
    press(person.page, "Accept the invitation")
    expect(main(person.page)).not_to_contain_text("Accept the invitation")


def state_platform(person: Person, url: str, key: str) -> str:
    """State where the company's platform is; return the signing secret that is shown once."""
    person.go("/company/platform")
    enter(person.page, {"baseUrl": url, "apiKey": key})
    press(person.page, "Save")
    return str(person.page.locator("#signing-secret").text_content())


def restate_key(person: Person, key: str) -> None:
    """State another key for the marketplace."""
    person.go("/company/platform")
    enter(person.page, {"apiKey": key})
    press(person.page, "Save")
    expect(main(person.page)).to_contain_text("test again")


def try_integration(person: Person) -> Locator:
    """Have the company's platform tested; return what is told of it."""
    person.go("/company/platform")
    press(person.page, "Test integration")
    return person.page.locator("#test")


def issue_key(person: Person) -> str:
    """Return an API key for the company's platform, which is shown once, with snippets."""
    person.go("/company/credentials")
    enter(person.page, {"kind": "API_KEY", "label": "platform"})
    for role in main(person.page).locator('[name="roles"]').all():
        role.check()
    press(person.page, "Issue")
    key = str(person.page.locator("#secret").text_content())
    assert key in str(person.page.locator("#snippet-sdk").text_content())
    return key


def approve(person: Person, company: str) -> None:
    """Let a company that waits take part."""
    person.go("/operators/board")
    follow(person.page, company)
    act(person.page, "Approve", "The licence was verified.")
    expect(main(person.page).locator("h1")).to_contain_text("ACTIVE")


def publish(person: Person) -> None:
    """Describe a service, look at the preview, and publish it."""
    person.go("/our-services")
    follow(person.page, "New service")
    enter(person.page, SERVICE)
    document = FilePayload(
        name="quality.yaml", mimeType="application/yaml", buffer=API_DOCUMENT.encode()
    )
    main(person.page).locator('[name="apiDocument/file"]').set_input_files(document)
    press(person.page, "Save and preview")
    expect(main(person.page)).to_contain_text("Only you see this.")
    expect(main(person.page).locator("figure svg").first).to_be_visible()
    press(person.page, "Publish version 1")
    expect(main(person.page).locator("h1")).to_contain_text("PUBLISHED")


def request(person: Person) -> str:
    """Ask for the service whose page is open; return the path of the request."""
    follow(person.page, "Request this service")
    enter(person.page, {"message": "For our pool of batteries.", "expectedPods": "3"})
    press(person.page, "Send the request")
    expect(main(person.page)).to_contain_text("REQUESTED")
    return _path(person.page)


def offer(person: Person, request_path: str, amount: str) -> None:
    """Answer a request with an offer at a price."""
    person.go(request_path)
    follow(person.page, "Make an offer")
    enter(person.page, {"price/amount": amount})
    press(person.page, "Send the offer")
    expect(main(person.page)).to_contain_text("is sent")


def ask_for(person: Person, request_path: str, amount: str) -> None:
    """Ask for another price than what is offered."""
    person.go(request_path)
    follow(person.page, "Ask for other terms")
    price = {"price/model": "PER_POD", "price/amount": amount, "price/currency": "EUR"}
    enter(person.page, {"message": "Is less possible?", **price, "price/interval": "30"})
    enter(person.page, {"price/interval/unit": "days"})
    press(person.page, "Send your wishes")
    expect(main(person.page)).to_contain_text("REQUESTED")


def accept(person: Person, request_path: str, agreed: str) -> str:
    """Accept what the confirmation page shows; return the path of the subscription."""
    person.go(request_path)
    follow(person.page, "Look at what is agreed, and accept")
    expect(main(person.page)).to_contain_text(agreed)
    press(person.page, "Accept the offer")
    expect(person.page).to_have_url(re.compile(r"/subscriptions/[0-9a-f-]{36}"))
    return _path(person.page)


def add_points_of_delivery(person: Person, subscription_path: str, pods: str) -> None:
    """Add points of delivery by a CSV file."""
    person.go(subscription_path)
    follow(person.page, "Add points of delivery")
    table = FilePayload(name="pods.csv", mimeType="text/csv", buffer=pods.encode())
    main(person.page).locator('[name="file"]').set_input_files(table)
    press(person.page, "Add")
    expect(main(person.page).locator(".notice.success")).to_be_visible()


def cancel(person: Person, subscription_path: str) -> None:
    """End a subscription."""
    person.go(subscription_path)
    follow(person.page, "Cancel the subscription")
    enter(person.page, {"reason": "The batteries were sold."})
    press(person.page, "Cancel the subscription")
    expect(main(person.page)).to_contain_text("CANCELED")


def _path(page: Page) -> str:
    return URL(page.url).path

"""Everybody can use every page: light and dark, at a desk and on a phone."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.browser import doing
from tests.browser.authenticator import Authenticator
from tests.browser.conftest import AsPerson
from tests.browser.person import Person, Setting
from tests.browser.places import Place, explore, shown, site_of
from tests.browser.world import World
from tests.browser.world import running as running_world
from tools.screenshots.demonstration import Demonstration, running

LOOKS = {
    "light-desktop": Setting(),
    "dark-phone": Setting(dark=True, phone=True),
}
ELSEWHERE = {
    "account.from_provider": "leads on, when an organisation's own sign-in page leads back",
    "account.to_provider": "leads on, to an organisation's own sign-in page",
    "account.code": "asked of who has a second factor",
    "account.invitation": "opened by the link of a mail",
    "account.reset": "opened by the link of a mail",
    "operators.resynchronisation": "there after a restore",
    "operators.resynchronisations": "there after a restore",
}
"""What no link leads to, by why; pages among it are looked at by themselves."""

PARTS = {
    "operators.delivery_standing": "of a delivery that is not over",
    "operators.replay_progress": "of a replay of many that is not over",
}
"""Parts that pages ask for only while something goes on."""


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with running(tmp_path_factory.mktemp("demonstration")) as started:
        yield started


@pytest.fixture(scope="module")
def places(demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> list[Place]:
    site = site_of(tmp_path_factory.mktemp("site"))
    found = explore(demonstration, site)
    unseen = shown(site) - {place.endpoint for place in found}
    unseen -= {*ELSEWHERE, *PARTS}
    assert not unseen, f"No link leads to these pages: {', '.join(sorted(unseen))}"
    return [place for place in found if place.is_page]


@pytest.mark.parametrize("look", LOOKS)
def test_everybody_can_use_every_page(
    look: str, demonstration: Demonstration, places: Sequence[Place], as_person: AsPerson
) -> None:
    people: dict[str | None, Person] = {}
    problems: list[str] = []
    for place in places:
        if place.who not in people:
            people[place.who] = _seated(as_person, demonstration, place.who, LOOKS[look])
        problems += _problems(people[place.who], place)
    assert not problems, "\n".join(problems)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as started:
        yield started


def test_everybody_can_use_what_a_second_factor_and_mails_lead_to(
    world: World, as_person: AsPerson
) -> None:
    email = "ana@crevillent.example"
    person = as_person(world.url, LOOKS["dark-phone"])
    doing.sign_up(person, "Crevillent Networks", "DSO", "Ana Ruiz", email)
    person.go("/account/second-factor")
    doing.press(person.page, "Begin")
    person.check_accessibility()
    secret = str(person.page.locator("#totp-secret").text_content())
    doing.enter(person.page, {"code": Authenticator(secret).code()})
    doing.press(person.page, "Switch it on")
    person.page.get_by_role("heading", level=1, name="recovery codes").wait_for()
    person.check_accessibility()

    other = as_person(world.url, LOOKS["dark-phone"])
    other.go("/sign-in")
    doing.enter(other.page, {"email": email, "password": doing.PASSWORD})
    doing.press(other.page, "Sign in")
    other.page.get_by_role("heading", level=1, name="One more step").wait_for()
    other.check_accessibility()
    other.go("/password/forgotten")
    doing.enter(other.page, {"email": email})
    doing.press(other.page, "Send the link")
    other.page.goto(world.mails.link_for(email))
    other.page.get_by_role("heading", level=1, name="Set a new password").wait_for()
    other.check_accessibility()


def test_everybody_can_use_what_a_restore_leads_to(world: World, as_person: AsPerson) -> None:
    operator = as_person(world.url, LOOKS["dark-phone"])
    link = world.invite_operator("olivia@flexagora.example", "Olivia Meyer")
    doing.accept_invitation(operator, link, "Olivia Meyer")
    since = datetime.now(UTC) - timedelta(hours=1)
    world.command("database", "resynchronise", "--since", since.isoformat())
    operator.go("/operators/board/resynchronisations")
    operator.check_accessibility()
    operator.page.get_by_role("table").get_by_role("link").first.click()
    operator.page.get_by_role("link", name="Re-synchronisations").wait_for()
    operator.check_accessibility()


def _seated(
    as_person: AsPerson, demonstration: Demonstration, who: str | None, setting: Setting
) -> Person:
    person = as_person(demonstration.url, setting)
    if who is not None:
        account = demonstration.sign_ins[who]
        person.sign_in(account.email, account.password)
    return person


def _problems(person: Person, place: Place) -> list[str]:
    """Return what is wrong with a page, each in a line or more."""
    person.go(place.path)
    page, where = person.page, f"{place.endpoint}, {place.path}"
    problems = []
    try:
        person.check_accessibility()
    except AssertionError as error:
        problems.append(f"{place.endpoint}: {error}")
    if (headings := page.locator("h1").count()) != 1:
        problems.append(f"{where}: {headings} headings of the first order")
    if not page.title().removesuffix("· Flexagora").strip():
        problems.append(f"{where}: no title")
    if page.locator("html").get_attribute("lang") != "en":
        problems.append(f"{where}: does not say that it is in English")
    wide, room = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    if wide > room:
        problems.append(f"{where}: {wide} pixels wide where there are {room}")
    return problems

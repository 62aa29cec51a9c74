"""The stories of the website: from a newcomer's first page to a delivery that an operator replays.

Behind the pages two platforms of the SDK really run, connected by nothing but what pages show.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import doing
from tests.browser.conftest import AsPerson
from tests.browser.doing import main
from tests.browser.person import Person, Setting
from tests.browser.world import World, gone, running

PROVIDER = ("Crevillent Networks", "DSO", "Ana Ruiz", "ana@crevillent.example")
REQUESTER = ("Levante Flexibility", "AGGREGATOR", "Pau Ferrer", "pau@levante.example")
WRONG_KEY = "not-the-key-that-the-platform-takes"
UNKNOWN_POD = "METER-OF-NOBODY"
LIVELY_MS = 60_000


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Return a marketplace without anybody; ask for it first, for people leave before it ends."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with running(tmp_path, url) as started:
        yield started


def test_a_subscription_comes_about_and_a_dead_delivery_is_replayed(
    world: World, as_person: AsPerson
) -> None:
    provider, requester, operator = (as_person(world.url) for _ in range(3))
    link = world.invite_operator("olivia@flexagora.example", "Olivia Meyer")
    doing.accept_invitation(operator, link, "Olivia Meyer")

    # A newcomer signs up and connects its platform, not without a mistake.
    doing.sign_up(provider, *PROVIDER)
    platform = world.provider_platform()
    signing_secret = doing.state_platform(provider, platform.url, WRONG_KEY)
    provider.check_accessibility()
    key = doing.issue_key(provider)
    provider.check_accessibility()
    world.connect(platform, key, signing_secret)
    told = doing.try_integration(provider)
    expect(told).to_contain_text("FAILED")
    expect(told).to_contain_text("What to do: Issue an API key for the marketplace")
    doing.restate_key(provider, platform.inbound_key)
    expect(doing.try_integration(provider)).to_contain_text("PASSED")
    doing.approve(operator, PROVIDER[0])

    # It publishes a service; a second company finds it, and they agree.
    doing.publish(provider)
    doing.sign_up(requester, *REQUESTER)
    theirs = world.requester_platform()
    their_secret = doing.state_platform(requester, theirs.url, theirs.inbound_key)
    their_key = doing.issue_key(requester)
    doing.approve(operator, REQUESTER[0])
    _find(requester)
    negotiation = doing.request(requester)
    doing.offer(provider, negotiation, "0.30")
    doing.ask_for(requester, negotiation, "0.20")
    doing.offer(provider, negotiation, "0.22")
    subscription = doing.accept(requester, negotiation, "0.22 EUR")

    # Its platform starts only now: the page that is open tells by itself what happens then.
    expect(main(requester.page)).to_contain_text("Not both platforms have the details yet.")
    requester.page.evaluate("window.loadedOnce = true")
    world.connect(theirs, their_key, their_secret)
    active = "Both platforms have the details; data may flow."
    expect(main(requester.page)).to_contain_text(active, timeout=LIVELY_MS)
    assert requester.page.evaluate("window.loadedOnce"), "The page was loaded again."

    # The platforms ask for consents; so they do for what is added on the page.
    doing.add_points_of_delivery(requester, subscription, f"podId\n{UNKNOWN_POD}\n")
    requester.go(subscription)
    timeline = main(requester.page).locator("ol.timeline")
    for said in (UNKNOWN_POD, "DENIED", "GRANTED"):
        expect(timeline).to_contain_text(said, timeout=LIVELY_MS)
    points = main(requester.page).get_by_role("link", name="1 of 3 active")
    expect(points).to_be_visible(timeout=LIVELY_MS)

    # The provider's platform takes no event any more; an operator finds out, and replays.
    platform.stop()
    with gone(platform):
        doing.cancel(requester, subscription)
        _find_the_dead(operator)
    world.connect(platform, key, signing_secret)
    doing.act(operator.page, "Replay", "The platform is back.")
    expect(operator.page.locator("#standing")).to_contain_text("DELIVERED", timeout=LIVELY_MS)
    operator.check_accessibility()


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_everything_essential_works_without_scripts(world: World, as_person: AsPerson) -> None:
    plain = Setting(javascript=False)
    provider, requester, operator = (as_person(world.url, plain) for _ in range(3))
    operator.page.goto(world.invite_operator("olivia@flexagora.example", "Olivia Meyer"))
    doing.enter(
        operator.page,
        {"name": "Olivia", "password": doing.PASSWORD, "passwordAgain": doing.PASSWORD},
    )
    doing.press(operator.page, "Accept the invitation")
    for person, company in ((provider, PROVIDER), (requester, REQUESTER)):
        doing.sign_up(person, *company)
        _connect(world, person)
        doing.approve(operator, company[0])
    doing.publish(provider)
    _find(requester)
    negotiation = doing.request(requester)
    doing.offer(provider, negotiation, "0.30")
    subscription = doing.accept(requester, negotiation, "0.30 EUR")
    requester.go(subscription)
    expect(main(requester.page)).to_contain_text("Not both platforms have the details yet.")


def _connect(world: World, person: Person) -> None:
    """State a platform that never runs: what is agreed waits for it."""
    platform = world.requester_platform()
    assert doing.state_platform(person, platform.url, platform.inbound_key)


def _find(person: Person) -> None:
    """Search for the service, and open its page."""
    person.go("/services")
    person.page.get_by_label("Words").fill("meter")
    doing.press(person.page, "Search")
    doing.follow(person.page, doing.SERVICE["name"])
    expect(main(person.page).locator("h1")).to_contain_text(doing.SERVICE["name"])
    doing.follow(person.page, "Read the API document")
    expect(main(person.page)).to_contain_text("How complete the readings are")
    person.page.go_back()


def _find_the_dead(operator: Person) -> None:
    """Get from the board to the one delivery that is dead, and read why."""
    operator.go("/operators/board")
    dead = operator.page.locator("#card-dead")
    expect(dead).to_be_visible(timeout=LIVELY_MS)
    dead.get_by_role("link").first.click()
    deliveries = main(operator.page).get_by_role("table")
    deliveries.get_by_role("link", name="Service offer canceled").first.click()
    expect(operator.page.locator("#standing")).to_contain_text("410")
    expect(operator.page.locator("#standing")).to_contain_text("DEAD")

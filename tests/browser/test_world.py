"""What the stories rely on: platforms that are connected by hand, mails, and codes."""

from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest

from examples.demo.companies import wait_until
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    Delivery,
    DeliveryState,
    MarketPlayerRole,
    Subscription,
    SubscriptionState,
)
from tests.browser.authenticator import Authenticator
from tests.browser.mails import Mailbox, NoMail, links_in
from tests.browser.world import World, gone, running
from tests.world import people
from tests.world.people import Company, Register
from tests.world.processes import PlatformProcess


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_platforms_are_connected_by_hand_and_a_dead_delivery_is_replayed(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    with running(tmp_path, url) as world:
        register = Register(world.url)
        register.sign_in_operator(*world.create_operator())
        platform = world.provider_platform()
        provider = _connect(world, register, "Crevillent Networks", MarketPlayerRole.DSO, platform)
        requester = _connect(
            world,
            register,
            "Levante Flexibility",
            MarketPlayerRole.AGGREGATOR,
            world.requester_platform(),
        )
        service = people.publish(provider, "Meter data")
        platform.stop()
        with gone(platform):
            subscription = people.subscribe(provider, requester, service)
            dead = wait_until("The death", lambda: _dead(register, subscription.subscription_id))
        world.connect(platform, provider.key, provider.signing_secret)
        register.operator.client.replay(dead.event_id, ActionReason(reason="It is back."))
        wait_until("The activation", lambda: _is_active(requester, subscription))


def _connect(
    world: World, register: Register, name: str, role: MarketPlayerRole, platform: PlatformProcess
) -> Company:
    """Do with calls what a person does on pages."""
    company = register.company(name, [role], platform.url, platform.inbound_key)
    world.connect(platform, company.key, company.signing_secret)
    return company


def _dead(register: Register, subscription_id: UUID) -> Delivery | None:
    page = register.operator.client.list_deliveries(
        subscription_id=subscription_id, state=DeliveryState.DEAD
    )
    return page.items[0] if page.items else None


def _is_active(company: Company, subscription: Subscription) -> bool:
    found = company.client.read_subscription(subscription.subscription_id).body
    return found.state is SubscriptionState.ACTIVE


def test_mails_are_given_to_whom_they_are_for_and_once(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "mails")
    with pytest.raises(NoMail, match=r"ana@a\.example"):
        mailbox.wait_for("ana@a.example", seconds=0)
    (tmp_path / "mails").mkdir()
    for number, address in enumerate(("bo@b.example", "ana@a.example", "ana@a.example")):
        mail = EmailMessage()
        mail["To"], mail["Subject"] = address, f"Mail {number}"
        mail.set_content(f"Ä long line {'x' * 100}: http://127.0.0.1:1/join/{number}?t=a-b_c.\n")
        (tmp_path / "mails" / f"{9 - number}.eml").write_bytes(mail.as_bytes())
    assert mailbox.link_for("ana@a.example") == "http://127.0.0.1:1/join/1?t=a-b_c"
    assert mailbox.wait_for("ana@a.example")["Subject"] == "Mail 2"
    assert mailbox.is_empty_for("ana@a.example")
    assert not mailbox.is_empty_for("bo@b.example")


def test_links_are_found_without_what_ends_the_sentence() -> None:
    assert links_in(
        "See http://a.example/b/c. Or (http://a.example/b/d), <http://a.example/b/c>"
    ) == [
        "http://a.example/b/c",
        "http://a.example/b/d",
    ]


def test_codes_are_those_of_the_secret_and_none_comes_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = [59.0]
    monkeypatch.setattr("time.time", lambda: moment[0])
    monkeypatch.setattr("time.sleep", lambda seconds: moment.append(moment.pop() + seconds))
    authenticator = Authenticator("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ")
    assert authenticator.code() == "287082"  # RFC 6238, appendix B, without its first two digits
    assert authenticator.code() != "287082"
    assert 60 <= moment[0] < 61

"""`flexagora serve --demo-data` brings up a filled website on which three people can sign in."""

from pathlib import Path

from examples.demo.companies import wait_until
from tests.functional.website.browserless import Page, Visitor, sign_in
from tools.screenshots.demonstration import (
    OPERATOR,
    PROVIDER,
    REQUESTER,
    Demonstration,
    running,
)

SERVICE = "Validated meter data"


def test_the_demonstration_is_filled_lives_and_begins_anew(tmp_path: Path) -> None:
    with running(tmp_path) as demonstration:
        assert demonstration.url in demonstration.printed
        assert set(demonstration.sign_ins) == {PROVIDER, REQUESTER, OPERATOR}
        provider, requester, operator = (
            _signed_in(demonstration, role) for role in (PROVIDER, REQUESTER, OPERATOR)
        )
        assert SERVICE in provider.go("/our-services").words
        assert "Dead deliveries" in operator.go("/operators/board").words
        assert _companies_that_wait(operator) == {"Baltica Retail", "Douro Flex"}
        subscription = wait_until("The subscription", lambda: _active(requester))
        wait_until("The consents", lambda: _answered(requester, subscription))
        _leave_a_trace(operator)
        assert _companies_that_wait(operator) == {"Douro Flex"}
        password = demonstration.sign_ins[OPERATOR].password

        demonstration.server.stop()
        assert demonstration.server.wait(1) == 0

    with running(tmp_path) as again:
        assert again.sign_ins[OPERATOR].password != password
        operator = _signed_in(again, OPERATOR)
        assert _companies_that_wait(operator) == {"Baltica Retail", "Douro Flex"}


def _signed_in(demonstration: Demonstration, role: str) -> Visitor:
    account = demonstration.sign_ins[role]
    return sign_in(demonstration.url, account.email, account.password)


def _companies_that_wait(operator: Visitor) -> set[str]:
    page = operator.go("/operators/companies?state=PENDING")
    return {" ".join(one.text_content().split()) for one in page.tree.xpath("//tbody//a")}


def _leave_a_trace(operator: Visitor) -> None:
    page = operator.follow(operator.go("/operators/companies?state=PENDING"), "Baltica Retail")
    operator.press(page, "Approve", {"reason": "The licence was verified."})


def _active(requester: Visitor) -> Page | None:
    page = requester.go("/subscriptions?state=ACTIVE")
    return requester.follow(page, SERVICE) if SERVICE in page.words else None


def _answered(requester: Visitor, subscription: Page) -> bool:
    """Return whether customers have said yes, said no, and not said anything, by their platform."""
    page = requester.go(f"{subscription.path}/points-of-delivery")
    return all(state in page.words for state in ("GRANTED", "DENIED", "REQUESTED", "ACTIVE"))

"""Negotiations on pages: from a request to exactly what is agreed."""

import re
from datetime import timedelta
from uuid import UUID

import pytest

from marketplace.accounts.domain import PersonRole
from marketplace.subscriptions.domain import RequestState
from mpp_sdk import clock
from tests.functional.website.browserless import HOSTILE, Page, Visitor, filled
from tests.functional.website.business import Business, Member
from tests.unit.marketplace.market import OPERATOR

WISHED = {
    "message": "Cheaper, please.",
    "price/model": "PER_POD",
    "price/amount": "0.10",
    "price/currency": "EUR",
}


@pytest.fixture
def service_id(business: Business, provider: Member) -> UUID:
    return business.market.published(provider.company, name="Hourly readings")


@pytest.fixture
def request_id(business: Business, requester: Member, service_id: UUID) -> UUID:
    return business.market.requested(requester.company, service_id, message="For our forecasts.")


@pytest.fixture
def offer_id(business: Business, provider: Member, request_id: UUID) -> UUID:
    return business.market.offered(provider.company, request_id)


def path_of(request_id: UUID) -> str:
    return f"/requests/{request_id}"


def acceptance(request_id: UUID, offer_id: UUID) -> str:
    return f"/requests/{request_id}/offers/{offer_id}/acceptance"


def state_of(business: Business, request_id: UUID) -> str:
    with business.market.working(OPERATOR):
        from marketplace.subscriptions import negotiation

        return negotiation.read_request(request_id).request.state.value


def test_two_companies_agree_page_by_page(
    business: Business, provider: Member, requester: Member, service_id: UUID
) -> None:
    buyer, seller = requester.visitor, provider.visitor
    page = buyer.go(f"/services/{service_id}/request")
    assert "Hourly readings" in page.words
    made = buyer.press(
        page, "Send the request", {"message": "For our forecasts.", "expectedPods": "300"}
    )
    assert "The request is sent." in made.notices[0]
    assert "300" in made.words
    where = made.path

    asked = seller.go(where)
    assert "Levante Aggregation waits for your offer" in asked.words
    form = seller.follow(asked, "Make an offer")
    assert form.value("terms") == "By noon."
    offered = seller.press(form, "Send the offer", {"terms": "## By noon\n\nEvery **day**."})
    assert "Offer 1 is sent." in offered.notices[0]

    counter = buyer.follow(buyer.go(where), "Ask for other terms")
    wished = buyer.press(counter, "Send your wishes", WISHED)
    assert "Your wishes are sent." in wished.notices[0]

    again = seller.follow(seller.go(where), "Make an offer")
    assert (again.value("price/model"), again.value("price/amount")) == ("PER_POD", "0.10")
    assert "Cheaper, please." in again.words
    revised = seller.press(again, "Send the offer", {"terms": "## By ten\n\nEvery **day**."})
    assert "changed" in revised.words
    assert [one.text_content().split(":")[1].strip() for one in revised.tree.xpath("//ins")] == [
        "## By ten"
    ]
    assert [one.text_content().split(":")[1].strip() for one in revised.tree.xpath("//del")] == [
        "## By noon"
    ]

    confirm = buyer.follow(buyer.go(where), "Look at what is agreed, and accept")
    for part in (
        "Crevillent Distribution",
        "Levante Aggregation",
        "0.10 EUR",
        "version 1",
        "1 hour",
    ):
        assert part in confirm.words
    assert confirm.tree.xpath('//div[contains(@class, "agreed")]//strong[text()="day"]')
    agreed = buyer.press(confirm, "Accept the offer")
    assert re.fullmatch(r"/subscriptions/[0-9a-f-]{36}", agreed.path)
    assert "PENDING" in agreed.words
    done = seller.go(where)
    assert "CONFIRMED" in done.words
    assert done.link("Go to the subscription") == agreed.url


def test_a_revision_in_between_is_not_what_was_agreed(
    business: Business, provider: Member, requester: Member, request_id: UUID, offer_id: UUID
) -> None:
    buyer = requester.visitor
    seen = buyer.go(acceptance(request_id, offer_id))
    business.market.offered(provider.company, request_id, terms="By midnight.")
    refused = buyer.press(seen, "Accept the offer")
    assert refused.status == 412
    assert "cannot be accepted any more" in refused.words
    assert state_of(business, request_id) == RequestState.OFFERED


def test_an_offer_is_accepted_only_from_the_page_that_shows_it(
    business: Business, requester: Member, request_id: UUID, offer_id: UUID
) -> None:
    buyer = requester.visitor
    url, data = filled(buyer.go(acceptance(request_id, offer_id)), "Accept the offer")
    without = [(name, value) for name, value in data if name != "etag"]
    assert buyer.post(url, without).status == 428
    assert state_of(business, request_id) == RequestState.OFFERED


def test_two_presses_make_one_request_and_one_subscription(
    business: Business, requester: Member, service_id: UUID, request_id: UUID, offer_id: UUID
) -> None:
    buyer = requester.visitor
    for page, button in (
        (buyer.go(f"/services/{service_id}/request"), "Send the request"),
        (buyer.go(acceptance(request_id, offer_id)), "Accept the offer"),
    ):
        url, data = filled(page, button)
        first, second = buyer.post(url, data), buyer.post(url, data)
        assert (first.status, second.status) == (200, 200)
        assert first.path == second.path != page.path


def test_every_text_is_shown_as_it_is_and_does_nothing(
    business: Business, provider: Member, requester: Member, service_id: UUID
) -> None:
    buyer, seller = requester.visitor, provider.visitor
    new = buyer.go(f"/services/{service_id}/request")
    made = buyer.press(new, "Send the request", {"message": HOSTILE})
    harmless(made, HOSTILE)
    form = seller.follow(seller.go(made.path), "Make an offer")
    harmless(form, HOSTILE)
    preview = seller.press(form, "Preview the terms", {"terms": HOSTILE})
    harmless(preview, HOSTILE)
    assert preview.value("terms") == HOSTILE
    harmless(seller.press(preview, "Send the offer"), "<script>alert(1)</script>")
    harmless(buyer.follow(buyer.go(made.path), "Look at what is agreed, and accept"), "alert(1)")
    counter = buyer.follow(buyer.go(made.path), "Ask for other terms")
    refused = buyer.press(
        counter, "Send your wishes", {"message": HOSTILE, "price/amount": HOSTILE}
    )
    harmless(refused, HOSTILE)
    harmless(buyer.press(counter, "Send your wishes", {"message": HOSTILE}), HOSTILE)
    ended = buyer.press(buyer.go(made.path), "Withdraw the request", {"reason": HOSTILE})
    harmless(ended, HOSTILE)
    harmless(buyer.go("/requests"), "Hourly readings")
    harmless(buyer.go("/overview"), "Request")


def harmless(page: Page, shown: str) -> None:
    """Check that a page shows a text as it was given, and that nothing of it is markup."""
    assert page.status in (200, 400), page.words
    values = [str(one.value) for form in page.tree.forms for one in form.xpath(".//textarea")]
    assert any(shown in text for text in (page.tree.text_content(), *values)), page.words
    assert not [one for one in page.tree.xpath("//script") if not one.get("src")]


def test_what_is_wrong_is_named_and_what_was_entered_stays(
    business: Business, provider: Member, requester: Member, service_id: UUID, request_id: UUID
) -> None:
    page = requester.visitor.go(f"/services/{service_id}/request")
    refused = requester.visitor.press(
        page, "Send the request", {"message": "Please", "expectedPods": "-3"}
    )
    assert refused.status == 400
    assert refused.value("message") == "Please"
    assert refused.wrong("expectedPods")

    seller = provider.visitor
    form = seller.go(f"{path_of(request_id)}/offer")
    for given, name in (
        ({"terms": "  "}, "terms"),
        ({"terms": "x" * 20_001}, "terms"),
        (
            {"price/model": "PER_POD", "price/amount": "a lot", "price/currency": "EUR"},
            "price/amount",
        ),
        ({"price/model": "PER_POD"}, "price/amount"),
        (
            {"price/model": "PER_POD", "price/amount": "1", "price/currency": "euro"},
            "price/currency",
        ),
        ({"validity/start": "soon"}, "validity/start"),
        ({"validity/end": "2020-01-01T00:00"}, "validity/end"),
        ({"validUntil": "2020-01-01T00:00"}, "validUntil"),
        ({"interimStatusInterval": "often"}, "interimStatusInterval"),
    ):
        again = seller.press(form, "Send the offer", given)
        assert again.status == 400, given
        assert again.wrong(name), given
    assert state_of(business, request_id) == RequestState.REQUESTED


def test_reasons_are_needed_and_not_too_long(
    business: Business, provider: Member, request_id: UUID, offer_id: UUID
) -> None:
    seller = provider.visitor
    page = seller.go(path_of(request_id))
    for button in ("Withdraw the offer", "Reject the request"):
        for reason in ("", "x" * 1001):
            refused = seller.press(page, button, {"reason": reason})
            assert refused.status == 400
            assert "reason" in refused.notices[0]
    withdrawn = seller.press(page, "Withdraw the offer", {"reason": "A mistake."})
    assert "The offer is withdrawn." in withdrawn.notices[0]
    assert "A mistake." in withdrawn.words
    rejected = seller.press(withdrawn, "Reject the request", {"reason": "No capacity."})
    assert "REJECTED" in rejected.words
    assert "No capacity." in rejected.words


def test_somebody_who_was_faster_is_noticed(
    business: Business, provider: Member, requester: Member, request_id: UUID, offer_id: UUID
) -> None:
    page = provider.visitor.go(path_of(request_id))
    business.market.countered(requester.company, request_id)
    late = provider.visitor.press(page, "Reject the request", {"reason": "No."})
    assert late.status == 412
    assert state_of(business, request_id) == RequestState.REQUESTED


def test_another_company_finds_nothing(
    business: Business, stranger: Member, request_id: UUID, offer_id: UUID
) -> None:
    where = path_of(request_id)
    for path in (where, f"{where}/progress", f"{where}/offer", f"{where}/counter-proposal"):
        assert stranger.visitor.go(path).status == 404, path
    assert stranger.visitor.go(acceptance(request_id, offer_id)).status == 404
    own = stranger.visitor.go("/requests")
    assert str(request_id) not in own.text
    token = [("csrf_token", own.tree.xpath('//input[@name="csrf_token"]/@value')[0])]
    given = [*token, ("reason", "x"), ("etag", '"1"'), ("message", "x")]
    for path in (
        f"{where}/withdrawal",
        f"{where}/rejection",
        f"{where}/offers/{offer_id}/withdrawal",
        f"{where}/counter-proposal",
        acceptance(request_id, offer_id),
        f"{where}/offer/preview",
    ):
        assert stranger.visitor.post(path, given).status == 404, path


def test_roles_decide_what_can_be_done(
    business: Business, provider: Member, requester: Member, request_id: UUID, offer_id: UUID
) -> None:
    watcher = business.colleague(requester, PersonRole.PROVIDER)
    page = watcher.go(path_of(request_id))
    assert page.status == 200
    assert "Look at what is agreed" not in page.words
    assert not page.tree.xpath('//main//form[@method="post"]')
    assert watcher.go(acceptance(request_id, offer_id)).status == 403
    assert business.operator.go(path_of(request_id)).status == 200
    assert not business.operator.go(path_of(request_id)).tree.xpath('//main//form[@method="post"]')
    assert "Hourly readings" in business.operator.go("/requests").words
    seller = provider.visitor.go(path_of(request_id))
    assert "Look at what is agreed" not in seller.words


def test_the_list_is_filtered_sorted_and_given_as_csv(
    business: Business, provider: Member, requester: Member, service_id: UUID
) -> None:
    market = business.market
    first = market.requested(requester.company, service_id)
    second = market.requested(requester.company, service_id)
    market.offered(provider.company, second, validUntil=clock.now() + timedelta(hours=2))

    def shown(query: str, who: Visitor = requester.visitor) -> list[str]:
        page = who.go(f"/requests?service={service_id}{query}")
        links = page.tree.xpath("//tbody//th/a/@href")
        return [str(link).rpartition("/")[2] for link in links]

    assert shown("") == [str(second), str(first)]
    assert shown("&sort=expiring") == [str(second), str(first)]
    assert shown("&state=REQUESTED") == [str(first)]
    assert shown("&role=provider") == []
    assert shown("&role=provider", provider.visitor) == [str(second), str(first)]
    assert requester.visitor.go("/requests?state=NONE").status == 400
    assert "in 2 hours" in requester.visitor.go(f"/requests?service={service_id}").words
    csv = requester.visitor.go(f"/requests?service={service_id}&format=csv")
    assert csv.response.headers["Content-Type"].startswith("text/csv")
    assert len(csv.text.splitlines()) == 3
    assert str(first) in csv.text


def test_new_terms_for_a_subscription_are_asked_for(
    business: Business, provider: Member, requester: Member, stranger: Member, service_id: UUID
) -> None:
    market = business.market
    held = market.subscribed(provider.company, requester.company, service_id)
    buyer = requester.visitor
    page = buyer.follow(buyer.go(f"/subscriptions/{held}"), "Ask for new terms")
    assert page.title == "New terms for your subscription"
    made = buyer.press(page, "Send the request", {"message": "A lower price."})
    assert made.link("the present subscription").endswith(str(held))
    again = buyer.go(f"/services/{service_id}/request?supersedes={held}")
    second = buyer.press(again, "Send the request", {"message": "An even lower price."})
    assert second.status == 409
    path = f"/services/{service_id}/request?supersedes={held}"
    assert stranger.visitor.go(path).status == 404

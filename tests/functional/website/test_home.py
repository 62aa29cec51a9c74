"""The first pages: what strangers read, and what waits for a company."""

from datetime import timedelta

from marketplace.accounts.domain import PersonRole
from mpp_sdk import clock
from tests.functional.website.browserless import HOSTILE, Page, Visitor
from tests.functional.website.business import Business, Member


def cards(page: Page) -> dict[str, str]:
    """Return the number on each card of what waits, by its title."""
    found = page.tree.xpath('//section[@aria-labelledby="waits"]//article')
    return {
        str(card.xpath("string(.//h3)")).strip(): str(card.xpath("string(./span[1])")).strip()
        for card in found
    }


def test_a_stranger_reads_what_this_is_and_gets_in(business: Business) -> None:
    someone = Visitor(business.url)
    page = someone.go("/")
    assert "both platforms connect by themselves" in page.words
    assert someone.follow(page, "Sign up your company").path == "/sign-up"
    assert page.tree.xpath("//main//svg/title/text()")


def test_whoever_is_signed_in_gets_to_their_own_first_page(
    business: Business, provider: Member
) -> None:
    assert provider.visitor.go("/").path == "/overview"
    assert business.operator.go("/").path == "/operators/board"
    assert business.operator.go("/overview").status == 403
    assert Visitor(business.url).go("/overview").path == "/sign-in"


def test_a_newcomer_sees_what_is_missing(business: Business) -> None:
    page = business.newcomer("Newcomer Energia").go("/overview")
    assert "Before you can take part" in page.words
    assert page.link("State where your platform is").endswith("/company/platform")
    assert "Nothing waits for you" in page.words


def test_what_waits_is_counted_for_each_company_by_itself(
    business: Business, provider: Member
) -> None:
    market, buyer = business.market, business.member("Levante Aggregation")
    service_id = market.published(provider.company, name="Hourly readings")
    for _ in range(5):
        market.requested(buyer.company, service_id)
    offered = market.requested(buyer.company, service_id)
    market.offered(provider.company, offered, validUntil=clock.now() + timedelta(hours=5))
    late = market.requested(buyer.company, service_id)
    market.offered(provider.company, late, validUntil=clock.now() + timedelta(days=30))
    market.pending(provider.company, buyer.company, service_id)
    held = market.subscribed(provider.company, buyer.company, service_id)
    seller = provider.visitor
    seller.press(seller.go(f"/subscriptions/{held}"), "Suspend", {"reason": HOSTILE})

    page = seller.go("/overview")
    assert cards(page) == {
        "Requests to answer": "5",
        "Your offers about to expire": "1",
        "Suspended subscriptions": "1",
        "Subscriptions that have not begun": "1",
    }
    assert seller.follow(page, "Requests to answer").text.count('<th scope="row">') == 5
    assert cards(buyer.visitor.go("/overview")) == {
        "Offers to decide on": "2",
        "Suspended subscriptions": "1",
        "Subscriptions that have not begun": "1",
    }
    assert cards(business.member("Ponent Energia").visitor.go("/overview")) == {}
    assert "What is new" in page.words
    fragment = seller.go("/overview/present")
    assert "<html" not in fragment.text
    assert "Requests to answer" in fragment.text


def test_what_is_overdue_waits(business: Business, provider: Member) -> None:
    market, buyer = business.market, business.member("Olot Retail")
    service_id = market.published(provider.company, name="Every second")
    held = market.subscribed(
        provider.company, buyer.company, service_id, interimStatusInterval="PT1S"
    )
    for _ in range(600):
        page = buyer.visitor.go("/overview")
        if cards(page):
            break
    assert cards(page) == {"Overdue statuses": "1"}
    assert "The provider's status is overdue." in buyer.visitor.go(f"/subscriptions/{held}").words


def test_names_of_companies_and_services_do_nothing(business: Business) -> None:
    market = business.market
    hostile = market.company(HOSTILE)
    buyer = business.member("Carme Trade")
    service_id = market.published(hostile, name=HOSTILE, terms=HOSTILE)
    request_id = market.requested(buyer.company, service_id)
    market.offered(hostile, request_id, terms=HOSTILE)
    held = market.subscribed(hostile, buyer.company, service_id)
    paths = ("/overview", "/requests", f"/requests/{request_id}", "/subscriptions")
    for path in (*paths, f"/subscriptions/{held}", f"/subscriptions/{held}/cancellation"):
        page = buyer.visitor.go(path)
        assert page.status == 200
        assert HOSTILE in page.tree.text_content(), path
        assert not [one for one in page.tree.xpath("//script") if not one.get("src")], path
    csv = buyer.visitor.go("/subscriptions?format=csv")
    assert csv.response.headers["Content-Disposition"].startswith("attachment")


def test_who_may_see_no_business_is_not_led_there(business: Business, provider: Member) -> None:
    someone = business.colleague(provider, PersonRole.ADMINISTRATOR)
    page = someone.go("/overview")
    assert page.status == 200
    for link in page.tree.xpath("//main//a/@href | //nav//a/@href"):
        if str(link).startswith(("/requests", "/subscriptions", "/services")):
            assert someone.go(str(link)).status == 200, link


def test_the_language_is_chosen_and_leads_back(business: Business) -> None:
    someone = Visitor(business.url)
    page = someone.press(someone.go("/"), "Deutsch")
    assert page.path == "/"
    assert page.tree.get("lang") == "de"
    outside = [("back", "https://evil.example/"), ("language", "de")]
    token = ("csrf_token", page.tree.xpath('//input[@name="csrf_token"]/@value')[0])
    assert someone.post("/language", [token, *outside]).url.startswith(business.url)

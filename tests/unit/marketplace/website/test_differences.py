"""What a revision of an offer changes."""

from datetime import UTC, datetime, timedelta

from marketplace.subscriptions.tables import Offer
from marketplace.website.negotiation.differences import MOST_LINES, NONE, Line, between
from mpp_sdk.contracts.marketplace.models import Price, PriceModel

MOMENT = datetime(2026, 12, 1, tzinfo=UTC)


def offer(terms: str = "By noon.", days: int = 365, amount: str | None = None) -> Offer:
    price = Price(model=PriceModel.FREE)
    if amount is not None:
        price = Price(model=PriceModel.PER_POD, amount=amount, currency="EUR")
    return Offer(
        terms=terms,
        price=price,
        validity_start=MOMENT,
        validity_end=MOMENT + timedelta(days=days),
        interim_status_interval="PT1H",
    )


def test_the_first_offer_and_one_that_is_the_same_change_nothing() -> None:
    assert between(None, offer()) == NONE
    assert between(offer(), offer()) == NONE


def test_what_differs_is_named() -> None:
    assert between(offer(), offer(amount="0.10", days=30)).facts == {"price", "validity_end"}


def test_terms_are_laid_over_each_other_line_by_line() -> None:
    found = between(offer("One\nTwo\nThree"), offer("One\n2\nThree\nFour"))
    assert found.facts == {"terms"}
    assert found.lines == (
        Line("same", "One"),
        Line("removed", "Two"),
        Line("added", "2"),
        Line("same", "Three"),
        Line("added", "Four"),
    )


def test_very_long_terms_are_only_said_to_have_changed() -> None:
    long = "\n".join(str(number) for number in range(MOST_LINES + 1))
    found = between(offer(), offer(long))
    assert found.facts == {"terms"}
    assert found.lines == ()

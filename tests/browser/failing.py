"""Tests that must fail; `test_watching` runs them to see that they do."""

from tests.browser.conftest import AsPerson
from tests.browser.pages import Served, page, serving


def test_whose_page_fails(as_person: AsPerson) -> None:
    with serving({"/": Served(page("<p>Sorry</p>"), 500)}) as site:
        as_person(site).go("/")


def test_that_fails_by_itself(as_person: AsPerson) -> None:
    with serving({"/": Served(page("<p>Well</p>"))}) as site:
        assert as_person(site).go("/").status == 404

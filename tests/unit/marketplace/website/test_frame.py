"""What every page shares, apart from HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from flask import Flask, g
from flask.ctx import RequestContext
from hypothesis import given
from hypothesis import strategies as st

from marketplace.accounts.signing_in import SignedIn
from marketplace.catalogue.domain import VersionState
from marketplace.core.paging import Page
from marketplace.identity.access import MarketplacePrincipal
from marketplace.identity.speaking import own_version
from marketplace.identity.tables import Platform
from marketplace.website.frame import formats, forms, lists, rights
from marketplace.website.frame.languages import speak
from marketplace.website.frame.lists import Column
from marketplace.website.frame.markdown import markdown
from marketplace.website.frame.refusals import page_again, shown_again
from marketplace.website.frame.versions import spoken_by
from marketplace.website.frame.ways import local_path
from mpp_sdk.contracts.marketplace.models import (
    OfferDraft,
    Price,
    PriceModel,
    ServiceRequestDraft,
)
from mpp_sdk.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated

SERVICE = "0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d92"


@pytest.fixture(scope="module")
def site() -> Flask:
    site = Flask(__name__)
    site.secret_key = "for tests"
    speak(site)
    site.add_url_rule("/", "home.start", lambda: "")
    site.add_url_rule("/list", "list", lambda: "")
    return site


@pytest.fixture
def page(site: Flask) -> Iterator[RequestContext]:
    with site.test_request_context("/list?state=DRAFT&cursor=abc&q=a+b") as context:
        yield context


def someone(time_zone: str | None = None, *roles: str) -> SignedIn:
    principal = MarketplacePrincipal("person:1", "Ana Ruiz", frozenset(roles))
    return SignedIn(
        person_id=UUID(SERVICE),
        name="Ana Ruiz",
        email="ana@crevillent.example",
        roles=frozenset(),
        market_player_id=UUID(SERVICE),
        company="Crevillent Distribution",
        player_state=None,
        locale=None,
        time_zone=time_zone,
        principal=principal,
        session_id=UUID(SERVICE),
    )


class TestForms:
    def read_offer(self, site: Flask, **changed: str) -> OfferDraft:
        filled = {
            "terms": "Data by noon.",
            "price/model": "PER_POD",
            "price/amount": "0.25",
            "price/currency": "EUR",
            "validity/start": "2026-07-01T00:00",
            "validity/end": "",
            "interimStatusInterval": "PT1H",
            "validUntil": "2026-06-30T18:30",
            "csrf_token": "not a property",
        } | changed
        with site.test_request_context("/", method="POST", data=filled):
            g.visitor = someone("Europe/Madrid")
            return forms.read(OfferDraft, "subscriptions.make_offer")

    def test_become_what_the_contract_has(self, site: Flask) -> None:
        offer = self.read_offer(site)
        assert offer.price.model is PriceModel.PER_POD
        assert offer.price.amount == "0.25"
        assert offer.validity.end is None

    def test_have_moments_in_the_visitors_time_zone(self, site: Flask) -> None:
        offer = self.read_offer(site)
        assert offer.valid_until == datetime(2026, 6, 30, 16, 30, tzinfo=UTC)
        assert offer.validity.start == datetime(2026, 6, 30, 22, 0, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("name", "text", "rule"),
        [
            ("terms", "", "required"),
            ("terms", "x" * 20_001, "maxLength"),
            ("price/amount", "1,5", "pattern"),
            ("price/model", "BARTER", "enum"),
            ("price/currency", "euro", "pattern"),
            ("validUntil", "tomorrow", "format"),
            ("interimStatusInterval", "hourly", "pattern"),
        ],
    )
    def test_are_refused_with_the_field_and_the_rule(
        self, site: Flask, name: str, text: str, rule: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            self.read_offer(site, **{name: text})
        assert [(one.pointer, one.rule) for one in refused.value.errors] == [(f"/{name}", rule)]

    def test_name_a_number_that_is_none(self, site: Flask) -> None:
        data = {"serviceId": SERVICE, "expectedPods": "many"}
        with (
            site.test_request_context("/", method="POST", data=data),
            pytest.raises(InvalidInput) as refused,
        ):
            forms.read(ServiceRequestDraft, "subscriptions.request_service")
        assert [one.pointer for one in refused.value.errors] == ["/expectedPods"]

    def test_show_again_what_was_entered_and_what_was_wrong(self, site: Flask) -> None:
        data = {"price/amount": "1,5", "countries": ["ES", "FR"]}
        with site.test_request_context("/", method="POST", data=data):
            g.refusal = InvalidInput.field("/price/amount", "pattern", "Write 1.5.")
            form = forms.form_of()
        assert form.value("price/amount") == "1,5"
        assert form.values("countries") == ["ES", "FR"]
        assert form.error("price/amount") == form.error("price") == "Write 1.5."
        assert form.error("terms") is None

    def test_are_filled_from_a_model(self, page: RequestContext) -> None:
        form = forms.form_of(Price(model=PriceModel.PER_KWH, amount="2", currency="EUR"))
        assert {name: form.value(name) for name in form.given} == {
            "model": "PER_KWH",
            "amount": "2",
            "currency": "EUR",
        }

    @given(st.text(max_size=300))
    def test_take_any_text_as_it_is_or_refuse_it(self, site: Flask, text: str) -> None:
        data = {"serviceId": SERVICE, "message": text}
        with site.test_request_context("/", method="POST", data=data):
            try:
                draft = forms.read(ServiceRequestDraft, "subscriptions.request_service")
            except InvalidInput:
                return
        assert draft.message == (text.replace("\r\n", "\n").strip() or None)


class TestLists:
    def test_begin_anew_under_another_filter(self, page: RequestContext) -> None:
        assert lists.url_with(state="PUBLISHED") == "/list?state=PUBLISHED&q=a+b"
        assert lists.url_with(state=None, q=None) == "/list"

    def test_refuse_a_code_that_there_is_not(self, site: Flask) -> None:
        with site.test_request_context("/?state=DRAFT"):
            assert lists.one_of("state", VersionState) is VersionState.DRAFT
        with site.test_request_context("/?state=draft"), pytest.raises(InvalidInput) as refused:
            lists.one_of("state", VersionState)
        assert refused.value.errors[0].pointer == "state"

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
    def test_give_spreadsheets_no_formulas(self, text: str) -> None:
        columns: list[Column[str]] = [Column("name", lambda one: one)]
        written = lists._part(columns, lambda limit, after: Page([text]), None)[1]
        assert written.lstrip('"').startswith("'")

    def test_write_numbers_moments_and_lists(self) -> None:
        moment = datetime(2026, 3, 1, tzinfo=UTC)
        values: list[object] = [-1, Decimal("-0.5"), moment, ["DSO", "TSO"], None, 'a "b", c']
        columns: list[Column[object]] = [
            Column(str(place), lambda _, place=place: values[place])  # type: ignore[misc]
            for place in range(len(values))
        ]
        written = lists._part(columns, lambda limit, after: Page([object()]), None)[1]
        assert written == '-1,-0.5,2026-03-01T00:00:00+00:00,DSO TSO,,"a ""b"", c"\r\n'


class TestWays:
    @pytest.mark.parametrize("path", ["/overview", "/services?q=a&cursor=b", "/a/b#c", "/ü"])
    def test_lead_to_pages_of_this_site(self, page: RequestContext, path: str) -> None:
        assert local_path(path) == path

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "/\t/evil.example",
            "\\\\evil.example",
            "javascript:alert(1)",
            "evil.example",
            "",
            "/" + "a" * 3_000,
            "/%0d\nSet-Cookie:a=b",
        ],
    )
    def test_lead_nowhere_else(self, page: RequestContext, elsewhere: str) -> None:
        assert local_path(elsewhere) == "/"


class TestMarkdown:
    def test_is_written_as_html(self) -> None:
        html = markdown("# Data\n\nBy **noon**.\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n1. one\n")
        for part in ("<h3>Data</h3>", "<strong>noon</strong>", "<td>1</td>", "<ol>"):
            assert part in html

    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[a](javascript:alert(1))",
            "[a](data:text/html,<script>alert(1)</script>)",
            "![a](https://evil.example/pixel.png)",
            "<a href='https://a.example' onclick='alert(1)'>a</a>",
            "<style>body{display:none}</style>",
            "[a]: javascript:alert(1)\n\n[a]",
            "<svg/onload=alert(1)>",
        ],
    )
    def test_carries_nothing_that_runs_or_loads(self, text: str) -> None:
        html = markdown(text).lower()
        for harm in ("<script", "<img", "<svg", "<style", 'href="javascript', 'href="data', "<a o"):
            assert harm not in html

    @given(st.text(max_size=500))
    def test_takes_any_text(self, text: str) -> None:
        assert "<script" not in markdown(text).lower()


class TestFormats:
    def test_show_moments_in_the_zone_and_exactly_on_hover(self, page: RequestContext) -> None:
        g.visitor = someone("Europe/Madrid")
        shown = formats.moment(datetime(2026, 7, 1, 10, 5, 6, 7_000, tzinfo=UTC))
        assert 'datetime="2026-07-01T12:05:06.007000+02:00"' in shown
        assert 'title="2026-07-01 12:05:06.007 CEST"' in shown
        assert ">1 Jul 2026, 12:05<" in shown

    def test_show_durations_in_words(self, page: RequestContext) -> None:
        assert formats.duration_words("PT15M") == "15 minutes"
        assert formats.duration_words("P1DT1H") == "1 day 1 hour"
        assert formats.duration_words("soon") == "soon"

    def test_show_prices_with_currency_and_what_they_are_for(self, page: RequestContext) -> None:
        pod = Price(model=PriceModel.PER_POD, amount="0.25", currency="EUR", interval="P30D")
        assert formats.price(pod) == "0.25 EUR for each point of delivery every 30 days"
        assert formats.price(Price(model=PriceModel.FREE)) == "free of charge"

    def test_escape_what_they_show(self, page: RequestContext) -> None:
        assert "<script>" not in formats.state("<script>")
        assert "<script>" not in formats.duration("<script>")


class TestRights:
    def test_are_those_of_the_contract(self, page: RequestContext) -> None:
        @rights.acts_as("subscriptions.make_offer")
        def view() -> str:
            return ""

        with pytest.raises(Unauthenticated):
            rights.check(view)
        g.visitor = someone(None, "requester")
        with pytest.raises(Forbidden):
            rights.check(view)
        g.visitor = someone(None, "provider")
        rights.check(view)

    def test_are_refused_to_a_view_that_says_nothing(self, page: RequestContext) -> None:
        with pytest.raises(rights.Unguarded):
            rights.check(lambda: "")

    def test_name_operations_that_exist(self) -> None:
        with pytest.raises(KeyError):
            rights.acts_as("subscriptions.make_a_wish")


def test_a_refused_form_is_shown_again_unless_there_is_nothing_to_show() -> None:
    def shown() -> str:
        return ""

    @shown_again(shown)
    def taken() -> str:
        return ""

    assert page_again(taken, Conflict("Already there.")) is shown
    assert page_again(taken, NotFound("No such thing.")) is None
    assert page_again(taken, Unauthenticated("Who?")) is None
    assert page_again(shown, Conflict("Already there.")) is None


def test_a_version_of_the_contract_is_told_with_what_follows(page: RequestContext) -> None:
    own = own_version()

    def told(said: str | None) -> str:
        return spoken_by(Platform(contract_version=said))

    assert told(None) == "not known yet"
    assert told(str(own)) == str(own)
    assert told(f"{own.major}.{own.minor + 1}.0") == f"{own.major}.{own.minor + 1}.0"
    assert told(f"{own.major}.0.3") == (
        f"{own.major}.0.3; what came with {own.series} is not sent to it"
    )
    assert told("7.0.0") == f"7.0.0, another major version than the marketplace's {own}"
    assert told("newest") == "newest, which is no version"

"""Services on pages, over HTTP: writing, publishing, finding, comparing."""

import csv
import json
from dataclasses import dataclass
from uuid import uuid4

import pytest

from tests.functional.website.browserless import HOSTILE, PASSWORD, Page, Visitor, filled, words
from tests.functional.website.offers import (
    AREA,
    DOCUMENT,
    company,
    drafted,
    entered,
    published,
    service_of,
)
from tests.functional.website.places import Place

HTML = {"Accept": "text/html"}


@dataclass(frozen=True)
class Market:
    """A provider, another company, and the name of a service that nobody else has."""

    place: Place
    provider_name: str
    provider: Visitor
    other: Visitor


@pytest.fixture(scope="module")
def market(place: Place) -> Market:
    name, provider = company(place)
    return Market(place, name, provider, company(place)[1])


@pytest.fixture
def name() -> str:
    return f"Readings {uuid4().hex[:8]}"


def uploaded(visitor: Visitor, page: Page, button: str, **files: bytes) -> Page:
    """Return what pressing a button leads to when files are chosen, too."""
    url, data = filled(page, button)
    parts = [(f"{field}/file", ("chosen.txt", content)) for field, content in files.items()]
    response = visitor.session.post(url, data=data, files=parts, headers=HTML, timeout=60)
    return Page(response)


def colleague(market: Market, role: str) -> Visitor:
    """Return somebody else of the provider's company, with one role."""
    email = f"{uuid4().hex[:8]}@colleague.example"
    people = market.provider.go("/company/people")
    market.provider.press(
        people, "Send the invitation", {"name": "Bo", "email": email, "roles": [role]}
    )
    bo = Visitor(market.place.url)
    page = bo.go(market.place.mails.link_for(email))
    bo.press(page, "Accept the invitation", {"password": PASSWORD, "passwordAgain": PASSWORD})
    return bo


# Writing and publishing


def test_what_a_provider_writes_is_previewed_published_and_found(market: Market, name: str) -> None:
    form = entered(name, apiDocument=DOCUMENT)
    page = market.provider.press(market.provider.go("/our-services/new"), "Save and preview", form)
    assert page.path.endswith("/preview")
    assert "Only you see this" in page.words
    service = service_of(page)
    assert market.other.go(service).status == 404
    assert name not in market.other.go(f"/services?q={name}").words

    market.provider.press(page, "Publish version 1")
    seen = market.other.go(service)
    assert seen.title == f"{name} PUBLISHED"
    for told in ("15 minutes", "0.25 EUR for each point of delivery", "Portugal", "1 day"):
        assert told in seen.words
    assert seen.tree.xpath("//section//strong[text()='validated']")
    assert seen.tree.xpath("//svg//path[@class='map-area']")
    assert market.other.follow(seen, "Request this service").status == 200
    assert name in market.other.go(f"/services?q={name}").words


def test_a_draft_shows_again_all_that_was_entered(market: Market, name: str) -> None:
    form = entered(name)
    page = drafted(market.provider, name)
    for field in ("name", "summary", "details", "resolution", "price/amount", "terms", "category"):
        assert page.value(field) == form[field]
    assert json.loads(page.value("area")) == json.loads(AREA)
    url, data = filled(page, "Save the draft")
    assert sorted(value for field, value in data if field == "countries") == ["ES", "PT"]
    assert ("consentRequired", "true") in data
    assert market.provider.post(url, data).notices[0] == "The draft is saved."


def test_a_company_that_waits_cannot_publish_and_loses_nothing(place: Place, name: str) -> None:
    _, waiting = company(place, approved=False)
    page = waiting.press(waiting.go("/our-services/new"), "Save and publish", entered(name))
    assert page.status == 403
    assert page.value("name") == name
    saved = waiting.press(page, "Save the draft")
    assert saved.notices == ["The draft is saved."]


def test_our_services_lists_drafts_and_filters(market: Market, name: str) -> None:
    drafted(market.provider, name)
    assert name in market.provider.go("/our-services?state=DRAFT").words
    assert name not in market.provider.go("/our-services?state=WITHDRAWN").words
    assert name in market.provider.go(f"/our-services?q={name.split()[1]}&sort=name").words
    assert name not in market.other.go("/our-services").words
    rows = market.provider.go("/our-services?format=csv").text
    assert name in rows


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "", "needed"),
        ("name", "x" * 201, "200"),
        ("category", "NONSENSE", "Choose one"),
        ("countries", [], "needed"),
        ("areas", "<b>", "not written as it must be"),
        ("resolution", "soon", "not written as it must be"),
        ("interimStatusInterval", "0", "no time"),
        ("price/amount", "much", "not written as it must be"),
        ("price/amount", "", "missing"),
        ("consentRequired", [], "needed"),
        ("integration/contractVersion", "one", "not written as it must be"),
        ("integration/baseUrl", "no address", "uri"),
        ("providerRole", "TSO", "role"),
        ("area", "not json", "not JSON"),
        ("area", '{"type": "Point", "coordinates": [1, 2]}', "no GeoJSON"),
        ("area", '{"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 200], [0, 0]]]}', "90"),
        ("apiDocument", "openapi: 2.0", "3.0"),
        ("apiDocument", "openapi: 3.0.3\ninfo: [", "YAML"),
    ],
)
def test_what_is_not_right_is_named_and_all_else_kept(
    market: Market, name: str, field: str, value: str | list[str], told: str
) -> None:
    page = market.provider.go("/our-services/new")
    again = market.provider.press(page, "Save the draft", entered(name, **{field: value}))
    assert again.status == 400
    assert told.lower() in told_about(again, field).lower()
    assert again.value("terms").strip() == "## Our terms\n\nFor flexibility only."
    if isinstance(value, str) and field not in ("category", "providerRole"):
        assert again.value(field).strip() == value
    assert name not in market.provider.go("/our-services").words


def told_about(page: Page, field: str) -> str:
    """Return what stands below an input that is marked as wrong."""
    identifier = f"field-{field.replace('/', '-')}"
    [marked] = page.tree.xpath(f'//*[@id="{identifier}" and @aria-invalid="true"]')
    assert marked is not None
    [told] = page.tree.xpath(f'//small[@id="{identifier}-help"]')
    return words(told)


# Uploads


def test_files_take_the_place_of_what_is_typed(market: Market, name: str) -> None:
    collection = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": json.loads(AREA)}],
    }
    page = drafted(market.provider, name, area="")
    saved = uploaded(
        market.provider,
        page,
        "Save the draft",
        area=json.dumps(collection).encode(),
        apiDocument=b"\xef\xbb\xbf" + DOCUMENT.encode(),
    )
    assert saved.notices == ["The draft is saved."]
    assert json.loads(saved.value("area")) == json.loads(AREA)
    kept = market.provider.follow(saved, "Download it")
    assert kept.text == DOCUMENT.strip()


@pytest.mark.parametrize(
    ("field", "content", "told"),
    [
        ("area", b" " * 200_001, "200 kB"),
        ("area", b"\xff\xfe{", "UTF-8"),
        ("area", b"%PDF-1.7", "not JSON"),
        ("apiDocument", b" " * 500_001, "500 kB"),
        ("apiDocument", b"\xff\xfeopenapi", "UTF-8"),
        ("apiDocument", b"%PDF-1.7", "3.0"),
        ("apiDocument", b"a: \x00", "UTF-8"),
    ],
)
def test_a_file_that_is_not_right_is_named_and_the_form_kept(
    market: Market, name: str, field: str, content: bytes, told: str
) -> None:
    page = drafted(market.provider, name)
    again = uploaded(market.provider, page, "Save the draft", **{field: content})
    assert again.status == 400
    assert told in told_about(again, field)
    assert again.value("name") == name


def test_the_text_of_a_file_is_kept_when_something_else_is_wrong(market: Market, name: str) -> None:
    page = drafted(market.provider, name)
    url, data = filled(page, "Save the draft", {"name": ""})
    response = market.provider.session.post(
        url, data=data, files=[("apiDocument/file", ("a.yaml", DOCUMENT))], headers=HTML, timeout=60
    )
    again = Page(response)
    assert again.status == 400
    assert again.value("apiDocument").strip() == DOCUMENT.strip()


def test_more_than_a_call_may_hold_is_refused(market: Market, name: str) -> None:
    page = drafted(market.provider, name)
    again = uploaded(market.provider, page, "Save the draft", area=b" " * 1_200_000)
    assert again.status == 413
    assert "At most 1048576 bytes" in again.words


# Versions


def test_a_new_version_begins_as_the_present_one_and_is_compared_with_it(
    market: Market, name: str
) -> None:
    first = published(market.provider, name, apiDocument=DOCUMENT)
    draft = market.provider.press(first, "New version")
    assert draft.path.endswith("/versions/2/edit")
    assert draft.value("summary") == "Quarter-hourly consumption, validated."
    assert "This draft has one." in draft.words
    second = market.provider.press(
        draft,
        "Save and publish",
        {"price/amount": "0.30", "terms": "## Our terms\n\nFor everything."},
    )
    assert second.title == f"{name} PUBLISHED"
    service = service_of(second)
    assert "DEPRECATED" in market.other.go(f"{service}/versions/1").words
    assert [*market.other.go(f"{service}/versions").tree.xpath("//tbody/tr")][1:]

    side_by_side = market.other.go(f"{service}/versions/compare?old=1&new=2")
    assert "2 properties have changed." in side_by_side.words
    gone = [words(one) for one in side_by_side.tree.xpath("//del")]
    new = [words(one) for one in side_by_side.tree.xpath("//ins")]
    assert gone == ["0.25 EUR for each point of delivery", "For flexibility only."]
    assert new == ["0.30 EUR for each point of delivery", "For everything."]


def test_two_people_do_not_overwrite_each_other_unasked(market: Market, name: str) -> None:
    mine = drafted(market.provider, name)
    theirs = market.provider.go(mine.path)
    market.provider.press(theirs, "Save the draft", {"summary": "Theirs."})
    again = market.provider.press(mine, "Save the draft", {"summary": "Mine."})
    assert again.status == 412
    assert "Somebody else of your company has changed this draft" in again.words
    assert again.value("summary") == "Mine."
    assert market.provider.go(mine.path).value("summary") == "Theirs."
    [tag] = again.tree.xpath('//input[@name="replace"]/@value')
    replaced = market.provider.press(again, "Save the draft", {"replace": str(tag)})
    assert replaced.value("summary") == "Mine."


def test_a_preview_publishes_what_was_looked_at(market: Market, name: str) -> None:
    draft = drafted(market.provider, name)
    preview = market.provider.go(draft.path.replace("/edit", "/preview"))
    market.provider.press(draft, "Save the draft", {"summary": "Changed meanwhile."})
    again = market.provider.press(preview, "Publish version 1")
    assert again.status == 412
    assert "Changed meanwhile." in again.words


def test_deprecating_and_withdrawing_need_a_reason_and_tell_it(market: Market, name: str) -> None:
    page = published(market.provider, name)
    without = market.provider.press(page, "Deprecate", {"reason": " "})
    assert without.status == 400
    page = market.provider.press(page, "Deprecate", {"reason": "A better one comes."})
    assert page.title == f"{name} DEPRECATED"
    seen = market.other.go(service_of(page))
    assert "A better one comes." in seen.words
    assert "Request this service" not in seen.words
    page = market.provider.press(page, "Withdraw", {"reason": "Nobody uses it."})
    assert page.title == f"{name} WITHDRAWN"
    assert name not in market.other.go(f"/services?q={name.split()[1]}").words


def test_a_draft_is_deleted(market: Market, name: str) -> None:
    draft = drafted(market.provider, name)
    page = market.provider.go(draft.path.removesuffix("/edit"))
    after = market.provider.press(page, "Delete the draft")
    assert after.path == "/our-services"
    assert market.provider.go(service_of(draft)).status == 404


def test_the_api_document_is_shown_kept_and_taken_away(market: Market, name: str) -> None:
    draft = drafted(market.provider, name, apiDocument=DOCUMENT)
    kept = market.provider.press(draft, "Save the draft")
    shown = market.provider.follow(kept, "Read it")
    for told in ("Readings of meters", "/readings/{pod}", "string, ≤ 60 characters", "kwh"):
        assert told in shown.words
    file = market.provider.follow(kept, "Download it").response
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert file.headers["Content-Type"].startswith("application/yaml")
    without = market.provider.press(kept, "Save the draft", {"withoutDocument": "true"})
    assert "This draft has one." not in without.words
    assert market.provider.go(shown.path).status == 404


# Finding


def test_the_search_narrows_sorts_and_downloads(market: Market, name: str) -> None:
    word = name.split()[1]
    published(market.provider, f"A {word}", countries=["FR"], consentRequired="false")
    published(market.provider, f"B {word}", category="FORECASTS", dataStandard="OTHER")
    page = market.other.go(f"/services?q={word}")
    assert "2 services" in page.words
    narrowed = market.other.follow(page, "Forecasts")
    assert f"B {word}" in narrowed.words
    assert f"A {word}" not in narrowed.words
    back = market.other.follow(narrowed, "✓ Forecasts")
    assert "2 services" in back.words
    for query, found in (
        ("country=FR", "A"),
        ("standard=OTHER", "B"),
        ("consent=false", "A"),
        ("area=10YES-REE------0&category=FORECASTS", "B"),
    ):
        shown = market.other.go(f"/services?q={word}&{query}")
        assert titles(shown) == [f"{found} {word}"]
    assert titles(market.other.go(f"/services?q={word}&sort=name")) == [f"A {word}", f"B {word}"]
    assert titles(market.other.go(f"/services?q={word}&sort=newest")) == [f"B {word}", f"A {word}"]
    rows = [*csv.DictReader(market.other.go(f"/services?q={word}&format=csv").text.splitlines())]
    assert {row["Service"] for row in rows} == {f"A {word}", f"B {word}"}
    assert {row["Provider"] for row in rows} == {market.provider_name}
    nothing = market.other.go(f"/services?q={word}&category=TARIFFS")
    assert "Nothing was found" in nothing.words


def titles(page: Page) -> list[str]:
    return [words(one) for one in page.tree.xpath('//ul[@class="cards"]//h3')]


def test_services_are_compared_side_by_side(market: Market, name: str) -> None:
    paths = [service_of(published(market.provider, f"{name} {number}")) for number in range(3)]
    ids = [path.rsplit("/", 1)[1] for path in paths]
    draft = service_of(drafted(market.provider, name)).rsplit("/", 1)[1]
    page = market.other.go(f"/services/compare?service={ids[0]}&service={ids[1]}")
    differing = [words(one) for one in page.tree.xpath('//tr[@class="differs"]/th')]
    assert differing == ["≠ differs: Name"]
    assert "Tick two to four" in market.other.go(f"/services/compare?service={ids[0]}").words
    assert market.other.go(f"/services/compare?service={ids[0]}&service={draft}").status == 404
    many = "&".join(f"service={one}" for one in [*ids, draft, uuid4()])
    assert "At most 4 services" in market.provider.go(f"/services/compare?{many}").words


@pytest.mark.parametrize(
    "path",
    [
        "/services?category=NONSENSE",
        "/services?consent=perhaps",
        "/services?cursor=nonsense",
        "/services?sort=best",
        "/services?provider=nobody",
        f"/services?q={'x' * 201}",
        "/services/compare?service=nonsense",
        "/our-services?state=NONSENSE",
    ],
)
def test_a_query_that_is_not_right_is_said(market: Market, path: str) -> None:
    assert market.provider.go(path).status == 400


def test_a_query_that_finds_nothing_is_no_failure(market: Market) -> None:
    for query in ("q=%22%27%28%29*%3A", "country=%3Cscript%3E", f"area={HOSTILE}", "q=%2B-%26"):
        page = market.other.go(f"/services?{query}")
        assert page.status == 200
        assert "<script>alert" not in page.text


# Who may


def test_nobody_else_gets_at_a_draft(market: Market, name: str) -> None:
    draft = drafted(market.provider, name, apiDocument=DOCUMENT)
    service, version = service_of(draft), draft.path.removesuffix("/edit")
    for path in (
        service,
        version,
        f"{version}/edit",
        f"{version}/preview",
        f"{version}/api",
        f"{version}/api-document",
        f"{service}/versions",
        f"{service}/versions/compare",
        "/services/compare?service=" + service.rsplit("/", 1)[1],
    ):
        assert market.other.go(path).status == 404, path
    token = filled(market.other.go("/our-services/new"), "Save the draft")[1]
    for path in (
        f"{service}/versions",
        f"{version}/edit",
        f"{version}/publish",
        f"{version}/deprecate",
        f"{version}/withdraw",
        f"{version}/delete",
    ):
        data = [*token, *entered_pairs(name), ("reason", "Mine."), ("etag", '"1"')]
        assert market.other.post(path, data).status == 404, path
    assert market.provider.go(draft.path).value("name") == name


def entered_pairs(name: str) -> list[tuple[str, str]]:
    return [
        (field, value)
        for field, given in entered(name).items()
        for value in ([given] if isinstance(given, str) else given)
    ]


def test_what_others_have_published_is_not_changed(market: Market, name: str) -> None:
    page = published(market.provider, name)
    for path in (f"{page.path}/edit", f"{page.path}/preview"):
        assert market.other.go(path).status == 403
    token = filled(market.other.go("/our-services/new"), "Save the draft")[1]
    for path in (f"{page.path}/withdraw", f"{page.path}/deprecate"):
        assert market.other.post(path, [*token, ("reason", "Mine.")]).status == 403
    assert market.other.go(page.path).title == f"{name} PUBLISHED"


def test_ids_that_there_are_not_are_not_found(market: Market) -> None:
    service = f"/services/{uuid4()}"
    for path in (service, f"{service}/versions", f"{service}/versions/1", f"{service}/versions/0"):
        assert market.provider.go(path).status == 404
    assert market.provider.go(f"{service}/versions/{10**30}").status == 404
    assert market.provider.go("/services/nonsense").status == 404


def test_people_without_the_role_neither_see_nor_do_it(market: Market, name: str) -> None:
    page = published(market.provider, name)
    draft = market.provider.press(page, "New version")
    requester = colleague(market, "requester")
    assert requester.go("/our-services").status == 403
    assert requester.go("/our-services/new").status == 403
    assert requester.go(draft.path).status == 403
    shown = requester.go(page.path)
    assert shown.status == 200
    for button in ("New version", "Deprecate", "Withdraw"):
        assert button not in shown.words
    assert "Offer a service" not in requester.go("/services").words


def test_strangers_are_asked_to_sign_in(market: Market) -> None:
    for path in ("/services", "/our-services", "/services/compare"):
        assert Visitor(market.place.url).go(path).path == "/sign-in"


# Attacks and accidents


def test_no_text_of_a_company_does_anything_on_a_page(market: Market) -> None:
    document = DOCUMENT
    for plain in ("Readings of meters", "What meters say.", "Read a meter", "Energy in kWh."):
        document = document.replace(plain, json.dumps(HOSTILE))
    hostile = {
        "name": f"{HOSTILE} {uuid4()}",
        "summary": HOSTILE,
        "details": f"{HOSTILE}\n\n[link](javascript:alert(1)) ![x](https://evil.example/x.png)",
        "terms": f"{HOSTILE}\n\n<img src=x onerror=alert(1)>",
        "areas": "ES",
        "apiDocument": document,
    }
    edit = drafted(market.provider, "x", **hostile)
    page = market.provider.press(edit, "Save and publish")
    changed = market.provider.press(page, "New version")
    second = market.provider.press(changed, "Save and publish", {"terms": f"Other {HOSTILE}"})
    service = service_of(page)
    withdrawn = market.provider.press(second, "Deprecate", {"reason": HOSTILE})
    shown = [
        *(page, edit, changed, second, withdrawn),
        *(market.other.go(service + path) for path in ("", "/versions", "/versions/compare")),
        market.other.go(f"{service}/versions/2/api"),
        market.other.go(f"/services?provider={market.place.company(market.provider_name)}"),
        market.other.go(f"/services?q={HOSTILE}"),
        market.other.go(f"/services/compare?service={service.rsplit('/', 1)[1]}"),
        market.provider.go("/our-services"),
    ]
    for one in shown:
        assert one.status == 200, one.url
        assert "<script>alert" not in one.text, one.url
        assert not one.tree.xpath("//*[@onerror or starts-with(@href, 'javascript:')]"), one.url
        assert "evil.example" not in str(one.tree.xpath("//main//img/@src"))
    assert HOSTILE in shown[5].words


@pytest.mark.parametrize("field", ["areas", "integration/contract", "price/currency", "area"])
def test_a_hostile_text_that_is_refused_is_shown_as_text(
    market: Market, name: str, field: str
) -> None:
    page = market.provider.go("/our-services/new")
    again = market.provider.press(page, "Save the draft", entered(name, **{field: HOSTILE}))
    assert again.status == 400
    assert again.value(field).strip() == HOSTILE
    assert "<script>alert" not in again.text


def test_forms_need_their_token(market: Market, name: str) -> None:
    draft = drafted(market.provider, name)
    version = draft.path.removesuffix("/edit")
    for path in (
        "/our-services/new",
        "/our-services/markdown",
        f"{service_of(draft)}/versions",
        *(f"{version}/{act}" for act in ("edit", "publish", "deprecate", "withdraw", "delete")),
    ):
        answer = market.provider.post(path, [*entered_pairs(name), ("reason", "x")])
        assert answer.status == 400, path
    assert "DRAFT" in market.provider.go(version).title


def test_a_second_press_makes_no_second_service(market: Market, name: str) -> None:
    url, data = filled(market.provider.go("/our-services/new"), "Save the draft", entered(name))
    first, second = market.provider.post(url, data), market.provider.post(url, data)
    assert first.path == second.path
    rows = market.provider.go("/our-services?format=csv").text
    assert rows.count(name) == 1


def test_markdown_is_previewed_as_it_will_be_shown(market: Market) -> None:
    data = filled(market.provider.go("/our-services/new"), "Save the draft")[1]
    token = [pair for pair in data if pair[0] == "csrf_token"]
    shown = market.provider.post(
        "/our-services/markdown", [*token, ("terms", "Some **bold** word <script>x</script>")]
    )
    assert "<strong>bold</strong>" in shown.text
    assert "<script>" not in shown.text

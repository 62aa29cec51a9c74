"""What holds for every page of the website, over HTTP."""

import gzip
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import create_engine, func, select
from werkzeug.routing import Rule

from marketplace.app import Application, open_environment
from marketplace.core.settings import Settings
from marketplace.identity.tables import MarketPlayer
from marketplace.website.site import Site
from marketplace.website.static_files import files, static_url
from mpp_sdk.web.server import BackgroundServer
from tests.functional.website.browserless import Visitor, filled, sign_up, sign_up_form

HTML = {"Accept": "text/html"}
OTHERS = "0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d92"
"""An id that belongs to nobody who visits."""


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    folder = tmp_path_factory.mktemp("site")
    return Application(open_environment(Settings(data_dir=folder)))


@pytest.fixture(scope="module")
def url(application: Application) -> Iterator[str]:
    with BackgroundServer(application.app) as url:
        yield url


@pytest.fixture(scope="module")
def site(application: Application) -> Site:
    return application.site


@pytest.fixture(scope="module")
def member(url: str) -> Visitor:
    return sign_up(url, "Crevillent Distribution", "ana@crevillent.example")


def pages(site: Site, method: str) -> list[Rule]:
    return [rule for rule in site.url_map.iter_rules() if method in (rule.methods or ())]


def path_of(rule: Rule) -> str:
    """Return the path of a rule with ids and words that belong to nobody."""
    path = re.sub(r"<uuid[^>]*>", OTHERS, rule.rule)
    path = re.sub(r"<int[^>]*>", "1", path)
    return re.sub(r"<[^>]+>", "nothing", path)


def test_every_answer_keeps_browsers_to_this_site(site: Site, url: str, member: Visitor) -> None:
    for rule in pages(site, "GET"):
        response = member.session.get(url + path_of(rule), headers=HTML, allow_redirects=False)
        policy = response.headers["Content-Security-Policy"]
        assert response.status_code < 500, rule
        assert "unsafe" not in policy, rule
        assert "default-src 'none'" in policy, rule
        assert "frame-ancestors 'none'" in policy, rule
        assert response.headers["X-Frame-Options"] == "DENY", rule
        assert response.headers["X-Content-Type-Options"] == "nosniff", rule
        assert response.headers["Referrer-Policy"] in ("same-origin", "no-referrer"), rule
        assert response.headers["Cache-Control"] == "no-store", rule


def test_no_page_has_script_style_or_sources_in_it(site: Site, url: str, member: Visitor) -> None:
    for rule in pages(site, "GET"):
        text = member.session.get(url + path_of(rule), headers=HTML).text
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), rule
        assert not re.search(r"<[^>]+\sstyle=", text), rule
        assert not re.search(r"<[^>]+\son[a-z]+=", text), rule
        assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"https?:", text), rule


def test_no_form_is_taken_without_its_token(site: Site, url: str, member: Visitor) -> None:
    for rule in pages(site, "POST"):
        response = member.session.post(url + path_of(rule), headers=HTML, data={"reason": "x"})
        assert response.status_code == 400, rule
        assert "expired" in response.text, rule


def test_a_token_of_somebody_else_is_none(url: str, member: Visitor) -> None:
    stranger = Visitor(url)
    page = stranger.go("/sign-up")
    where, data = filled(page, "Sign up", sign_up_form("Eve", "eve@evil.example"))
    response = member.session.post(where, data=data, headers=HTML)
    assert response.status_code == 400


def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_back(site: Site, url: str) -> None:
    for rule in pages(site, "GET"):
        response = requests.get(
            url + path_of(rule) + "?a=b", headers=HTML, allow_redirects=False, timeout=60
        )
        if response.status_code == 303:
            target = response.headers["Location"]
            assert target.startswith(("/sign-in?next=%2F", "/")), rule
            assert not target.startswith("//"), rule
        else:
            # Pages for everybody, and links in mails that are none.
            assert rule.endpoint.partition(".")[0] in ("home", "account"), rule


def test_companies_do_not_get_to_the_operators_pages(site: Site, url: str, member: Visitor) -> None:
    found = [rule for rule in pages(site, "GET") if rule.rule.startswith("/operators")]
    assert len(found) > 5
    for rule in found:
        response = member.session.get(url + path_of(rule), headers=HTML, allow_redirects=False)
        assert response.status_code == 403, rule


def test_ids_of_others_look_as_if_they_did_not_exist(site: Site, url: str, member: Visitor) -> None:
    found = [
        rule
        for rule in pages(site, "GET")
        if "<uuid:" in rule.rule and not rule.rule.startswith("/operators")
    ]
    assert found
    for rule in found:
        response = member.session.get(url + path_of(rule), headers=HTML, allow_redirects=False)
        assert response.status_code in (403, 404), rule


def test_a_missing_page_is_a_page_for_people_and_a_problem_for_programs(url: str) -> None:
    for_people = requests.get(f"{url}/nothing-here", headers=HTML, timeout=60)
    assert for_people.status_code == 404
    assert for_people.headers["Content-Type"].startswith("text/html")
    assert "Nothing is served at this path" in for_people.text
    for_programs = requests.get(f"{url}/nothing-here", timeout=60)
    assert for_programs.status_code == 404
    assert for_programs.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/?q=\x00", 400), ("/?%00=a", 400), ("/?q=%ff%fe", 200), ("/" + "a" * 5_000, 404)],
)
def test_odd_addresses_do_no_harm(url: str, path: str, status: int) -> None:
    response = requests.get(url + path, headers=HTML, timeout=60)
    assert response.status_code == status


def test_a_query_that_is_not_ascii_is_refused(url: str) -> None:
    host = urlsplit(url)
    with socket.create_connection((host.hostname or "", host.port or 0), timeout=60) as connection:
        connection.sendall(b"GET /?q=\xff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = connection.makefile("rb").readline()
    assert answer.startswith(b"HTTP/1.1 400")


def test_a_form_that_is_too_large_is_refused_with_a_page(url: str, member: Visitor) -> None:
    response = member.session.post(
        f"{url}/language", data={"language": "x" * 1_100_000}, headers=HTML, timeout=60
    )
    assert response.status_code == 413
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_wrong_method_says_which_are_right(url: str) -> None:
    response = requests.delete(f"{url}/overview", headers=HTML, timeout=60)
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


def test_a_form_that_is_sent_twice_makes_one_thing(application: Application, url: str) -> None:
    twice = Visitor(url)
    page = twice.go("/sign-up")
    where, data = filled(page, "Sign up", sign_up_form("Twice Energia", "ana@twice.example"))
    again = Visitor(url)  # a browser sends the second one before it has heard of the first
    again.session.cookies.update(twice.session.cookies)
    assert twice.post(where, data).path == again.post(where, data).path == "/overview"
    engine = create_engine(application.environment.settings.effective_database_url)
    with engine.connect() as connection:
        query = select(func.count()).where(MarketPlayer.name == "Twice Energia")
        assert connection.execute(query).scalar_one() == 1
    engine.dispose()


def test_files_are_sent_compressed_and_kept_for_good(url: str) -> None:
    address = static_url("site.css")
    response = requests.get(url + address, headers={"Accept-Encoding": "gzip"}, timeout=60)
    assert response.status_code == 200
    assert response.headers["Content-Encoding"] == "gzip"
    assert "immutable" in response.headers["Cache-Control"]
    assert response.content == files()["site.css"].content
    again = requests.get(
        url + address, headers={"If-None-Match": response.headers["ETag"]}, timeout=60
    )
    assert again.status_code == 304
    plain = requests.get(url + address, headers={"Accept-Encoding": "identity"}, timeout=60)
    assert "Content-Encoding" not in plain.headers
    old = requests.get(url + "/static/site.css?v=before", timeout=60)
    assert "immutable" not in old.headers["Cache-Control"]


def test_pages_are_sent_compressed(url: str) -> None:
    compressed = requests.get(f"{url}/sign-up", headers=HTML, timeout=60)
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "</html>" in compressed.text
    plain = requests.get(
        f"{url}/sign-up", headers={**HTML, "Accept-Encoding": "identity"}, timeout=60
    )
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["Vary"]


@pytest.mark.parametrize("name", ["../site.py", "%2e%2e/site.py", "nothing.css", "", "vendor"])
def test_nothing_but_the_files_is_served_as_a_file(url: str, name: str) -> None:
    assert requests.get(f"{url}/static/{name}", timeout=60).status_code == 404


def test_what_a_first_visit_loads_is_small(url: str) -> None:
    page = requests.get(url, headers=HTML, timeout=60).text
    loaded = set(re.findall(r'(?:src|href)="/static/([^"?]+)', page))
    sizes = {name: len(files()[name].compressed or files()[name].content) for name in loaded}
    assert {"vendor/pico.min.css", "vendor/htmx.min.js", "site.css"} <= loaded
    assert sum(sizes.values()) + len(gzip.compress(page.encode())) < 150_000


def test_the_language_can_be_chosen_and_leads_back(url: str) -> None:
    someone = Visitor(url)
    page = someone.press(someone.go("/sign-in?next=%2Foverview"), "Deutsch")
    assert page.tree.get("lang") == "de"
    assert page.url.endswith("/sign-in?next=%2Foverview")
    assert "Anmelden" in page.words


def test_the_cookie_is_for_this_site_over_tls_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, public_url="https://market.example")
    application = Application(open_environment(settings))
    with BackgroundServer(application.app) as url:
        response = requests.get(url, headers=HTML, timeout=60)
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-flexagora=")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert "max-age" in response.headers["Strict-Transport-Security"]

"""What a company does on its pages: its statement, people, platform and credentials."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import playwright
import pytest
import requests
from sqlalchemy import update

from examples.demo.processes import free_port
from marketplace.core.unit_of_work import current_session
from marketplace.identity.speaking import own_version
from marketplace.identity.tables import ApiKey
from mpp_sdk.clock import now
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.web.server import BackgroundServer
from tests.functional.website.browserless import (
    HOSTILE,
    PASSWORD,
    Page,
    Visitor,
    filled,
    sign_up,
)
from tests.functional.website.places import Place

KEY = "a-key-of-the-platform"
NODE = Path(playwright.__file__).parent / "driver" / "node"


@pytest.fixture
def name() -> str:
    return f"Levante {uuid4().hex[:8]}"


@pytest.fixture
def ana(place: Place, name: str) -> Visitor:
    return sign_up(place.url, name, f"ana-{uuid4().hex[:8]}@levante.example")


@pytest.fixture
def eve(place: Place) -> Visitor:
    """Return somebody of another company."""
    name = f"Turia {uuid4().hex[:8]}"
    return sign_up(place.url, name, f"eve-{uuid4().hex[:8]}@turia.example")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[str]:
    """Return the URL of a platform of the SDK that knows KEY."""
    settings = PlatformSettings.model_validate(
        {"database_url": f"sqlite:///{tmp_path / 'platform.db'}", "inbound_api_key": KEY}
    )
    with BackgroundServer(MarketPlayerPlatform(settings).app()) as url:
        yield url


def invited(place: Place, boss: Visitor, *roles: str) -> Visitor:
    """Return a colleague with these roles."""
    email = f"bo-{uuid4().hex[:8]}@levante.example"
    given = {"name": "Bo", "email": email, "roles": list(roles)}
    boss.press(boss.go("/company/people"), "Send the invitation", given)
    bo = Visitor(place.url)
    entered = {"name": "Bo", "password": PASSWORD, "passwordAgain": PASSWORD}
    bo.press(bo.go(place.mails.link_for(email)), "Accept the invitation", entered)
    return bo


def csrf(visitor: Visitor) -> tuple[str, str]:
    """Return a good token of a visitor's forms."""
    [token] = visitor.go("/account").tree.xpath("(//input[@name='csrf_token'])[1]/@value")
    return "csrf_token", str(token)


def stated(visitor: Visitor, url: str, **changed: str) -> Page:
    given = {"baseUrl": url, "apiKey": KEY} | changed
    return visitor.press(visitor.go("/company/platform"), "Save", given)


def issued(visitor: Visitor, kind: str = "API_KEY", label: str = "platform") -> Page:
    given = {"kind": kind, "label": label, "roles": ["provider", "requester"]}
    return visitor.press(visitor.go("/company/credentials"), "Issue", given)


# The statement


def test_a_statement_is_edited(ana: Visitor) -> None:
    page = ana.press(
        ana.go("/company/edit"),
        "Save",
        {"name": HOSTILE, "roles": ["TSO"], "country": "DE", "website": "https://tso.example/"},
    )
    assert HOSTILE in page.title
    assert "<script>alert" not in page.text
    assert "Transmission system operator" in page.words
    assert "Germany" in page.words
    assert ana.go("/company/edit").value("name") == HOSTILE


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "x" * 201}, "name"),
        ({"eicCode": "no"}, "eicCode"),
        ({"website": "ftp://tso.example"}, "website"),
        ({"contactEmail": HOSTILE}, "contactEmail"),
        ({"country": "Atlantis"}, "country"),
        ({"roles": ["KING"]}, "roles"),
    ],
)
def test_a_wrong_statement_is_told_at_its_field(
    ana: Visitor, changed: dict[str, str], field: str
) -> None:
    url, data = filled(ana.go("/company/edit"), "Save", changed)
    again = ana.post(url, data)
    assert again.status == 400
    assert again.wrong(field)
    assert "<script>alert" not in again.text


def test_a_statement_that_a_colleague_has_changed_is_not_overwritten(ana: Visitor) -> None:
    stale = ana.go("/company/edit")
    ana.press(ana.go("/company/edit"), "Save", {"name": "Levante Energy"})
    assert ana.press(stale, "Save", {"name": "Levante"}).status == 412
    assert ana.go("/company").title.startswith("Levante Energy")


# People


def test_who_is_no_administrator_changes_nothing_of_the_company(place: Place, ana: Visitor) -> None:
    stated(ana, "http://127.0.0.1:9")
    issued(ana)
    revoke = ana.go("/company/credentials").form("Revoke").action
    bo = invited(place, ana, "requester")
    for path in ("/company", "/company/people", "/company/platform", "/company/credentials"):
        page = bo.go(path)
        assert page.status == 200
        assert not [
            b
            for b in page.tree.xpath("//main//button")
            if not b.get("data-copy") and b.getparent().get("method") == "post"
        ], path
    token = csrf(bo)
    for path, data in (
        (
            "/company/edit",
            [
                ("name", "Mine"),
                ("roles", "TSO"),
                ("country", "DE"),
                ("contactEmail", "bo@levante.example"),
                ("version", '"1"'),
            ],
        ),
        (
            "/company/people/invitations",
            [("name", "X"), ("email", "x@x.example"), ("roles", "administrator")],
        ),
        ("/company/platform", [("baseUrl", "http://127.0.0.1:10"), ("apiKey", KEY)]),
        ("/company/platform/test", []),
        ("/company/credentials", [("kind", "API_KEY"), ("label", "x"), ("roles", "provider")]),
        (revoke, [("reason", "mine")]),
    ):
        answer = bo.post(path, [token, *data])
        assert answer.status == 403, path
        assert "administrator" in answer.words


def test_roles_are_given_and_taken(place: Place, ana: Visitor) -> None:
    bo = invited(place, ana, "requester")
    page = ana.follow(ana.go("/company/people"), "Bo")
    stale = ana.go(page.url)
    told = ana.press(page, "Save the roles", {"roles": ["administrator", "provider"]})
    assert "Administrator, Provider" in told.notices[0]
    assert bo.go("/company/edit").form("Save") is not None
    assert ana.press(stale, "Save the roles", {"roles": ["requester"]}).status == 412
    none = ana.press(ana.go(page.url), "Save the roles", {"roles": []})
    assert none.status == 400
    assert "at least one" in none.wrong("roles")
    ana.press(ana.go(page.url), "Remove Bo")
    assert bo.go("/account").path == "/sign-in"


def test_a_company_keeps_its_last_administrator(ana: Visitor) -> None:
    page = ana.follow(ana.go("/company/people"), "Ana Ruiz")
    refused = ana.press(page, "Save the roles", {"roles": ["provider"]})
    assert refused.status == 409
    assert "at least one administrator" in refused.notices[0]
    assert ana.press(page, "Remove Ana Ruiz").status == 409


def test_an_invitation_is_taken_back(place: Place, ana: Visitor) -> None:
    email = f"bo-{uuid4().hex[:8]}@levante.example"
    given = {"name": "Bo", "email": email, "roles": ["requester"]}
    page = ana.press(ana.go("/company/people"), "Send the invitation", given)
    link = place.mails.link_for(email)
    ana.press(page, "Take back")
    assert Visitor(place.url).go(link).status == 410


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"email": "bo"}, "email"),
        ({"name": "\n"}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["operator"]}, "roles"),
        ({"name": HOSTILE * 20}, "name"),
    ],
)
def test_a_wrong_invitation_is_told_at_its_field(
    ana: Visitor, changed: dict[str, str], field: str
) -> None:
    given = {"name": "Bo", "email": "bo@levante.example", "roles": ["requester"]} | changed
    again = ana.press(ana.go("/company/people"), "Send the invitation", given)
    assert again.status == 400
    assert again.wrong(field)
    assert "<script>alert" not in again.text


def test_two_presses_invite_once(ana: Visitor) -> None:
    given = {"name": "Bo", "email": "bo@twice.example", "roles": ["requester"]}
    url, data = filled(ana.go("/company/people"), "Send the invitation", given)
    ana.post(url, data)
    page = ana.post(url, data)
    assert page.text.count("bo@twice.example") == 1


# The platform


def test_a_newcomer_connects_and_passes_the_test(
    ana: Visitor, place: Place, name: str, platform: str
) -> None:
    page = ana.go("/company/platform")
    assert "Before you can take part" in page.words
    url, data = filled(page, "Save", {"baseUrl": platform, "apiKey": KEY})
    shown, again = ana.post(url, data), ana.post(url, data)
    secret = shown.text_of("signing-secret")
    assert secret.startswith("whsec_")
    assert again.text_of("signing-secret") == secret
    assert secret not in ana.go("/company/platform").text
    assert KEY not in ana.go("/company/platform").text
    issued(ana)
    tested = ana.press(ana.go("/company/platform"), "Test integration")
    assert "The last test PASSED" in tested.words
    assert f"Version of the EU-MP contract{own_version()} " in tested.words
    assert "Before you can take part" in tested.words
    place.approve(name)
    assert "Before you can take part" not in ana.go("/company").words


def test_a_failed_test_says_what_to_do(ana: Visitor) -> None:
    stated(ana, f"http://127.0.0.1:{free_port()}")
    page = ana.press(ana.go("/company/platform"), "Test integration")
    assert "The last test FAILED" in page.words
    assert "What to do: See that the server runs" in page.words
    assert "No connection could be made" in ana.go("/company/platform/tests?passed=false").words
    assert "No test yet" in ana.go("/company/platform/tests?passed=true").words
    assert ana.go("/company/platform/tests?passed=perhaps").status == 400
    csv = ana.go("/company/platform/tests?format=csv").text
    assert csv.splitlines()[0] == "startedAt,passed,failedStep,detail"
    assert "connect" in csv


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"baseUrl": "ftp://platform.example"}, "baseUrl"),
        ({"baseUrl": HOSTILE}, "baseUrl"),
        ({"baseUrl": "http://user:pw@127.0.0.1:1"}, "baseUrl"),
        ({"baseUrl": "http://no-such-host.invalid"}, "baseUrl"),
        ({"apiKey": "short"}, "apiKey"),
        ({"apiKey": ""}, "apiKey"),
        ({"apiKey": "x" * 201}, "apiKey"),
    ],
)
def test_wrong_settings_are_told_at_their_field(
    ana: Visitor, changed: dict[str, str], field: str
) -> None:
    again = stated(ana, "http://127.0.0.1:9", **changed)
    assert again.status == 400
    assert again.wrong(field)
    assert "<script>alert" not in again.text
    if "baseUrl" in changed:
        assert again.value("baseUrl") == changed["baseUrl"]


def test_a_signing_secret_is_made_anew(ana: Visitor) -> None:
    first = stated(ana, "http://127.0.0.1:9").text_of("signing-secret")
    kept = stated(ana, "http://127.0.0.1:9/below", apiKey="")
    assert "changed" in kept.notices[0]
    second = stated(ana, "http://127.0.0.1:9", apiKey="", rotateSigningSecret="true")
    assert second.text_of("signing-secret") not in ("", first)
    assert "24 hours" in second.words


def test_settings_that_were_changed_since_are_to_be_tested_again(
    ana: Visitor, platform: str
) -> None:
    stated(ana, platform)
    ana.press(ana.go("/company/platform"), "Test integration")
    stated(ana, f"{platform}/", apiKey="")
    assert "test again" in ana.go("/company/platform").words


# Credentials


def test_a_secret_is_shown_once_even_after_two_presses(ana: Visitor) -> None:
    given = {"label": HOSTILE[:100], "kind": "API_KEY", "roles": ["provider"]}
    url, data = filled(ana.go("/company/credentials"), "Issue", given)
    first, second = ana.post(url, data), ana.post(url, data)
    secret = first.text_of("secret")
    assert secret == second.text_of("secret")
    page = ana.go("/company/credentials")
    assert secret not in page.text
    assert "<script>alert" not in page.text
    assert "{{7*7}}" in page.text
    assert page.text.count("API key</span>") <= 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"label": " "}, "label"),
        ({"label": "x" * 101}, "label"),
        ({"roles": []}, "roles"),
        ({"roles": ["operator"]}, "roles"),
        ({"kind": "PASSWORD"}, "kind"),
    ],
)
def test_a_wrong_credential_is_told_at_its_field(
    ana: Visitor, changed: dict[str, str], field: str
) -> None:
    given = {"kind": "API_KEY", "label": "platform", "roles": ["provider"]} | changed
    again = ana.press(ana.go("/company/credentials"), "Issue", given)
    assert again.status == 400
    assert again.wrong(field)


def test_a_revoked_credential_opens_nothing(place: Place, ana: Visitor) -> None:
    secret = issued(ana).text_of("secret")

    def answered() -> int:
        url, headers = f"{place.url}/notifications/v1/test", {"X-API-Key": secret}
        return requests.get(url, headers=headers, timeout=30).status_code

    assert answered() == 200
    page = ana.go("/company/credentials")
    assert "never" not in page.words
    empty = ana.press(page, "Revoke", {"reason": " "})
    assert empty.status == 400
    done = ana.press(page, "Revoke", {"reason": HOSTILE})
    assert "revoked" in done.notices[0]
    assert answered() == 401
    assert "revoked" in ana.go("/company/credentials?kind=API_KEY").words
    assert "No credential yet" in ana.go("/company/credentials?kind=OAUTH2_CLIENT").words


def test_keys_that_end_soon_are_warned_of(place: Place, ana: Visitor, name: str) -> None:
    issued(ana)
    company = place.company(name)
    for left, told in (
        (timedelta(days=5, hours=1), "expires in 5 days"),
        (timedelta(hours=5), "expires within a day"),
        (-timedelta(hours=1), "expired"),
    ):
        with place.at_work():
            ends = now() + left
            current_session().execute(
                update(ApiKey)
                .where(ApiKey.credential.has(market_player_id=company))
                .values(expires_at=ends, ends_at=ends)
            )
        assert told in ana.go("/company/credentials").words


@pytest.mark.parametrize("kind", ["API_KEY", "OAUTH2_CLIENT"])
def test_every_snippet_works_as_it_stands(ana: Visitor, kind: str, tmp_path: Path) -> None:
    page = issued(ana, kind)
    expected = "notifications" if kind == "API_KEY" else "Levante"
    python = [sys.executable, "-c", page.text_of("snippet-python")]
    shell = ["sh", "-c", page.text_of("snippet-curl")]
    module = tmp_path / "snippet.mjs"
    module.write_text(page.text_of("snippet-typescript"))
    for command in (python, shell, [str(NODE), str(module)]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert expected in done.stdout, done.stderr
    java = page.text_of("snippet-java")
    assert page.text_of("secret") in java
    if kind == "API_KEY":
        lines = re.findall(r"^(MPP_\w+)=(.*)$", page.text_of("snippet-sdk"), re.MULTILINE)
        settings = dict(lines) | {
            "MPP_DATABASE_URL": f"sqlite:///{tmp_path / 'platform.db'}",
            "MPP_ALLOW_PRIVATE_ADDRESSES": "true",
            "MPP_ALLOW_HTTP": "true",
        }
        done = subprocess.run(
            [sys.executable, "-m", "mpp_sdk", "test"],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "AVAILABLE" in done.stdout, done.stderr


# Others


def test_what_is_another_companys_is_not_there(ana: Visitor, eve: Visitor) -> None:
    issued(ana)
    person = ana.go("/company/people").link("Ana Ruiz")
    given = {"name": "Bo", "email": f"bo-{uuid4().hex}@x.example", "roles": ["requester"]}
    invitation = ana.press(ana.go("/company/people"), "Send the invitation", given)
    page = ana.go("/company/credentials")
    assert eve.go(person).status == 404
    token = csrf(eve)
    for url, data in (
        (f"{person}/roles", [("roles", "provider"), ("version", '"1"')]),
        (f"{person}/remove", []),
        (invitation.form("Take back").action, []),
        (page.form("Revoke").action, [("reason", "mine")]),
    ):
        assert eve.post(url, [token, *data]).status == 404, url
    assert "Ana Ruiz" in ana.go("/company/people").words
    assert "Bo" in ana.go("/company/people").words
    assert "revoked" not in ana.go("/company/credentials").words


@pytest.mark.parametrize(
    "path",
    [
        "/company/edit",
        "/company/people/invitations",
        "/company/platform",
        "/company/platform/test",
        "/company/credentials",
    ],
)
def test_a_form_without_its_token_is_refused(ana: Visitor, path: str) -> None:
    assert ana.post(path, [("name", "x")]).status == 400


@pytest.mark.parametrize(
    "path", ["/company", "/company/people", "/company/platform", "/company/credentials"]
)
def test_who_is_not_signed_in_is_asked_to(place: Place, path: str) -> None:
    assert Visitor(place.url).go(path).path == "/sign-in"


def test_lists_are_had_as_csv(ana: Visitor) -> None:
    issued(ana, label="=1+1")
    assert "'=1+1" in ana.go("/company/credentials?format=csv").text
    assert "Ana Ruiz" in ana.go("/company/people?format=csv").text

"""How people come in, set themselves up, and leave, over HTTP."""

from urllib.parse import quote, urlsplit
from uuid import uuid4

import pyotp
import pytest

from tests.browser.authenticator import Authenticator
from tests.functional.website.browserless import (
    HOSTILE,
    PASSWORD,
    Page,
    Visitor,
    filled,
    sign_in,
    sign_up,
    sign_up_form,
)
from tests.functional.website.places import Place

OTHER = "an even longer walk uphill"


@pytest.fixture
def email() -> str:
    return f"ana-{uuid4().hex[:8]}@levante.example"


@pytest.fixture
def ana(place: Place, email: str) -> Visitor:
    return sign_up(place.url, "Levante Aggregation", email)


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.go("/account").path == "/account"


def cookie(visitor: Visitor) -> str:
    return str(visitor.session.cookies["flexagora"])


def secret_of(page: Page) -> str:
    return page.text_of("totp-secret")


def with_second_factor(visitor: Visitor) -> tuple[Authenticator, list[str]]:
    page = visitor.press(visitor.go("/account/second-factor"), "Begin")
    authenticator = Authenticator(secret_of(page))
    shown = visitor.press(page, "Switch it on", {"code": authenticator.code()})
    return authenticator, shown.text_of("recovery-codes").split()


# Signing up


def test_who_signs_up_is_signed_in_for_a_company_that_waits(place: Place, ana: Visitor) -> None:
    page = ana.go("/company")
    assert page.title.startswith("Levante Aggregation")
    assert "PENDING" in page.words
    assert "An operator of the marketplace must approve your company" in page.words
    account = ana.go("/account")
    assert "Administrator, Provider, Requester" in account.words
    assert account.value("timeZone") == "Europe/Madrid"


@pytest.mark.parametrize(
    ("changed", "field", "told"),
    [
        ({"name": ""}, "name", "needed"),
        ({"name": "x" * 201}, "name", "200"),
        ({"roles": []}, "roles", "needed"),
        ({"country": "Spain"}, "country", ""),
        ({"eicCode": "10X1001A1001A45Z"}, "eicCode", "check character"),
        ({"website": "javascript:alert(1)"}, "website", "https://"),
        ({"contactEmail": "nobody"}, "contactEmail", "email"),
        ({"personName": " "}, "personName", "name"),
        ({"email": "ana"}, "email", "e-mail"),
        ({"password": "short", "passwordAgain": "short"}, "password", "12 characters"),
        ({"password": "a" * 13, "passwordAgain": "a" * 13}, "password", "first that others"),
        ({"passwordAgain": OTHER}, "passwordAgain", "differ"),
        ({"timeZone": "Mars/Olympus"}, "timeZone", "time zone"),
    ],
)
def test_each_mistake_is_told_at_its_field_and_the_rest_is_kept(
    place: Place, email: str, changed: dict[str, str], field: str, told: str
) -> None:
    someone = Visitor(place.url)
    entered = sign_up_form("Turia Energy", email) | changed
    again = someone.press(someone.go("/sign-up"), "Sign up", entered)
    assert again.status == 400
    assert told in again.wrong(field)
    if "name" not in changed:
        assert again.value("name") == "Turia Energy"
    assert PASSWORD not in again.text
    assert not is_signed_in(someone)


def test_an_address_signs_up_once(place: Place, ana: Visitor, email: str) -> None:
    someone = Visitor(place.url)
    again = someone.press(someone.go("/sign-up"), "Sign up", sign_up_form("Another", email.upper()))
    assert again.status == 400
    assert "already" in again.wrong("email")


def test_a_second_press_of_the_button_signs_nobody_up_twice(place: Place, email: str) -> None:
    someone = Visitor(place.url)
    name = f"Twice {uuid4()}"
    url, data = filled(someone.go("/sign-up"), "Sign up", sign_up_form(name, email))
    before = cookie(someone)
    first = someone.session.post(url, data=data, allow_redirects=False)
    someone.session.cookies.clear()
    someone.session.cookies.set("flexagora", before)
    second = someone.session.post(url, data=data, allow_redirects=False)
    assert (first.status_code, second.status_code) == (303, 303)
    assert place.company(name)  # raises for two
    entered = Visitor(place.url)
    entered.session.cookies.set("flexagora", second.cookies["flexagora"])
    assert is_signed_in(entered)


# Signing in and out


def test_a_wrong_password_and_an_unknown_address_look_the_same(
    place: Place, ana: Visitor, email: str
) -> None:
    someone = Visitor(place.url)
    told = []
    for address in (email, "nobody@levante.example"):
        again = someone.press(
            someone.go("/sign-in"), "Sign in", {"email": address, "password": OTHER}
        )
        assert again.status == 401
        assert "Basic" not in again.response.headers["WWW-Authenticate"]  # browsers would ask, too
        told.append(again.notices)
    assert told[0] == told[1]


def test_who_guesses_has_to_wait(place: Place, ana: Visitor, email: str) -> None:
    someone = Visitor(place.url)
    for _ in range(5):
        someone.press(someone.go("/sign-in"), "Sign in", {"email": email, "password": OTHER})
    again = someone.press(someone.go("/sign-in"), "Sign in", {"email": email, "password": PASSWORD})
    assert again.status == 429
    assert int(again.response.headers["Retry-After"]) > 0
    assert "Try again in" in again.notices[0]
    assert is_signed_in(ana)


def test_the_session_is_another_after_signing_in(place: Place, ana: Visitor, email: str) -> None:
    victim = Visitor(place.url)
    page = victim.go("/sign-in")
    planted = cookie(victim)
    victim.press(page, "Sign in", {"email": email, "password": PASSWORD})
    attacker = Visitor(place.url)
    attacker.session.cookies.set("flexagora", planted)
    assert is_signed_in(victim)
    assert not is_signed_in(attacker)


def test_signing_in_again_ends_the_session_before(place: Place, ana: Visitor, email: str) -> None:
    before = cookie(ana)
    url, data = filled(
        Visitor(place.url).go("/sign-in"), "Sign in", {"email": email, "password": PASSWORD}
    )
    token = filled(ana.go("/account"), "Save")[1][0][1]
    data = [(name, token if name == "csrf_token" else value) for name, value in data]
    ana.post(url, data)
    assert is_signed_in(ana)
    thief = Visitor(place.url)
    thief.session.cookies.set("flexagora", before)
    assert not is_signed_in(thief)


def test_a_session_that_was_ended_opens_nothing(place: Place, ana: Visitor) -> None:
    stolen = cookie(ana)
    page = ana.press(ana.go("/account"), "Sign out")
    assert page.path == "/"
    thief = Visitor(place.url)
    thief.session.cookies.set("flexagora", stolen)
    assert not is_signed_in(thief)


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/company/people", "/company/people"),
        ("https://evil.example/", "/overview"),
        ("//evil.example/", "/overview"),
        ("/\\evil.example", "/overview"),
        ("/%09/evil.example", None),
        ("javascript:alert(1)", "/overview"),
    ],
)
def test_signing_in_leads_to_a_page_of_this_site(
    place: Place, ana: Visitor, email: str, wanted: str, path: str | None
) -> None:
    someone = Visitor(place.url)
    page = someone.go(f"/sign-in?next={quote(wanted)}")
    url, data = filled(page, "Sign in", {"email": email, "password": PASSWORD, "next": wanted})
    answer = someone.session.post(url, data=data, allow_redirects=False)
    parts = urlsplit(answer.headers["Location"])
    assert answer.status_code == 303
    assert not parts.netloc
    assert not parts.scheme
    assert answer.headers["Location"].startswith("/")
    if path is not None:
        assert someone.go(answer.headers["Location"]).path == path


def test_a_page_for_people_leads_over_the_sign_in_page(
    place: Place, ana: Visitor, email: str
) -> None:
    someone = Visitor(place.url)
    page = someone.go("/company/credentials?kind=API_KEY")
    assert page.path == "/sign-in"
    entered = someone.press(page, "Sign in", {"email": email, "password": PASSWORD})
    assert urlsplit(entered.url).path + "?" + urlsplit(entered.url).query == (
        "/company/credentials?kind=API_KEY"
    )


@pytest.mark.parametrize(
    "path", ["/sign-up", "/sign-in", "/sign-in/code", "/sign-out", "/password/forgotten"]
)
def test_a_form_without_its_token_is_refused(place: Place, path: str) -> None:
    answer = Visitor(place.url).post(path, [("email", "a@b.example"), ("password", PASSWORD)])
    assert answer.status == 400


# Forgotten passwords


def test_a_link_by_mail_sets_a_new_password_once(place: Place, ana: Visitor, email: str) -> None:
    someone = Visitor(place.url)
    page = someone.press(someone.go("/password/forgotten"), "Send the link", {"email": email})
    assert "is on its way" in page.notices[0]
    link = place.mails.link_for(email)
    form = someone.go(link)
    assert form.response.headers["Referrer-Policy"] == "no-referrer"
    differing = {"password": OTHER, "passwordAgain": PASSWORD}
    again = someone.press(form, "Set the password", differing)
    assert "differ" in again.wrong("passwordAgain")
    assert again.response.headers["Referrer-Policy"] == "no-referrer"
    done = someone.press(again, "Set the password", {"password": OTHER, "passwordAgain": OTHER})
    assert done.path == "/sign-in"
    assert not is_signed_in(ana)
    assert someone.go(link).status == 410
    sign_in(place.url, email, OTHER)


def test_asking_for_a_link_tells_nobody_who_is_here(place: Place, ana: Visitor, email: str) -> None:
    someone = Visitor(place.url)
    answers = {
        tuple(
            someone.press(
                someone.go("/password/forgotten"), "Send the link", {"email": address}
            ).notices
        )
        for address in (email, "nobody@levante.example", HOSTILE)
    }
    assert len(answers) == 1


@pytest.mark.parametrize("token", ["", "nothing", "ü", "x" * 5000])
def test_a_link_that_nobody_was_sent_opens_nothing(place: Place, token: str) -> None:
    for path in ("/password/reset", "/invitation"):
        page = Visitor(place.url).go(f"{path}?token={quote(token)}")
        assert page.status == 404
        assert "not known" in page.words


# The account


def test_somebody_changes_name_language_and_zone(place: Place, ana: Visitor) -> None:
    page = ana.press(
        ana.go("/account"),
        "Save",
        {"name": HOSTILE, "locale": "de", "timeZone": "America/New_York"},
    )
    assert page.value("name") == HOSTILE
    assert "<script>alert" not in page.text
    assert "{{7*7}}" in page.text
    assert page.tree.get("lang") == "de"
    assert page.tree.find("body").get("data-zone") == "America/New_York"


def test_two_edits_at_once_do_not_overwrite_each_other(place: Place, ana: Visitor) -> None:
    stale = ana.go("/account")
    ana.press(ana.go("/account"), "Save", {"name": "Ana Ruiz Gil"})
    again = ana.press(stale, "Save", {"name": "Ana"})
    assert again.status == 412
    assert ana.go("/account").value("name") == "Ana Ruiz Gil"


def test_a_password_is_changed_by_who_knows_it(place: Place, ana: Visitor, email: str) -> None:
    elsewhere = sign_in(place.url, email)
    entered = {"current": OTHER, "new": OTHER, "newAgain": OTHER}
    wrong = ana.press(ana.go("/account"), "Change the password", entered)
    assert wrong.status == 401
    assert is_signed_in(elsewhere)
    done = ana.press(ana.go("/account"), "Change the password", entered | {"current": PASSWORD})
    assert "changed" in done.notices[0]
    assert is_signed_in(ana)
    assert not is_signed_in(elsewhere)
    sign_in(place.url, email, OTHER)


def test_somebody_sees_and_ends_their_sessions(place: Place, ana: Visitor, email: str) -> None:
    elsewhere = Visitor(place.url)
    elsewhere.session.headers["User-Agent"] = f"Mozilla/5.0 (X11; Linux) Firefox/140.0 {HOSTILE}"
    elsewhere.press(elsewhere.go("/sign-in"), "Sign in", {"email": email, "password": PASSWORD})
    page = ana.go("/account")
    assert "Firefox on Linux" in page.words
    assert "<script>alert" not in page.text
    [form] = [one for one in page.tree.forms if (one.action or "").endswith("/end")]
    ana.post(form.action, list(form.form_values()))
    assert not is_signed_in(elsewhere)
    others = [sign_in(place.url, email) for _ in range(2)]
    ana.press(ana.go("/account"), "Sign out everywhere else")
    assert not any(is_signed_in(one) for one in others)
    assert is_signed_in(ana)


def test_nobody_ends_the_session_of_another(place: Place, ana: Visitor, email: str) -> None:
    other = sign_up(place.url, "Turia Energy", f"eve-{uuid4().hex}@turia.example")
    sign_in(place.url, email)
    [form] = [one for one in ana.go("/account").tree.forms if (one.action or "").endswith("/end")]
    _, data = filled(other.go("/account"), "Save")
    token = [pair for pair in data if pair[0] == "csrf_token"]
    assert other.post(form.action, token).status == 404


# The second factor


def test_a_second_factor_is_asked_for_after_the_password(
    place: Place, ana: Visitor, email: str
) -> None:
    authenticator, recovery = with_second_factor(ana)
    assert len(recovery) == 10
    someone = Visitor(place.url)
    page = someone.press(
        someone.go("/sign-in?next=/company"), "Sign in", {"email": email, "password": PASSWORD}
    )
    assert page.path == "/sign-in/code"
    assert not is_signed_in(someone)
    wrong = someone.press(page, "Sign in", {"code": "000000"})
    assert wrong.status == 401
    entered = someone.press(wrong, "Sign in", {"code": authenticator.code()})
    assert entered.path == "/company"
    by_recovery = Visitor(place.url)
    page = by_recovery.press(
        by_recovery.go("/sign-in"), "Sign in", {"email": email, "password": PASSWORD}
    )
    by_recovery.press(page, "Sign in", {"code": recovery[0]})
    assert is_signed_in(by_recovery)
    assert "9 recovery codes are left" in by_recovery.go("/account").words


def test_a_second_factor_is_on_only_after_a_right_code(place: Place, ana: Visitor) -> None:
    page = ana.press(ana.go("/account/second-factor"), "Begin")
    [picture] = page.tree.xpath("//svg[@class='qr']")
    assert not picture.xpath(".//@style")
    wrong = ana.press(page, "Switch it on", {"code": "123"})
    assert wrong.status == 400
    assert "not right" in wrong.wrong("code")
    assert secret_of(wrong) == secret_of(page)
    assert "off" in ana.go("/account").words


def test_a_second_factor_goes_off_for_a_right_code(place: Place, ana: Visitor, email: str) -> None:
    _, recovery = with_second_factor(ana)
    page = ana.go("/account/second-factor")
    assert ana.press(page, "Switch it off", {"code": HOSTILE}).status == 401
    new = ana.press(page, "Make new recovery codes", {"code": recovery[0]})
    renewed = new.text_of("recovery-codes").split()
    assert not set(renewed) & set(recovery)
    assert ana.press(page, "Switch it off", {"code": recovery[1]}).status == 401
    assert "is off" in ana.press(page, "Switch it off", {"code": renewed[0]}).notices[0]
    sign_in(place.url, email)


def test_recovery_codes_survive_a_second_press(place: Place, ana: Visitor) -> None:
    page = ana.press(ana.go("/account/second-factor"), "Begin")
    code = pyotp.TOTP(secret_of(page)).now()
    url, data = filled(page, "Switch it on", {"code": code})
    first, second = ana.post(url, data), ana.post(url, data)
    assert first.text_of("recovery-codes") == second.text_of("recovery-codes")


# Invitations


def test_an_invited_person_comes_by_the_link_once(place: Place, ana: Visitor) -> None:
    address = f"bo-{uuid4().hex[:8]}@levante.example"
    ana.press(
        ana.go("/company/people"),
        "Send the invitation",
        {"name": HOSTILE, "email": address, "roles": ["provider"]},
    )
    link = place.mails.link_for(address)
    bo = Visitor(place.url)
    page = bo.go(link)
    assert page.response.headers["Referrer-Policy"] == "no-referrer"
    assert page.value("name") == HOSTILE
    assert "<script>alert" not in page.text
    short = bo.press(page, "Accept the invitation", {"password": "x", "passwordAgain": "x"})
    assert "12 characters" in short.wrong("password")
    entered = bo.press(
        short,
        "Accept the invitation",
        {"name": "Bo", "password": OTHER, "passwordAgain": OTHER, "timeZone": ""},
    )
    assert entered.path == "/overview"
    account = bo.go("/account")
    assert "Levante Aggregation" in account.words
    assert "RolesProvider" in account.words
    assert Visitor(place.url).go(link).status == 410

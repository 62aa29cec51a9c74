from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.accounts import passwords
from marketplace.accounts.domain import (
    Guesses,
    Origin,
    PersonRole,
    checked_email,
    checked_locale,
    checked_name,
    checked_roles,
    checked_time_zone,
    email_key,
)
from mpp_sdk.errors import InvalidInput

START = datetime(2026, 12, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_four_guesses_may_go_wrong_and_then_each_costs_twice_the_wait() -> None:
    guesses, waits = Guesses(), []
    for _ in range(14):
        guesses = guesses.after_failure(START)
        waits.append(guesses.wait(START).total_seconds())
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@given(st.lists(st.integers(min_value=0, max_value=7200), max_size=400))
def test_nobody_tries_many_in_an_hour(pauses: list[int]) -> None:
    """However somebody spreads the guesses: no more than a dozen are looked at in any hour."""
    guesses, moment, looked_at = Guesses(), START, list[datetime]()
    for pause in pauses:
        moment += timedelta(seconds=pause)
        if guesses.wait(moment):
            continue
        looked_at.append(moment)
        guesses = guesses.after_failure(moment)
    for at in looked_at:
        assert sum(at <= other < at + HOUR for other in looked_at) <= 12


@given(st.integers(min_value=0, max_value=10**6))
def test_a_wait_ends(failures: int) -> None:
    after = Guesses(failures).after_failure(START)
    assert after.failures == failures + 1
    assert after.wait(START) <= HOUR
    assert not after.wait(START + HOUR)


@pytest.mark.parametrize(
    ("email", "key"),
    [
        ("Ana@Levante.example", "ana@levante.example"),
        (" ana@levante.example ", "ana@levante.example"),
        ("ａna@levante.example", "ana@levante.example"),  # noqa: RUF001 - that is the point
        ("STRASSE@x.example", "strasse@x.example"),
        ("straße@x.example", "strasse@x.example"),
    ],
)
def test_ways_to_write_an_address_are_one(email: str, key: str) -> None:
    assert email_key(email) == key


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ana",
        "ana@levante",
        "ana@@levante.example",
        "ana@levante.example\nBcc: x@y.example",
        "ana@levante.example\r\n",
        "ana ruiz@levante.example",
        "<ana@levante.example>",
        "ana@levante.example, bo@levante.example",
        "ana\x00@levante.example",
        "ana@levante.example\ud800",
        "a" * 250 + "@x.example",
    ],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    if email.strip() == "ana@levante.example":
        assert checked_email(email) == "ana@levante.example"
        return
    with pytest.raises(InvalidInput) as refused:
        checked_email(email)
    assert [error.pointer for error in refused.value.errors] == ["/email"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "Ana\nRuiz", "Ana\x00", "\ud800"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        checked_name(name)


def test_languages_and_time_zones_are_those_there_are() -> None:
    assert checked_locale(None) is None
    assert checked_locale("de") == "de"
    assert checked_time_zone("Europe/Madrid") == "Europe/Madrid"
    with pytest.raises(InvalidInput, match="en, de"):
        checked_locale("xx")
    with pytest.raises(InvalidInput, match="Europe/Madrid"):
        checked_time_zone("../../etc/passwd")


@pytest.mark.parametrize(
    ("roles", "in_company"),
    [
        (set(), True),
        ({PersonRole.OPERATOR}, True),
        ({PersonRole.OPERATOR, PersonRole.PROVIDER}, False),
        ({PersonRole.ADMINISTRATOR}, False),
        (set(), False),
    ],
)
def test_roles_belong_to_companies_or_operators(roles: set[PersonRole], in_company: bool) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_roles(frozenset(roles), in_company=in_company)
    assert refused.value.errors[0].pointer == "/roles"


def test_where_somebody_comes_from_is_kept_short_and_printable() -> None:
    origin = Origin("::1\n", "B\x00rowser\n" * 100)
    assert origin.short_address == "::1"
    assert len(origin.short_agent) == 200
    assert origin.short_agent.isprintable()


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("", "minLength"),
        ("x7!kM2#qP9z", "minLength"),
        ("x7!kM2#q" * 126, "maxLength"),
        ("Password1234", "common"),
        ("qwertyuiopasdfghjkl", "common"),
        ("xyxyxyxyxyxyxyxy", "common"),
        ("Ana@Levante.example", "own"),
        ("levante aggregation", "own"),
        ("Levante Aggregation 2026!", "own"),
        ("Ana Ruiz Ana Ruiz", "own"),
    ],
)
def test_what_is_guessed_first_is_no_password(password: str, rule: str) -> None:
    own = ("ana@levante.example", "Ana Ruiz", "Levante Aggregation")
    with pytest.raises(InvalidInput) as refused:
        passwords.check_rule(password, "/password", *own)
    assert [(e.pointer, e.rule) for e in refused.value.errors] == [("/password", rule)]


@pytest.mark.parametrize(
    "password", ["four words and a comma", "12 letters!?", "ñandú y köşe ✓✓", "x7" * 4 + "qr" * 496]
)
def test_any_other_is_one(password: str) -> None:
    passwords.check_rule(password, "/password", "ana@levante.example", "Ana", None)

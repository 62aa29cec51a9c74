"""The rules of people: what they may be, how they are named, and how often they may guess."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import available_timezones

from mpp_sdk.errors import InvalidInput

LOCALES = ("en", "de")
"""The languages that the website and its mails speak."""

LONGEST_EMAIL = 254
LONGEST_NAME = 200
_LONGEST_AGENT = 200
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[^@\s<>()\[\],;:\\\"]+\.[^@\s<>()\[\],;:\\\".]{2,}")


class PersonRole(StrEnum):
    """What a person may do for a company, or, as an operator, for the marketplace."""

    ADMINISTRATOR = "administrator"
    PROVIDER = "provider"
    REQUESTER = "requester"
    OPERATOR = "operator"


IN_COMPANIES = frozenset({PersonRole.ADMINISTRATOR, PersonRole.PROVIDER, PersonRole.REQUESTER})
"""The roles that a person of a company holds; at least one of them."""

OF_OPERATORS = frozenset({PersonRole.OPERATOR})
"""The role of those who run the marketplace, who belong to no company."""


class PersonState(StrEnum):
    """The state of a person."""

    ACTIVE = "ACTIVE"
    REMOVED = "REMOVED"


class LinkKind(StrEnum):
    """What somebody may do once with a token."""

    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105 - a kind, not a password
    CHALLENGE = "CHALLENGE"


class MailState(StrEnum):
    """The state of a mail: QUEUED until it is SENT, or, after too many tries, FAILED."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    FAILED = "FAILED"


def email_key(email: str) -> str:
    """Return what two ways to write the same e-mail address have in common."""
    return unicodedata.normalize("NFKC", email.strip()).casefold()


def checked_email(email: str, pointer: str = "/email") -> str:
    """Return an e-mail address without blanks around it. Raises InvalidInput."""
    email = email.strip()
    too_long = len(email) > LONGEST_EMAIL or len(email_key(email)) > LONGEST_EMAIL
    if too_long or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise InvalidInput.field(
            pointer, "email", f"State an e-mail address of at most {LONGEST_EMAIL} characters."
        )
    return email


def checked_name(name: str, pointer: str = "/name") -> str:
    """Return a person's name without blanks around it. Raises InvalidInput."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput.field(
            pointer, "name", f"State a name of 1 to {LONGEST_NAME} characters, in one line."
        )
    return name


def checked_locale(locale: str | None) -> str | None:
    """Return a language that there is; None for that of the browser. Raises InvalidInput."""
    if locale is not None and locale not in LOCALES:
        raise InvalidInput.field("/locale", "enum", f"Choose one of {', '.join(LOCALES)}.")
    return locale


def checked_time_zone(time_zone: str | None) -> str | None:
    """Return a time zone of the IANA's database; None for none chosen. Raises InvalidInput."""
    if time_zone is not None and time_zone not in _time_zones():
        raise InvalidInput.field(
            "/timeZone", "timeZone", "State a time zone by its name, such as Europe/Madrid."
        )
    return time_zone


def checked_roles(roles: frozenset[PersonRole], *, in_company: bool) -> frozenset[PersonRole]:
    """Return roles that a person may hold. Raises InvalidInput."""
    allowed = IN_COMPANIES if in_company else OF_OPERATORS
    if not roles:
        raise InvalidInput.field("/roles", "minItems", "Choose at least one role.")
    if not roles <= allowed:
        raise InvalidInput.field("/roles", "enum", f"Choose from {', '.join(sorted(allowed))}.")
    return roles


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@dataclass(frozen=True)
class Origin:
    """Where somebody comes from: the network address, and what the browser calls itself."""

    address: str = ""
    agent: str = ""

    @property
    def short_address(self) -> str:
        """The address as it is kept."""
        return _printable(self.address)

    @property
    def short_agent(self) -> str:
        """The browser's name as it is kept."""
        return _printable(self.agent)


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_AGENT]


_FREE_FAILURES = 5
_FIRST_LOCK = timedelta(seconds=30)
_LONGEST_LOCK = timedelta(hours=1)


@dataclass(frozen=True)
class Guesses:
    """How often somebody guessed wrong in a row, and until when no guess is looked at.

    Four may go wrong. From the fifth on each costs a wait, twice as long as the one before, from 30
    seconds to an hour. What is tried meanwhile is not looked at, and so does not lengthen it.
    """

    failures: int = 0
    locked_until: datetime | None = None

    def wait(self, moment: datetime) -> timedelta:
        """Return for how long nothing more is looked at; nothing at all when it may go on."""
        if self.locked_until is None:
            return timedelta(0)
        return max(self.locked_until - moment, timedelta(0))

    def after_failure(self, moment: datetime) -> "Guesses":
        """Return how it stands after another wrong guess."""
        failures = self.failures + 1
        beyond = failures - _FREE_FAILURES
        if beyond < 0:
            return Guesses(failures, None)
        lock = min(_FIRST_LOCK * float(2 ** min(beyond, 20)), _LONGEST_LOCK)
        return Guesses(failures, moment + lock)

"""The mails that people get, each in the person's language."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from marketplace.accounts import mail
from marketplace.accounts.tables import Invitation, Person
from marketplace.core.environment import current_environment
from mpp_sdk.clock import now

INVITATION_PATH = "/invitation"
RESET_PATH = "/password/reset"
"""Where the website takes tokens: as the query `token`, which the access log leaves out."""

_NO_LINK = timedelta(days=2)
"""For how long a mail without a link is worth sending."""


@dataclass(frozen=True)
class _Letter:
    subject: str
    text: str


_INVITATION = {
    "en": _Letter(
        "Invitation to {company} on Flexagora",
        "Hello {name},\n\n{inviter} invites you to act for {company} on Flexagora, the market for "
        "energy data services.\n\nAccept here, until {ends}:\n{link}\n\nThe link works once. If "
        "you do not expect this, ignore it.\n",
    ),
    "de": _Letter(
        "Einladung zu {company} auf Flexagora",
        "Guten Tag {name},\n\n{inviter} lädt Sie ein, auf Flexagora, dem Markt für "
        "Energiedatendienste, für {company} zu handeln.\n\nNehmen Sie hier an, bis {ends}:\n"
        "{link}\n\nDer Link funktioniert einmal. Wenn Sie dies nicht erwarten, tun Sie nichts.\n",
    ),
}
_RESET = {
    "en": _Letter(
        "Set your Flexagora password",
        "Hello {name},\n\nsomebody, probably you, asked to set a new password for your account on "
        "Flexagora.\n\nSet it here, until {ends}:\n{link}\n\nThe link works once. If you did not "
        "ask for this, ignore it: nothing changes.\n",
    ),
    "de": _Letter(
        "Ihr Flexagora-Passwort setzen",
        "Guten Tag {name},\n\njemand, vermutlich Sie, möchte ein neues Passwort für Ihr Konto auf "
        "Flexagora setzen.\n\nSetzen Sie es hier, bis {ends}:\n{link}\n\nDer Link funktioniert "
        "einmal. Wenn Sie das nicht waren, tun Sie nichts: Es ändert sich nichts.\n",
    ),
}
_PASSWORD_CHANGED = {
    "en": _Letter(
        "Your Flexagora password was changed",
        "Hello {name},\n\nthe password of your account on Flexagora was changed on {at}. If that "
        "was not you, ask at once for a link to set another:\n{site}\n",
    ),
    "de": _Letter(
        "Ihr Flexagora-Passwort wurde geändert",
        "Guten Tag {name},\n\ndas Passwort Ihres Kontos auf Flexagora wurde am {at} geändert. Wenn "
        "Sie das nicht waren, fordern Sie sofort einen Link für ein anderes an:\n{site}\n",
    ),
}
_MARKETPLACE = {"en": "the marketplace", "de": "den Marktplatz"}


def invitation_link(token: str) -> str:
    """Return the address at which an invitation is accepted."""
    return _link(INVITATION_PATH, token)


def send_invitation(
    invitation: Invitation, company: str | None, token: str, locale: str | None
) -> None:
    """Have the invitation mailed."""
    _send(
        _INVITATION,
        invitation.email,
        locale,
        invitation.expires_at,
        name=invitation.name,
        inviter=invitation.invited_by,
        company=company or _MARKETPLACE[locale or "en"],
        ends=_moment(invitation.expires_at),
        link=invitation_link(token),
    )


def send_reset(person: Person, token: str, expires_at: datetime) -> None:
    """Have the link to set a password mailed."""
    _send(
        _RESET,
        person.email,
        person.locale,
        expires_at,
        name=person.name,
        ends=_moment(expires_at),
        link=_link(RESET_PATH, token),
    )


def send_password_changed(person: Person) -> None:
    """Tell somebody that the password was changed, in case it was another."""
    _send(
        _PASSWORD_CHANGED,
        person.email,
        person.locale,
        now() + _NO_LINK,
        name=person.name,
        at=_moment(now()),
        site=current_environment().settings.effective_public_url + "/password/forgotten",
    )


def _send(
    letter: dict[str, _Letter], to: str, locale: str | None, until: datetime, **values: str
) -> None:
    chosen = letter[locale or "en"]
    # In a subject, and in a text of plain lines, a name is one line.
    values = {name: " ".join(value.split()) for name, value in values.items()}
    mail.post(to, chosen.subject.format(**values), chosen.text.format(**values), until)


def _link(path: str, token: str) -> str:
    return f"{current_environment().settings.effective_public_url}{path}?token={quote(token)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

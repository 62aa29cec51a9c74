"""What to do with a credential that was just issued, in words that machines take as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template

from marketplace.identity.domain import CredentialKind
from marketplace.identity.service import IssuedCredential

_OF_KEYS = (
    ("sdk", "SDK (.env)", "key.env"),
    ("python", "Python", "key.py.txt"),
    ("curl", "curl", "key.sh"),
    ("java", "Java", "key.java"),
    ("typescript", "TypeScript", "key.ts"),
)
_OF_CLIENTS = (
    ("python", "Python", "client.py.txt"),
    ("curl", "curl", "client.sh"),
    ("java", "Java", "client.java"),
    ("typescript", "TypeScript", "client.ts"),
)


@dataclass(frozen=True)
class Snippet:
    """A piece of code or settings: what it is for, and its text."""

    name: str
    title: str
    text: str


def snippets(address: str, issued: IssuedCredential) -> Sequence[Snippet]:
    """Return working pieces for a credential, which call the marketplace at its address."""
    credential = issued.credential
    wanted = _OF_KEYS if credential.kind is CredentialKind.API_KEY else _OF_CLIENTS
    return [
        Snippet(
            name,
            title,
            render_template(
                f"company/snippets/{file}",
                address=address,
                secret=issued.secret,
                client_id=credential.client_id,
                player=credential.market_player_id,
            ).strip(),
        )
        for name, title, file in wanted
    ]

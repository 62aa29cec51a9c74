"""Where to go next: only ever to a page of this site."""

from urllib.parse import urlsplit

from flask import url_for

_LONGEST = 2_000


def local_path(given: str) -> str:
    """Return a path of this site that somebody wants to go to, else that of the start page.

    A link in a mail could otherwise lead through the sign-in page to another site.
    """
    if not given.startswith("/") or given.startswith("//") or len(given) > _LONGEST:
        return url_for("home.start")
    if "\\" in given or any(ord(letter) < ord(" ") for letter in given):
        return url_for("home.start")
    parts = urlsplit(given)
    if parts.scheme or parts.netloc:
        return url_for("home.start")
    return given

"""The visitor's language: chosen on a page, set by the person, or the browser's."""

from flask import Flask, request, session
from flask_babel import Babel

from marketplace.website.frame.visitor import visitor
from marketplace.website.frame.zones import zone

LANGUAGES = {"en": "English", "de": "Deutsch"}
"""The languages of the website, each by its own name."""

_CHOSEN = "language"


def speak(site: Flask) -> None:
    """Have a site's texts, dates and numbers in the visitor's language."""
    site.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(site, locale_selector=language, timezone_selector=lambda: str(zone()))


def language() -> str:
    """Return the code of the visitor's language."""
    someone = visitor()
    chosen = session.get(_CHOSEN) or (someone.locale if someone else None)
    if chosen in LANGUAGES:
        return str(chosen)
    return request.accept_languages.best_match(list(LANGUAGES)) or "en"


def choose(code: str) -> None:
    """Remember the language that was chosen, until the browser is closed."""
    if code in LANGUAGES:
        session[_CHOSEN] = code


def forget_choice() -> None:
    """Speak the language that the person has set, once that is another."""
    session.pop(_CHOSEN, None)

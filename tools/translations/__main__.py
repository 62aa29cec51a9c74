"""`python -m tools.translations`: find the website's texts, and have each in every language.

Texts that are new are added to the catalogues without a translation, those that are gone are
dropped, and what is translated is compiled. With `--check` nothing is written: it fails when a
catalogue misses a text, has one too many, or is not compiled as it stands.
"""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

WEBSITE = Path(__file__).parents[2] / "marketplace" / "website"
TRANSLATIONS = WEBSITE / "translations"
LANGUAGES = ("de",)

_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_OPTIONS = {"**/templates/**.html": {"trimmed": "true", "silent": "false"}}
_KEYWORDS = {"_": None, "_l": None, "gettext": None, "ngettext": (1, 2)}
_WIDTH = 100
_HEADER = "# The website's texts. Made by `make translations`; translate what is empty."
_UNDATED = datetime(2026, 1, 1, tzinfo=UTC)


def found_texts() -> Catalog:
    """Return the texts that stand in the website's code and templates."""
    catalog = Catalog(project="Flexagora", charset="utf-8")
    found = extract_from_dir(WEBSITE, _METHODS, _OPTIONS, _KEYWORDS, comment_tags=("NOTE:",))
    for file, _, text, comments, _ in found:
        catalog.add(text, None, [(file, 0)], auto_comments=comments)
    return catalog


def known(language: str) -> Catalog:
    """Return the catalogue of a language, as it is committed."""
    file = _file(language, "po")
    if not file.exists():
        return Catalog(locale=language, project="Flexagora")
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def updated(language: str) -> Catalog:
    """Return the catalogue of a language with the texts that there are now, and no others."""
    catalog = known(language)
    catalog.update(found_texts(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    catalog.fuzzy = False
    return catalog


def untranslated(catalog: Catalog) -> list[Message]:
    """Return the texts without a translation, and those whose placeholders it has lost."""
    return [
        message
        for message in catalog
        if message.id and (not _is_translated(message) or message.fuzzy or message.check() != [])
    ]


def main() -> None:
    """Bring the catalogues up to date, or check that they are."""
    checking = sys.argv[1:] == ["--check"]
    problems = [problem for language in LANGUAGES for problem in _one(language, checking)]
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


def _one(language: str, checking: bool) -> list[str]:
    catalog = updated(language)
    text, compiled = _as_text(catalog), _compiled(catalog)
    problems = [f"{language}: not translated: {one.id!r}" for one in untranslated(catalog)]
    po, mo = _file(language, "po"), _file(language, "mo")
    if checking:
        if not po.exists() or po.read_bytes() != text or mo.read_bytes() != compiled:
            problems.append(f"{language}: run `make translations`")
        return problems
    po.parent.mkdir(parents=True, exist_ok=True)
    po.write_bytes(text)
    mo.write_bytes(compiled)
    return problems


def _is_translated(message: Message) -> bool:
    given = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(given)


def _as_text(catalog: Catalog) -> bytes:
    out = io.BytesIO()
    catalog.header_comment = _HEADER
    # The dates of each run would make every run another file.
    catalog.creation_date = catalog.revision_date = _UNDATED
    catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = "Flexagora"
    write_po(out, catalog, width=_WIDTH, sort_output=True, include_lineno=False)
    return out.getvalue()


def _compiled(catalog: Catalog) -> bytes:
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def _file(language: str, kind: str) -> Path:
    return TRANSLATIONS / language / "LC_MESSAGES" / f"messages.{kind}"


if __name__ == "__main__":
    main()

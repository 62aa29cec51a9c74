"""The certificate: one HTML page for people, whole in itself, that asks nothing of anybody.

The page is built as a tree and written by the library, so that every text is escaped.
"""

import math
import xml.etree.ElementTree as ElementTree  # it writes only: nothing is parsed here
from datetime import UTC, datetime
from importlib import resources
from itertools import zip_longest

from mpp_sdk.conformance.model import Outcome
from mpp_sdk.conformance.reports.contents import Report, ReportedCase

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MARKS = {
    Outcome.PASSED: ("\N{CHECK MARK}", "passed"),
    Outcome.FAILED: ("\N{BALLOT X}", "failed"),
    Outcome.NOT_SHOWN: ("?", "not shown"),
    Outcome.NOT_OFFERED: ("\N{EN DASH}", "not offered"),
}
_LARGEST_PRINT = 8.0
_PRINT_OF_ONE = 49.0
"""Points at which one case would fill the page; the room that it takes goes by their square."""
_FIRST = (Outcome.FAILED, Outcome.NOT_SHOWN)
"""What is looked for first stands first."""


def to_certificate(report: Report) -> str:
    """Return the page. It reads in light and dark, and prints on paper of size A4."""
    page = ElementTree.Element("html", lang="en")
    head = _add(page, "head")
    _add(head, "meta", charset="utf-8")
    _add(head, "meta", **{"http-equiv": "Content-Security-Policy", "content": _POLICY})
    _add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _add(head, "title", f"{report.verdict.value}: {report.contract} {report.contract_version}")
    _add(head, "style", _style())
    size = f"--print-size: {_print_size(len(report.cases)):.2f}pt"
    body = _add(page, "body", **{"class": report.verdict.value, "style": size})
    header = _add(body, "header")
    _add(header, "h1", "Conformance to a contract of Flexagora")
    _add(header, "p", report.verdict.value, **{"class": "verdict"})
    _add(header, "p", report.headline, **{"class": "headline"})
    facts = _add(body, "dl")
    for name, value in _facts(report):
        fact = _add(facts, "div")
        _add(fact, "dt", name)
        _add(fact, "dd", value)
    cases = _add(body, "ol")
    for case in sorted(report.cases, key=lambda one: one.outcome not in _FIRST):
        _add_case(cases, case)
    _add(body, "footer", _footer(report))
    return "<!doctype html>\n" + ElementTree.tostring(page, encoding="unicode", method="html")


def _print_size(cases: int) -> float:
    """Return the size of print, in points, at which so many cases fill a page of A4."""
    return min(_LARGEST_PRINT, _PRINT_OF_ONE / math.sqrt(max(cases, 1)))


def _facts(report: Report) -> list[tuple[str, str]]:
    return [
        ("Server", report.base_url),
        ("Contract", f"{report.contract} {report.contract_version}"),
        ("The server says it speaks", report.spoken_version or "not said"),
        ("Tried on", _moment(report.started_at)),
        ("Cases", report.counts),
        ("Kit", f"flexagora {report.kit_version}"),
    ]


def _add_case(cases: ElementTree.Element, case: ReportedCase) -> None:
    mark, words = _MARKS[case.outcome]
    item = _add(cases, "li", **{"class": case.outcome.value})
    _add(item, "span", mark, **{"class": "mark", "role": "img", "aria-label": words})
    text = _add(item, "div")
    _add_prose(text, case.title, "title")
    _add(text, "span", case.id, **{"class": "id"})
    if case.outcome is not Outcome.PASSED:
        _add_prose(text, f"{words.capitalize()}. {case.detail}", "detail")
    _add_prose(text, case.why, "why")


def _add_prose(parent: ElementTree.Element, text: str, kind: str) -> None:
    """Add a text, and after it a space; what stands in backquotes is code."""
    element = _add(parent, "span", **{"class": kind})
    plain, *rest = text.split("`")
    element.text = plain
    for code, after in zip_longest(rest[::2], rest[1::2], fillvalue=""):
        _add(element, "code", code).tail = after
    element.tail = " "


def _footer(report: Report) -> str:
    told = (
        "The kit calls a server as its callers do and holds every answer against the contract. "
        "It shows what the server did at this moment, not what it will do."
    )
    if report.count(Outcome.NOT_SHOWN):
        told += " Not shown: the kit was not given what the case needs."
    if report.count(Outcome.NOT_OFFERED):
        told += " Not offered: the contract lets a server leave it out, and this one does."
    if report.left_out:
        told += f" {report.left_out} cases of the contract were not chosen for this run."
    return told


def _style() -> str:
    return (resources.files(__package__) / "certificate.css").read_text("utf-8")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element

"""Whether a page can be used by everybody, as far as axe can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from playwright.sync_api import Page

from tools.assets import axe_source

_BAD = ("serious", "critical")
_RUN = "() => axe.run(document, {resultTypes: ['violations']})"


@dataclass(frozen=True)
class Finding:
    """Something that keeps people from using a part of a page."""

    rule: str
    impact: str
    what: str
    selector: str
    advice: str


def examine(page: Page) -> list[Finding]:
    """Return what is serious or critical on a page.

    The script comes by the debugger's way, which no content security policy stands in.
    """
    page.evaluate(_source())
    found = page.evaluate(_RUN)
    return [
        Finding(
            rule=violation["id"],
            impact=violation["impact"],
            what=violation["help"],
            selector=" ".join(str(part) for part in node["target"]),
            advice=node["failureSummary"],
        )
        for violation in found["violations"]
        if violation["impact"] in _BAD
        for node in violation["nodes"]
    ]


def told(url: str, findings: Sequence[Finding]) -> str:
    """Return findings as a text for whoever mends the page."""
    lines = [f"Not everybody can use {url}:"]
    for one in findings:
        lines.append(f"- {one.impact}, {one.rule}: {one.what}\n  at {one.selector}")
        lines += [f"  {line.strip()}" for line in one.advice.splitlines()]
    return "\n".join(lines)


@cache
def _source() -> str:
    return axe_source()

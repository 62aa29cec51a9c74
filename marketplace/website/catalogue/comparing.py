"""Services, and versions of one service, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from marketplace.catalogue import service
from marketplace.website.catalogue.blueprint import blueprint
from marketplace.website.catalogue.found import of_rows
from marketplace.website.catalogue.properties import Property, properties
from marketplace.website.frame.rights import acts_as
from mpp_sdk.errors import InvalidInput

MOST = 4
"""How many services are compared at once."""

_MOST_LINES = 600  # for which it does not take long to find the differences
_MOST_VERSIONS = 50


@dataclass(frozen=True)
class Compared:
    """A property of several services; differs says that not all have the same."""

    title: str
    values: Sequence[str]
    long: bool

    @property
    def differs(self) -> bool:
        """Return whether not all values are the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Line:
    """A line of a text in two versions: `same`, `gone` or `new`."""

    kind: str
    text: str


@blueprint.get("/services/compare")
@acts_as("catalogue.read_service")
def compare() -> ResponseReturnValue:
    """Show up to four services side by side."""
    asked = list(dict.fromkeys(request.args.getlist("service")))
    rows = [service.read_service(_identifier(one)) for one in asked[:MOST]]
    return render_template(
        "catalogue/compare.html",
        services=of_rows(rows),
        rows=compared([properties(row.description) for row in rows]),
        left_out=len(asked) > MOST,
        most=MOST,
    )


@blueprint.get("/services/<uuid:service_id>/versions/compare")
@acts_as("catalogue.read_service_version")
def compare_versions(service_id: UUID) -> ResponseReturnValue:
    """Show two versions of a service side by side; without a choice, the newest two."""
    known = service.list_versions(service_id, None, _MOST_VERSIONS, None).items
    numbers = [row.number for row in known]
    newer = _number("new", numbers[0])
    older = _number("old", max((one for one in numbers if one < newer), default=newer))
    old, new = service.read_version(service_id, older), service.read_version(service_id, newer)
    rows = compared([properties(old.description), properties(new.description)])
    return render_template(
        "catalogue/versions_compared.html",
        old=old,
        new=new,
        numbers=numbers,
        rows=rows,
        changed=sum(row.differs for row in rows),
        lines={row.title: lines(*row.values) for row in rows if row.long and row.differs},
    )


def compared(described: Sequence[Sequence[Property]]) -> list[Compared]:
    """Return the properties of several descriptions beside one another."""
    return [
        Compared(same[0].title, [one.value for one in same], same[0].long)
        for same in zip(*described, strict=True)
    ]


def lines(old: str, new: str) -> list[Line]:
    """Return a text in two versions, line by line; very long ones only whole."""
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) > _MOST_LINES:
        return [*_lines("gone", before), *_lines("new", after)]
    found: list[Line] = []
    for kind, first, last, begin, end in SequenceMatcher(None, before, after).get_opcodes():
        if kind == "equal":
            found += _lines("same", before[first:last])
        else:
            found += [*_lines("gone", before[first:last]), *_lines("new", after[begin:end])]
    return found


def _lines(kind: str, texts: Sequence[str]) -> list[Line]:
    return [Line(kind, text) for text in texts]


def _identifier(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError as error:
        raise InvalidInput.field("service", "uuid", "This is no id of a service.") from error


def _number(name: str, usual: int) -> int:
    given = request.args.get(name, "")
    if not given:
        return usual
    if not (given.isascii() and given.isdigit() and len(given) <= 7):
        raise InvalidInput.field(name, "version", "This is no number of a version.")
    return int(given)

"""Lists of points of delivery as people have them: pasted, or a CSV file."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext

from mpp_sdk.errors import FieldError, InvalidInput

MOST = 10_000
"""How many points of delivery are taken at once."""

COLUMN = "podId"
"""The heading of the column that a CSV file has them in; without it they are in the first."""

_MOST_TOLD = 20
_POD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,59}", re.ASCII)
_RULE = "letters, digits and . _ : - in at most 60 characters, with a letter or digit first"


@dataclass(frozen=True)
class Place:
    """An id and the line that it is in."""

    line: int
    pod_id: str


def pasted(text: str) -> list[str]:
    """Return the ids in a text, one in each line. Raises InvalidInput naming the lines."""
    lines = enumerate(text.splitlines(), 1)
    return _checked((Place(number, line.strip()) for number, line in lines), "/podIds")


def uploaded(content: bytes) -> list[str]:
    """Return the ids in a CSV file. Raises InvalidInput naming the lines."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput.field(
            "/file", "encoding", _("This is no text in UTF-8. Save the file as CSV in UTF-8.")
        ) from error
    return _checked(_column(text), "/file")


def _column(text: str) -> Iterator[Place]:
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(";,\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    place = 0
    try:
        for number, row in enumerate(reader):
            names = [cell.strip().casefold() for cell in row]
            if number == 0 and COLUMN.casefold() in names:
                place = names.index(COLUMN.casefold())
                continue
            yield Place(reader.line_num, row[place].strip() if len(row) > place else "")
    except csv.Error as error:
        raise InvalidInput.field(
            "/file",
            "csv",
            _("Line %(line)s cannot be read as CSV.", line=reader.line_num),
        ) from error


def _checked(places: Iterator[Place], pointer: str) -> list[str]:
    """Return the ids, each once. Lines that are blank at the end do not count."""
    given = list(places)
    while given and not given[-1].pod_id:
        given.pop()
    if not given:
        raise InvalidInput.field(pointer, "minItems", _("State at least one point of delivery."))
    if len(given) > MOST:
        words = _("At most %(most)s at once; these are %(count)s.", most=MOST, count=len(given))
        raise InvalidInput.field(pointer, "maxItems", words)
    seen: dict[str, int] = {}
    wrong: list[str] = []
    for place in given:
        if not place.pod_id:
            wrong.append(_("Line %(line)s is blank.", line=place.line))
        elif not _POD_ID.fullmatch(place.pod_id):
            shown = place.pod_id[:70]
            wrong.append(
                _(
                    "Line %(line)s: %(id)s is no id (%(rule)s).",
                    line=place.line,
                    id=shown,
                    rule=_RULE,
                )
            )
        elif place.pod_id in seen:
            wrong.append(
                _(
                    "Line %(line)s: %(id)s is there in line %(first)s already.",
                    line=place.line,
                    id=place.pod_id,
                    first=seen[place.pod_id],
                )
            )
        else:
            seen[place.pod_id] = place.line
    if wrong:
        raise _refused(wrong, pointer)
    return list(seen)


def _refused(wrong: list[str], pointer: str) -> InvalidInput:
    told = wrong[:_MOST_TOLD]
    if len(wrong) > len(told):
        told.append(ngettext("%(num)s more line.", "%(num)s more lines.", len(wrong) - len(told)))
    detail = ngettext(
        "%(num)s line is not right. Nothing was added.",
        "%(num)s lines are not right. Nothing was added.",
        len(wrong),
    )
    return InvalidInput(detail, [FieldError(pointer, "podId", " ".join(told))])

"""The tree that a market document is, in XML as in JSON, and how its values are read."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NoReturn, TypeVar

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.model import check_text, quantity_problem
from mpp_sdk.metering.moments import MomentWithoutOffset, parse_moment, parse_resolution

E = TypeVar("E", bound=StrEnum)

_DECIMAL = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})", re.ASCII)
_POSITION = re.compile(r"\d{1,9}", re.ASCII)


class Node:
    """A value, or named children; what is not asked for is found by `finish`."""

    __slots__ = ("children", "label", "parent", "scheme", "value")

    def __init__(
        self,
        label: str,
        parent: "Node | None" = None,
        value: str | int | Decimal | None = None,
        scheme: str | None = None,
    ) -> None:
        self.label = label
        self.parent = parent
        self.value = value
        self.scheme = scheme
        self.children: dict[str, list[Node]] | None = None

    @property
    def pointer(self) -> str:
        """Return the JSON pointer to this node."""
        above = self.parent.pointer if self.parent is not None else ""
        return f"{above}/{self.label}"

    def fail(self, rule: str, detail: str) -> NoReturn:
        """Raise InvalidInput for this node, in words that can be written as UTF-8 in any case."""
        pointer = self.pointer.encode(errors="backslashreplace").decode()
        detail = detail.encode(errors="backslashreplace").decode()
        raise InvalidInput.field(pointer, rule, detail)

    def add(self, name: str, child: "Node") -> None:
        """Put a child under its name."""
        if self.children is None:
            self.children = {name: [child]}
        else:
            self.children.setdefault(name, []).append(child)

    def take_all(self, name: str) -> "list[Node]":
        """Return the children of that name, and count them as read."""
        return [] if self.children is None else self.children.pop(name, [])

    def take(self, name: str) -> "Node | None":
        """Return the only child of that name, or None. Raises InvalidInput for several."""
        found = self.take_all(name)
        if len(found) > 1:
            found[1].fail("unique", f"There can be only one {name}.")
        return found[0] if found else None

    def need(self, name: str) -> "Node":
        """Return the only child of that name. Raises InvalidInput when there is none."""
        found = self.take(name)
        if found is None:
            raise InvalidInput.field(f"{self.pointer}/{name}", "required", f"{name} is missing.")
        return found

    def finish(self) -> None:
        """Raise InvalidInput for children that nobody asked for: nothing is lost in silence."""
        if self.scheme is not None:
            self.fail("unsupported", "A coding scheme is not known here.")
        for found in (self.children or {}).values():
            found[0].fail("unsupported", f"{found[0].label} is not known here.")
        if self.children is None and self.value is not None:
            self.fail("type", "It must hold further elements.")

    def text(self, *, scheme: bool = False) -> str:
        """Return the text of this node, without spaces around it; with a scheme only if allowed."""
        if self.children is not None or not isinstance(self.value, str):
            self.fail("type", "It must be a text.")
        if self.scheme is not None and not scheme:
            self.fail("unsupported", "A coding scheme is not known here.")
        return check_text(self.pointer, self.value.strip())

    def moment(self) -> datetime:
        """Return the moment that this node names, in UTC."""
        text = self.text()
        try:
            return parse_moment(text)
        except MomentWithoutOffset as error:
            self.fail("offset", f"{error}.")
        except ValueError as error:
            self.fail("format", f"{error}.")

    def resolution(self) -> timedelta:
        """Return the duration that this node names."""
        text = self.text()
        try:
            return parse_resolution(text)
        except ValueError as error:
            self.fail("format", f"{error}.")

    def code(self, codes: type[E]) -> E:
        """Return the member of an enum that this node names by its code."""
        text = self.text()
        try:
            return codes(text)
        except ValueError:
            known = ", ".join(f"{code} ({code.name.lower()})" for code in codes)
            self.fail("enum", f"{text!r} is not one of {known}.")

    def number(self) -> Decimal:
        """Return the quantity that this node holds, with the digits it was given with."""
        value = self.value
        if isinstance(value, str):
            value = value.strip()
            if _DECIMAL.fullmatch(value) is None:
                self.fail("format", "It is not a decimal number.")
        if value is None or self.children is not None:
            self.fail("type", "It must be a number.")
        number = Decimal(value)
        problem = quantity_problem(number)
        if problem is not None:
            self.fail("quantity", problem)
        return number

    def position(self) -> int:
        """Return the whole number, at least 1, that this node holds."""
        value = self.value
        if isinstance(value, str) and _POSITION.fullmatch(value.strip()):
            value = int(value)
        if not isinstance(value, int) or value < 1:
            self.fail("position", "A position is a whole number, and the first one is 1.")
        return value


def decode(data: bytes) -> str:
    """Return the text of a document. Raises InvalidInput when it is not UTF-8; a BOM is dropped."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput.field(
            "", "encoding", f"The document is not UTF-8, at byte {error.start}."
        ) from error

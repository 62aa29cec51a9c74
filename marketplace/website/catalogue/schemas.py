"""The schemas of an OpenAPI document as rows of a table: a name, a type in words, a meaning."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")

_DEEPEST = 5
_DEEPEST_KIND = 2
_MOST_ROWS = 200
_MOST_ROWS_OF_ALL = 5_000
_MOST_VALUES = 12
_MOST_PARTS = 6
_MOST_STEPS = 10  # from reference to reference
_LONGEST_KIND = 300
LONGEST = 2_000
"""How many characters of a description are shown: one that is referred to stands at many places."""

_NOTHING: Mapping[str, Any] = {}
_NAMED = "#/components/schemas/"
_TOGETHER = {"allOf": " & ", "oneOf": " | ", "anyOf": " | "}
_RULES = {
    "format": "{}",
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "minItems": "≥ {} items",
    "maxItems": "≤ {} items",
    "pattern": "matches {}",
}


@dataclass(frozen=True)
class Row:
    """A property: depth is how many properties it is within."""

    depth: int
    name: str
    kind: str
    required: bool
    description: str


class Schemas:
    """The schemas of a document, of which the ones with a name are told by it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._left = _MOST_ROWS_OF_ALL
        self._kinds: dict[tuple[int, int], str] = {}

    @property
    def exhausted(self) -> bool:
        """Return whether there was more than a page of rows can show."""
        return self._left <= 0

    def rows(self, schema: Any) -> list[Row]:
        """Return what a schema holds: at most 200 rows, and 5,000 of all schemas."""
        most = min(_MOST_ROWS, self._left)
        found = list(islice(self._rows(schema, "", 0, required=False), most + 1))
        self._left -= len(found)
        if len(found) > most:
            found[most:] = [Row(0, "…", "", required=False, description="")]
        return found

    def taken(self, items: Iterable[T]) -> list[T]:
        """Return items, each of which counts as a row: no more than there is room for."""
        found = list(islice(items, max(self._left, 0)))
        self._left -= len(found)
        return found

    def kind(self, schema: Any, depth: int = 0) -> str:
        """Return the type of a schema in words."""
        if not is_mapping(schema) or depth > _DEEPEST_KIND:
            return ""
        name = _name(schema)
        if name is not None:
            return text_of(name)
        schema = self.followed(schema)
        key = id(schema), depth  # the document outlives this, and so does each part of it
        if key not in self._kinds:
            self._kinds[key] = self._kind(schema, depth)[:_LONGEST_KIND]
        return self._kinds[key]

    def followed(self, held: Any) -> Mapping[str, Any]:
        """Return what a part of the document is, after references within it; empty for none."""
        for _ in range(_MOST_STEPS):
            if not is_mapping(held):
                return _NOTHING
            target = held.get("$ref")
            if not isinstance(target, str):
                return held
            held = self._at(target)
        return _NOTHING

    def _kind(self, schema: Mapping[str, Any], depth: int) -> str:
        for together, sign in _TOGETHER.items():
            parts = schema.get(together)
            if isinstance(parts, list) and parts:
                kinds = [self.kind(one, depth + 1) or "…" for one in parts[:_MOST_PARTS]]
                return sign.join(dict.fromkeys(kinds))
        return self._plain(schema, depth)

    def _plain(self, schema: Mapping[str, Any], depth: int) -> str:
        kind = schema.get("type")
        words = " | ".join(map(text_of, kind)) if isinstance(kind, list) else text_of(kind)
        if "items" in schema:
            words = f"{words or 'array'} of {self.kind(schema['items'], depth + 1) or 'anything'}"
        values = schema.get("enum")
        if isinstance(values, list):
            shown = ", ".join(map(text_of, values[:_MOST_VALUES]))
            words = f"{words}: {shown}{', …' if len(values) > _MOST_VALUES else ''}"
        rules = [
            said.format(text_of(schema[name])) for name, said in _RULES.items() if name in schema
        ]
        if schema.get("nullable") is True:
            rules.append("or null")
        return ", ".join([words or ("object" if "properties" in schema else ""), *rules]).strip(
            ", "
        )

    def _rows(self, schema: Any, name: str, depth: int, *, required: bool) -> Iterator[Row]:
        if not is_mapping(schema) or depth > _DEEPEST:
            return
        whole = self.followed(schema)
        if name or "properties" not in whole or _name(schema):
            own = schema if _name(schema) else whole
            description = text_of(whole.get("description"), LONGEST)
            yield Row(depth, text_of(name), self.kind(own), required, description)
        if name and _name(schema):
            return  # it is told under its own name
        inner = self.followed(whole.get("items")) if _name(whole.get("items")) is None else {}
        for part in (whole, inner, *self._parts(whole)):
            yield from self._properties(part, depth + 1 if name else depth)

    def _parts(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        parts = schema.get("allOf")
        for one in parts if isinstance(parts, list) else ():
            if _name(one) is None:
                yield self.followed(one)

    def _properties(self, schema: Mapping[str, Any], depth: int) -> Iterator[Row]:
        held, needed = schema.get("properties"), schema.get("required")
        for name, one in held.items() if is_mapping(held) else ():
            is_needed = isinstance(needed, list) and name in needed
            yield from self._rows(one, name, depth, required=is_needed)

    def _at(self, target: str) -> Any:
        found: Any = self._document
        if not target.startswith("#/"):
            return None
        for part in target[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if is_mapping(found) else None
        return found


def is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a part of a document is an object."""
    return isinstance(value, Mapping)


def text_of(value: Any, most: int = _LONGEST_KIND) -> str:
    """Return a part of a document as text of so many characters at most; empty for none."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if len(text) <= most else f"{text[:most]} …"


def _name(schema: Any) -> str | None:
    """Return the name that a schema refers to; None when it says itself what it is."""
    target = schema.get("$ref") if is_mapping(schema) else None
    if isinstance(target, str) and target.startswith(_NAMED):
        return target.removeprefix(_NAMED).replace("~1", "/").replace("~0", "~")
    return None

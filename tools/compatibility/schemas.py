"""Compares two versions of a schema by who writes a value and who reads it.

A request is written by a client and read by a server, a response the other way round. Old clients
call new servers, so what an old client writes a new server must read, and what a new server writes
an old client must read. Where servers may be old too (every platform is one), what a new client
writes an old server must read as well, and so on: then each rule holds both ways.
"""

from collections.abc import Callable, Sequence

from tools.compatibility.changes import ABSENT, Changes, Json, Level, Side, Use
from tools.compatibility.documents import below, is_words, resolve

MAY_GROW = "thers may be added"
"""What the description of an enum says where readers must expect values that it does not list."""

_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "minLength", "minItems", "minProperties")
_STEPS = ("properties", "items", "additionalProperties", "allOf", "anyOf", "oneOf", "not")
"""The keywords below which there are other schemas."""


def _upper_narrower(written: Json, read: Json) -> bool:
    return read is not None and (written is None or written > read)


def _lower_narrower(written: Json, read: Json) -> bool:
    return read is not None and (written is None or written < read)


def _switched_on(written: Json, read: Json) -> bool:
    return bool(read) and not written


def _switched_off(written: Json, read: Json) -> bool:
    return bool(written) and not read


def _other(written: Json, read: Json) -> bool:
    return read is not None and written != read


_NARROWER: dict[str, tuple[str, Callable[[Json, Json], bool]]] = {
    **dict.fromkeys(_UPPER, ("limit", _upper_narrower)),
    **dict.fromkeys(_LOWER, ("limit", _lower_narrower)),
    "exclusiveMaximum": ("limit", _switched_on),
    "exclusiveMinimum": ("limit", _switched_on),
    "uniqueItems": ("limit", _switched_on),
    "multipleOf": ("limit", _other),
    "pattern": ("pattern", _other),
    "nullable": ("nullable", _switched_off),
}
"""By keyword: whether a reader with one value refuses what a writer with another one may write."""


class SchemaComparison:
    """Notes what differs between the schemas of two documents.

    both_ways says that servers may be as old as clients.
    """

    def __init__(self, old: Json, new: Json, changes: Changes, *, both_ways: bool) -> None:
        self._old = old
        self._new = new
        self._changes = changes
        self.both_ways = both_ways
        self._compared: set[tuple[str, str, Use]] = set()

    def compare(self, old: Json, old_place: str, new: Json, new_place: str, use: Use) -> None:
        """Note every change from one schema to another, for what is used there."""
        old, old_place = resolve(self._old, old, old_place)
        new, new_place = resolve(self._new, new, new_place)
        step = (old_place, new_place, use)
        if step in self._compared:
            return  # it refers to itself, or is used twice
        self._compared.add(step)
        _OneSchema(self, old, old_place, new, new_place, use).compare()

    def breaks(self, use: Use, refuses: Callable[[Json, Json], bool], old: Json, new: Json) -> bool:
        """Return whether a reader refuses what a writer may write, in any pair that may meet."""
        pairs = [(old, new)] if use.side is Side.REQUEST else [(new, old)]
        if self.both_ways:
            pairs = [(old, new), (new, old)]
        return any(refuses(written, read) for written, read in pairs)

    def note(self, breaking: bool, rule: str, place: str, was: Json, now: Json, use: Use) -> None:
        """Note a change of a schema."""
        level = Level.BREAKING if breaking else Level.ADDITION
        self._changes.note(level, rule, place, was, now, use)


class _OneSchema:
    """The comparison of one schema with another, both resolved."""

    def __init__(
        self,
        whole: SchemaComparison,
        old: Json,
        old_place: str,
        new: Json,
        new_place: str,
        use: Use,
    ) -> None:
        self._whole = whole
        self._old = old
        self._new = new
        self._old_place = old_place
        self._new_place = new_place
        self._use = use

    def compare(self) -> None:
        self._exact("type", "type changed")
        self._exact("format", "format changed")
        self._enum()
        self._limits()
        self._default()
        self._required()
        self._properties()
        self._additional()
        self._below("items")
        for keyword in ("allOf", "anyOf", "oneOf"):
            self._alternatives(keyword)
        self._rest()

    def _note(self, breaking: bool, rule: str, was: Json, now: Json, *names: str) -> None:
        place = self._old_place if now == ABSENT else self._new_place
        self._whole.note(breaking, rule, below(place, *names), was, now, self._use)

    def _exact(self, keyword: str, rule: str) -> None:
        """Whoever generates code has another type then, even where every value still fits."""
        was, now = self._old.get(keyword, ABSENT), self._new.get(keyword, ABSENT)
        if was != now:
            self._note(True, rule, was, now, keyword)

    def _enum(self) -> None:
        was, now = self._old.get("enum"), self._new.get("enum")
        if was == now:
            return
        if was is None or now is None:
            limited = self._whole.breaks(self._use, _other, was, now)
            self._note(
                limited,
                "enum introduced" if was is None else "enum lifted",
                ABSENT if was is None else was,
                ABSENT if now is None else now,
                "enum",
            )
            return
        may_grow = MAY_GROW in str(self._old.get("description", ""))
        for value in was:
            if value not in now:
                self._note(True, "enum value removed", value, ABSENT, "enum")
        for value in now:
            if value not in was:
                self._note(not may_grow, "enum value added", ABSENT, value, "enum")

    def _limits(self) -> None:
        for keyword, (what, refuses) in _NARROWER.items():
            was, now = self._old.get(keyword), self._new.get(keyword)
            if _stated(was) == _stated(now):
                continue
            breaking = self._whole.breaks(self._use, refuses, was, now)
            self._note(
                breaking,
                f"{what} {'removed' if now is None else 'added' if was is None else 'changed'}",
                ABSENT if was is None else was,
                ABSENT if now is None else now,
                keyword,
            )

    def _default(self) -> None:
        was, now = self._old.get("default", ABSENT), self._new.get("default", ABSENT)
        if was != now:
            self._note(self._use.side is Side.REQUEST, "default changed", was, now, "default")

    def _required(self) -> None:
        was, now = set(self._old.get("required", ())), set(self._new.get("required", ()))
        refuses: Callable[[Json, Json], bool] = _switched_on
        for name in sorted(was ^ now):
            breaking = self._whole.breaks(self._use, refuses, name in was, name in now)
            rule = "required removed" if name in was else "required added"
            self._note(breaking, rule, name in was, name in now, "properties", name)

    def _properties(self) -> None:
        was, now = self._old.get("properties", {}), self._new.get("properties", {})
        for name in was:
            if name not in now:
                self._note(True, "property removed", "there", ABSENT, "properties", name)
            else:
                self._compare_below(was[name], now[name], "properties", name)
        others = self._old.get("additionalProperties", True)
        for name in now:
            if name not in was:
                self._note(self._closed(), "property added", ABSENT, "there", "properties", name)
                if isinstance(others, dict):  # of any name: what was one of them has its own rules
                    self._compare_below(others, now[name], "properties", name)

    def _closed(self) -> bool:
        """Return whether a reader knows only the old schema, and refuses what it does not name."""
        reads_old = self._use.side is Side.RESPONSE or self._whole.both_ways
        return reads_old and self._old.get("additionalProperties", True) is not True

    def _additional(self) -> None:
        was = self._old.get("additionalProperties", True)
        now = self._new.get("additionalProperties", True)
        if isinstance(was, dict) and isinstance(now, dict):
            self._compare_below(was, now, "additionalProperties")
        elif was != now:
            breaking = self._whole.breaks(self._use, _more_closed, was, now)
            self._note(breaking, "additionalProperties changed", was, now, "additionalProperties")

    def _below(self, keyword: str) -> None:
        was, now = self._old.get(keyword), self._new.get(keyword)
        if was is not None and now is not None:
            self._compare_below(was, now, keyword)
        elif was != now:
            breaking = self._whole.breaks(self._use, _other, was, now)
            self._note(breaking, f"{keyword} changed", was or ABSENT, now or ABSENT, keyword)

    def _alternatives(self, keyword: str) -> None:
        was: Sequence[Json] = self._old.get(keyword, ())
        now: Sequence[Json] = self._new.get(keyword, ())
        if len(was) != len(now):
            self._note(True, f"{keyword} changed", len(was), len(now), keyword)
            return
        for index, (one, other) in enumerate(zip(was, now, strict=True)):
            self._compare_below(one, other, keyword, str(index))

    def _compare_below(self, old: Json, new: Json, *names: str) -> None:
        self._whole.compare(
            old, below(self._old_place, *names), new, below(self._new_place, *names), self._use
        )

    def _rest(self) -> None:
        """A keyword that no rule knows may mean anything, so its change counts as breaking."""
        known = {"type", "format", "enum", "default", "required", *_NARROWER, *_STEPS} - {"not"}
        for keyword in sorted({*self._old, *self._new} - known):
            was, now = self._old.get(keyword, ABSENT), self._new.get(keyword, ABSENT)
            if was != now and not is_words(keyword):
                self._note(True, f"{keyword} changed", was, now, keyword)


def _stated(value: Json) -> Json:
    """Return a keyword's value; what is off is as if it was not there."""
    return None if value is False else value


def _more_closed(written: Json, read: Json) -> bool:
    """Return whether a reader refuses, or reads otherwise, properties that a writer may add."""
    return read is not True and written != read and written is not False

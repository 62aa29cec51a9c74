"""Compares two versions of a contract: operations, parameters, bodies, answers and security."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tools.compatibility.changes import ABSENT, Change, Changes, Json, Level, Side, Use
from tools.compatibility.documents import (
    METHODS,
    OPTIONAL,
    below,
    is_words,
    on_the_wire,
    resolve,
)
from tools.compatibility.schemas import SchemaComparison

_DEFAULT_EXPLODE: Mapping[str, bool] = {"form": True, "cookie": True}
_STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}


def compare(old: Json, new: Json, *, both_ways: bool) -> list[Change]:
    """Return what differs between two bundled documents, the most serious first.

    both_ways says that servers of the contract may be as old as its clients: then neither a new
    client nor an old one may meet a server that does not understand it.
    """
    changes = Changes()
    _Comparison(old, new, changes, both_ways=both_ways).compare()
    found = list(changes)
    if found:
        return found
    if on_the_wire(old) != on_the_wire(new):
        # No rule saw it, such as a schema that got another name: code that is generated differs.
        changes.note(Level.ADDITION, "arrangement changed", "#", "as released", "otherwise")
    elif _without_version(old) != _without_version(new):
        changes.note(Level.WORDS, "words changed", "#", "as released", "otherwise")
    return list(changes)


def _without_version(document: Json) -> Json:
    info = {key: value for key, value in document["info"].items() if key != "version"}
    return {**document, "info": info}


class _Comparison:
    def __init__(self, old: Json, new: Json, changes: Changes, *, both_ways: bool) -> None:
        self._old = old
        self._new = new
        self._changes = changes
        self._schemas = SchemaComparison(old, new, changes, both_ways=both_ways)

    def compare(self) -> None:
        was = [server["url"] for server in self._old.get("servers", ())]
        now = [server["url"] for server in self._new.get("servers", ())]
        if was != now:
            self._changes.note(Level.BREAKING, "base path changed", "#/servers", was, now)
        old_operations = dict(_operations(self._old))
        new_operations = dict(_operations(self._new))
        for key, old in old_operations.items():
            if key in new_operations:
                _OneOperation(self, key, old, new_operations[key]).compare()
            else:
                self._changes.note(
                    Level.BREAKING, "operation removed", _place(key), "there", ABSENT, _use(key)
                )
        for key in new_operations:
            if key not in old_operations:
                self._changes.note(
                    Level.ADDITION, "operation added", _place(key), ABSENT, "there", _use(key)
                )

    @property
    def old(self) -> Json:
        """The released document."""
        return self._old

    @property
    def new(self) -> Json:
        """The present document."""
        return self._new

    @property
    def schemas(self) -> SchemaComparison:
        """Compares their schemas."""
        return self._schemas

    @property
    def changes(self) -> Changes:
        """Where changes are noted."""
        return self._changes


Key = tuple[str, str]
"""The path and the method of an operation."""


def _operations(document: Json) -> Iterator[tuple[Key, Json]]:
    """Yield each operation, with the parameters that its path gives it."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                shared = item.get("parameters", [])
                own = item[method].get("parameters", [])
                yield (path, method), {**item[method], "parameters": [*shared, *own]}


def _place(key: Key) -> str:
    return below("#/paths", *key)


def _use(key: Key, side: Side | None = None) -> Use:
    path, method = key
    return Use(f"{method.upper()} {path}", side)


class _OneOperation:
    """The comparison of one operation with itself in the other document."""

    _KNOWN = frozenset(
        {"operationId", "parameters", "requestBody", "responses", "security", OPTIONAL}
    )

    def __init__(self, whole: _Comparison, key: Key, old: Json, new: Json) -> None:
        self._whole = whole
        self._key = key
        self._place = _place(key)
        self._old = old
        self._new = new

    def compare(self) -> None:
        was, now = self._old.get("operationId", ABSENT), self._new.get("operationId", ABSENT)
        if was != now:
            # Nothing of it is on the wire, but every generated client and handler is named by it.
            self._note(Level.BREAKING, "operationId changed", self._place, was, now)
        self._optional()
        self._security()
        self._parameters()
        self._body()
        self._responses()
        self._rest(self._old, self._new, self._KNOWN, self._place)

    def _note(
        self, level: Level, rule: str, place: str, was: Json, now: Json, side: Side | None = None
    ) -> None:
        self._whole.changes.note(level, rule, place, was, now, _use(self._key, side))

    def _optional(self) -> None:
        was, now = bool(self._old.get(OPTIONAL)), bool(self._new.get(OPTIONAL))
        if was != now:
            level = Level.BREAKING if now else Level.ADDITION
            self._note(level, f"{OPTIONAL} changed", below(self._place, OPTIONAL), was, now)

    def _security(self) -> None:
        was = _security(self._whole.old, self._old)
        now = _security(self._whole.new, self._new)
        place = below(self._place, "security")
        if was - now:
            # Even where less is asked for: what a credential kept out comes in then.
            self._note(Level.BREAKING, "security changed", place, _readable(was), _readable(now))
        elif was != now:
            self._note(Level.ADDITION, "security added", place, _readable(was), _readable(now))
        for scheme in {name for alternative in was & now for name, _ in alternative}:
            where = below("#/components/securitySchemes", scheme)
            schemes = [
                on_the_wire(document["components"]["securitySchemes"][scheme])
                for document in (self._whole.old, self._whole.new)
            ]
            _without_scopes = [_drop_scopes(one) for one in schemes]
            if _without_scopes[0] != _without_scopes[1]:
                self._note(Level.BREAKING, "security scheme changed", where, *schemes)

    def _parameters(self) -> None:
        was = self._named_parameters(self._whole.old, self._old)
        now = self._named_parameters(self._whole.new, self._new)
        for name, (old, place) in was.items():
            if name not in now:
                self._note(
                    Level.BREAKING, "parameter removed", place, " ".join(name), ABSENT, Side.REQUEST
                )
                continue
            new, new_place = now[name]
            self._now_required(old, new, "parameter", new_place)
            for keyword, change in _spellings(old, new):
                self._note(
                    Level.BREAKING,
                    f"{keyword} of parameter changed",
                    below(new_place, keyword),
                    *change,
                    Side.REQUEST,
                )
            self._schema(old, place, new, new_place, Side.REQUEST)
        for name, (new, place) in now.items():
            if name not in was:
                required = new.get("required", False)
                level = Level.BREAKING if required else Level.ADDITION
                rule = "required parameter added" if required else "parameter added"
                self._note(level, rule, place, ABSENT, " ".join(name), Side.REQUEST)

    def _named_parameters(
        self, document: Json, operation: Json
    ) -> dict[tuple[str, str], tuple[Json, str]]:
        named = {}
        for index, node in enumerate(operation["parameters"]):
            found, place = resolve(document, node, below(self._place, "parameters", index))
            name = found["name"].lower() if found["in"] == "header" else found["name"]
            named[found["in"], name] = found, place
        return named

    def _now_required(self, old: Json, new: Json, what: str, place: str) -> None:
        def refuses(written: Json, read: Json) -> bool:
            return bool(read) and not written

        was, now = old.get("required", False), new.get("required", False)
        if was != now:
            use = _use(self._key, Side.REQUEST)
            breaking = self._whole.schemas.breaks(use, refuses, was, now)
            rule = f"{what} became {'required' if now else 'optional'}"
            level = Level.BREAKING if breaking else Level.ADDITION
            self._note(level, rule, below(place, "required"), was, now, Side.REQUEST)

    def _body(self) -> None:
        place = below(self._place, "requestBody")
        was, now = self._old.get("requestBody"), self._new.get("requestBody")
        if was is None and now is None:
            return
        if was is None:
            new, _ = resolve(self._whole.new, now, place)
            level = Level.BREAKING if new.get("required") else Level.ADDITION
            self._note(level, "body added", place, ABSENT, "there", Side.REQUEST)
            return
        if now is None:
            self._note(Level.BREAKING, "body removed", place, "there", ABSENT, Side.REQUEST)
            return
        old, old_place = resolve(self._whole.old, was, place)
        new, new_place = resolve(self._whole.new, now, place)
        self._now_required(old, new, "body", new_place)
        self._content(old, old_place, new, new_place, Side.REQUEST)

    def _responses(self) -> None:
        was, now = self._old["responses"], self._new["responses"]
        for status, node in was.items():
            place = below(self._place, "responses", status)
            if status not in now:
                self._note(Level.BREAKING, "status removed", place, status, ABSENT, Side.RESPONSE)
                continue
            old, old_place = resolve(self._whole.old, node, place)
            new, new_place = resolve(self._whole.new, now[status], place)
            self._headers(old, old_place, new, new_place)
            self._content(old, old_place, new, new_place, Side.RESPONSE)
            known = frozenset({"headers", "content"})
            self._rest(old, new, known, new_place)
        for status in now:
            if status not in was:
                # A client knows by the class of a failure what to do; of a success it does not.
                level = Level.ADDITION if status[0] in "45" else Level.BREAKING
                place = below(self._place, "responses", status)
                self._note(level, "status added", place, ABSENT, status, Side.RESPONSE)

    def _headers(self, old: Json, old_place: str, new: Json, new_place: str) -> None:
        was = {name.lower(): (name, node) for name, node in old.get("headers", {}).items()}
        now = {name.lower(): (name, node) for name, node in new.get("headers", {}).items()}
        for key, (name, node) in was.items():
            place = below(old_place, "headers", name)
            if key not in now:
                self._note(Level.BREAKING, "header removed", place, "there", ABSENT, Side.RESPONSE)
                continue
            new_name, new_node = now[key]
            one, one_place = resolve(self._whole.old, node, place)
            other, other_place = resolve(
                self._whole.new, new_node, below(new_place, "headers", new_name)
            )
            if one.get("required", False) and not other.get("required", False):
                self._note(
                    Level.BREAKING,
                    "header became optional",
                    below(other_place, "required"),
                    True,
                    False,
                    Side.RESPONSE,
                )
            self._schema(one, one_place, other, other_place, Side.RESPONSE)
        for key, (name, _) in now.items():
            if key not in was:
                place = below(new_place, "headers", name)
                self._note(Level.ADDITION, "header added", place, ABSENT, "there", Side.RESPONSE)

    def _content(self, old: Json, old_place: str, new: Json, new_place: str, side: Side) -> None:
        was, now = old.get("content", {}), new.get("content", {})
        for media_type, node in was.items():
            place = below(old_place, "content", media_type)
            if media_type not in now:
                self._note(Level.BREAKING, "media type removed", place, media_type, ABSENT, side)
                continue
            where = below(new_place, "content", media_type)
            self._schema(node, place, now[media_type], where, side)
            self._rest(node, now[media_type], frozenset({"schema"}), where)
        for media_type in now:
            if media_type not in was:
                # Who calls chooses it, or names in Accept what can be read.
                place = below(new_place, "content", media_type)
                self._note(Level.ADDITION, "media type added", place, ABSENT, media_type, side)

    def _schema(self, old: Json, old_place: str, new: Json, new_place: str, side: Side) -> None:
        self._whole.schemas.compare(
            old.get("schema", {}),
            below(old_place, "schema"),
            new.get("schema", {}),
            below(new_place, "schema"),
            _use(self._key, side),
        )

    def _rest(self, old: Json, new: Json, known: frozenset[str], place: str) -> None:
        """What no rule knows may mean anything, so its change counts as breaking."""
        for keyword in sorted({*old, *new} - known):
            was, now = old.get(keyword, ABSENT), new.get(keyword, ABSENT)
            if was != now and not is_words(keyword):
                self._note(Level.BREAKING, f"{keyword} changed", below(place, keyword), was, now)


Alternative = frozenset[tuple[str, frozenset[str]]]
"""A way to be let in: schemes, each with its scopes; empty where anybody is."""


def _security(document: Json, operation: Json) -> frozenset[Alternative]:
    stated = operation.get("security", document.get("security", []))
    if not stated:
        return frozenset({frozenset()})
    return frozenset(
        frozenset((scheme, frozenset(scopes)) for scheme, scopes in one.items()) for one in stated
    )


def _readable(alternatives: frozenset[Alternative]) -> list[str]:
    def one(alternative: Alternative) -> str:
        named = (
            f"{scheme} {sorted(scopes)}" if scopes else scheme for scheme, scopes in alternative
        )
        return " and ".join(sorted(named)) or "nothing"

    return sorted(map(one, alternatives))


def _drop_scopes(node: Any) -> Any:
    """Return a security scheme without the names of its scopes: operations name what they need."""
    if not isinstance(node, dict):
        return node
    return {key: _drop_scopes(value) for key, value in node.items() if key != "scopes"}


def _spellings(old: Json, new: Json) -> Iterator[tuple[str, tuple[Json, Json]]]:
    """Yield what differs in how a parameter is written into the request."""

    def style(node: Json) -> str:
        return str(node.get("style", _STYLES[node["in"]]))

    readers: dict[str, Callable[[Json], Json]] = {
        "style": style,
        "explode": lambda node: node.get("explode", _DEFAULT_EXPLODE.get(style(node), False)),
        "allowReserved": lambda node: node.get("allowReserved", False),
        "allowEmptyValue": lambda node: node.get("allowEmptyValue", False),
        "content": lambda node: node.get("content"),
    }
    for keyword, read in readers.items():
        if read(old) != read(new):
            yield keyword, (read(old), read(new))

"""Random contracts: each is compatible with itself, and no value breaks what is called harmless."""

import copy
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tools.compatibility.changes import Changes, Level, Side, Use
from tools.compatibility.comparing import compare
from tools.compatibility.documents import METHODS
from tools.compatibility.schemas import SchemaComparison

Schema = dict[str, Any]

SMALL = st.integers(0, 3)
TEXTS = ["", "a", "b", "aa", "ab", "bbb"]
PATTERNS = ["^a", "b$", "^a*$"]


def some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    """Schemas with some of these keywords."""
    return st.fixed_dictionaries({}, optional=keywords)


def typed(kind: str, **keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    return some(**keywords).map(lambda schema: {"type": kind, **schema})


PLAIN = st.one_of(
    typed(
        "string",
        minLength=SMALL,
        maxLength=SMALL,
        pattern=st.sampled_from(PATTERNS),
        enum=st.lists(st.sampled_from(TEXTS), min_size=1, unique=True),
    ),
    typed(
        "integer",
        minimum=SMALL,
        maximum=SMALL,
        exclusiveMinimum=st.booleans(),
        exclusiveMaximum=st.booleans(),
        multipleOf=st.integers(1, 2),
    ),
    typed("boolean"),
)


def nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    names = st.sampled_from(["a", "b", "c"])
    return st.one_of(
        typed("array", items=inner, minItems=SMALL, maxItems=SMALL, uniqueItems=st.booleans()),
        typed(
            "object",
            properties=st.dictionaries(names, inner, max_size=3),
            required=st.lists(names, min_size=1, unique=True),
            additionalProperties=st.one_of(st.booleans(), inner),
            minProperties=SMALL,
            maxProperties=SMALL,
        ),
    )


SCHEMAS = st.recursive(PLAIN, nested, max_leaves=6)
VALUES = st.recursive(
    st.one_of(st.sampled_from(TEXTS), st.integers(-1, 4), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), inner, max_size=4),
    ),
    max_leaves=4,
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """Two schemas that differ a little: a keyword of one is that of another one of its type."""
    old = draw(SCHEMAS)
    other = draw(SCHEMAS)
    new = copy.deepcopy(old)
    place = new
    while place["type"] in ("array", "object") and draw(st.booleans()):
        inner = [place["items"]] if "items" in place else list(place.get("properties", {}).values())
        if not inner:
            break
        place = draw(st.sampled_from(inner))
    keywords = sorted({*place, *(other if other["type"] == place["type"] else ())} - {"type"})
    assume(keywords)
    keyword = draw(st.sampled_from(keywords))
    if keyword in other and other["type"] == place["type"]:
        place[keyword] = other[keyword]
    else:
        del place[keyword]
    assume(new != old)
    return old, new


def readable(schema: Any) -> Any:
    """Return the schema without what Draft 4 refuses: an exclusive limit that has no limit."""
    if not isinstance(schema, dict):
        return schema
    return {
        keyword: {name: readable(one) for name, one in value.items()}
        if keyword in ("properties", "patternProperties")
        else readable(value)
        for keyword, value in schema.items()
        if not keyword.startswith("exclusive") or keyword[9:].lower() in schema
    }


def as_written(schema: Schema) -> Schema:
    """Return the schema for a writer who adds nothing under the names that contracts give.

    It may add "d", where the schema is open: no contract here has that name.
    """
    made = dict(schema)
    if "items" in made:
        made["items"] = as_written(made["items"])
    if made["type"] == "object":
        named = made.get("properties", {})
        made["properties"] = {name: as_written(one) for name, one in named.items()}
        others = made.get("additionalProperties", True)
        if others is True:
            made |= {"additionalProperties": False, "patternProperties": {"^d$": {}}}
        elif others is not False:
            made["additionalProperties"] = as_written(others)
    return made


def values_of(schema: Schema) -> jsonschema_rs.Draft4Validator:
    """Return what tells the values of a schema: OpenAPI 3.0 follows Draft 4."""
    return jsonschema_rs.Draft4Validator(readable(schema))


def breaks(old: Schema, new: Schema, side: Side, *, both_ways: bool = False) -> bool:
    changes = Changes()
    comparison = SchemaComparison({}, {}, changes, both_ways=both_ways)
    comparison.compare(old, "#", new, "#", Use("GET /things", side))
    return any(change.level is Level.BREAKING for change in changes)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(pairs(), st.data())
@pytest.mark.parametrize("side", Side)
def test_what_is_called_harmless_refuses_nothing(
    side: Side, pair: tuple[Schema, Schema], data: st.DataObject
) -> None:
    old, new = pair
    written, read = (old, new) if side is Side.REQUEST else (new, old)
    assume(not breaks(old, new, side))
    may_write, can_read = values_of(as_written(written)), values_of(read)
    for value in data.draw(st.lists(VALUES, min_size=10, max_size=10)):
        assert can_read.is_valid(value) or not may_write.is_valid(value), value


@settings(max_examples=40, deadline=None)
@given(pairs())
@pytest.mark.parametrize("side", Side)
def test_old_servers_only_make_it_stricter(side: Side, pair: tuple[Schema, Schema]) -> None:
    if breaks(*pair, side):
        assert breaks(*pair, side, both_ways=True)


@settings(max_examples=40, deadline=None)
@given(SCHEMAS)
@pytest.mark.parametrize("side", Side)
def test_a_schema_is_compatible_with_itself(side: Side, schema: Schema) -> None:
    changes = Changes()
    comparison = SchemaComparison({}, {}, changes, both_ways=True)
    comparison.compare(schema, "#", copy.deepcopy(schema), "#", Use("GET /things", side))

    assert list(changes) == []


REFERENCES = st.sampled_from([{"$ref": f"#/components/schemas/{name}"} for name in "ABC"])
REFERRING = st.recursive(st.one_of(PLAIN, REFERENCES), nested, max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> Schema:
    """Contracts whose schemas refer to one another, in circles too."""

    def content() -> Schema:
        return {"content": {"application/json": {"schema": draw(REFERRING)}}}

    def operation(name: str) -> Schema:
        made: Schema = {"operationId": name, "responses": {"200": {"description": "", **content()}}}
        if draw(st.booleans()):
            made["requestBody"] = {"required": draw(st.booleans()), **content()}
        if draw(st.booleans()):
            made["parameters"] = [{"name": "q", "in": "query", "schema": draw(PLAIN)}]
        if draw(st.booleans()):
            made["security"] = draw(st.sampled_from([[], [{"key": []}], [{"key": ["a"]}]]))
        return made

    methods = draw(st.lists(st.sampled_from(METHODS), min_size=1, unique=True))
    objects = nested(REFERRING)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Random", "version": "1.0.0"},
        "servers": [{"url": "/v1"}],
        "security": [{"key": []}],
        "paths": {"/things": {method: operation(f"{method}_it") for method in methods}},
        "components": {
            "schemas": {name: draw(objects) for name in "ABC"},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        },
    }


@settings(max_examples=40, deadline=None)
@given(documents())
def test_a_contract_is_compatible_with_itself(document: Schema) -> None:
    assert compare(document, copy.deepcopy(document), both_ways=True) == []


@settings(max_examples=20, deadline=None)
@given(documents())
def test_other_words_are_no_change_of_the_wire(document: Schema) -> None:
    said = copy.deepcopy(document)
    for operation in said["paths"]["/things"].values():
        operation["description"] = operation["summary"] = "Otherwise."
    for schema in said["components"]["schemas"].values():
        schema |= {"description": "Otherwise.", "example": {}, "x-colour": "green"}

    assert [one.level for one in compare(document, said, both_ways=True)] == [Level.WORDS]


def test_a_change_deep_in_a_circle_is_found_once() -> None:
    def document(kind: str) -> Schema:
        node = {
            "type": "object",
            "properties": {
                "next": {"$ref": "#/components/schemas/Node"},
                "all": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
                "value": {"type": kind},
            },
        }
        reference = {"$ref": "#/components/schemas/Node"}
        answer = {"description": "", "content": {"application/json": {"schema": reference}}}
        operation = {"operationId": "read", "responses": {"200": answer}}
        return {
            "info": {"version": "1.0.0"},
            "paths": {"/nodes": {"get": operation}},
            "components": {"schemas": {"Node": node}},
        }

    (found,) = compare(document("string"), document("integer"), both_ways=False)
    assert (found.rule, found.place) == (
        "type changed",
        "#/components/schemas/Node/properties/value/type",
    )

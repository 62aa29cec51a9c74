"""What an OpenAPI document says, as a page shows it."""

from typing import Any

from marketplace.website.catalogue.reference import reference_of
from marketplace.website.catalogue.schemas import Row, Schemas


def document(schemas: dict[str, Any], paths: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "1"},
        "paths": paths or {},
        "components": {"schemas": schemas},
    }


def kinds(schema: dict[str, Any], **named: dict[str, Any]) -> list[tuple[int, str, str, bool]]:
    rows = Schemas(document(named)).rows(schema)
    return [(row.depth, row.name, row.kind, row.required) for row in rows]


def test_a_schema_is_rows_with_what_is_within_it_deeper() -> None:
    schema = {
        "required": ["at"],
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "meter": {"type": "object", "properties": {"serial": {"type": "string"}}},
            "values": {"type": "array", "items": {"$ref": "#/components/schemas/Value"}},
            "quality": {"type": "string", "enum": ["A", "B"]},
            "maybe": {"oneOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    assert kinds(schema, Value={"type": "number"}) == [
        (0, "at", "string, date-time", True),
        (0, "meter", "object", False),
        (1, "serial", "string", False),
        (0, "values", "array of Value", False),
        (0, "quality", "string: A, B", False),
        (0, "maybe", "string | null", False),
    ]


def test_parts_of_a_whole_are_told_together() -> None:
    schema = {"allOf": [{"$ref": "#/components/schemas/A"}, {"properties": {"b": {}}}]}
    found = kinds(schema, A={"type": "object"})
    assert (0, "b", "", False) in found
    assert found[0][2].startswith("A")


def test_what_refers_to_itself_ends() -> None:
    loop = {"properties": {"next": {"$ref": "#/components/schemas/Loop"}}}
    assert kinds({"$ref": "#/components/schemas/Loop"}, Loop=loop) == [
        (0, "", "Loop", False),
        (0, "next", "Loop", False),
    ]
    assert kinds({"$ref": "#/components/schemas/A"}, A={"$ref": "#/components/schemas/A"})
    held = document({})
    held["paths"]["/a"] = {"properties": {"again": {"$ref": "#/paths/~1a"}}}
    assert len(Schemas(held).rows({"$ref": "#/paths/~1a"})) < 20


def test_a_page_has_so_many_rows_and_says_that_there_are_more() -> None:
    wide = {"properties": {f"p{number}": {"type": "string"} for number in range(1_000)}}
    many = document({f"S{number}": wide for number in range(50)})
    found = reference_of(many)
    assert found.schemas[0].rows[-1] == Row(0, "…", "", required=False, description="")
    assert sum(len(one.rows) for one in found.schemas) < 6_000
    assert found.more
    assert not reference_of(document({"One": {"type": "string"}})).more


def test_choices_within_choices_are_worked_out_once() -> None:
    asked: list[object] = []

    class Part(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.append(key)
            return super().get(key, default)

    def choice(depth: int) -> dict[str, Any]:
        return Part(oneOf=[{"$ref": f"#/components/x/d{depth + 1}"}] * 12)

    held = document({})
    held["components"]["x"] = {f"d{depth}": choice(depth) for depth in range(9)}
    wide = {"properties": {f"p{number}": choice(0) for number in range(100)}}
    assert Schemas(held).rows(wide)[0].kind
    assert len(asked) < 5_000


def test_what_is_referred_to_many_times_does_not_make_a_page_of_any_length() -> None:
    answer = {"description": "x" * 100_000, "content": {f"a/{n}": {} for n in range(100)}}
    held = document({})
    held["components"]["pathItems"] = {
        "All": {
            "get": {"description": "y" * 100_000, "responses": {str(n): answer for n in range(100)}}
        }
    }
    held["paths"] = {f"/{n}": {"$ref": "#/components/pathItems/All"} for n in range(500)}
    found = reference_of(held)
    assert found.more
    assert len(repr(found)) < 3_000_000


def test_operations_are_grouped_with_all_their_parameters() -> None:
    path = {
        "parameters": [{"name": "pod", "in": "path", "required": True, "schema": {}}],
        "get": {
            "tags": ["meters"],
            "parameters": [{"$ref": "#/components/parameters/From"}],
            "responses": {"200": {"description": "Fine."}},
        },
        "delete": {"responses": {"204": {"description": "Gone."}}, "deprecated": True},
    }
    held = document({}, {"/pods/{pod}": path})
    held["components"]["parameters"] = {"From": {"name": "from", "in": "query"}}
    groups = reference_of(held).groups
    assert [(one.title, [each.method for each in one.operations]) for one in groups] == [
        ("meters", ["GET"]),
        ("", ["DELETE"]),
    ]
    assert [one.name for one in groups[0].operations[0].parameters] == ["pod", "from"]
    assert groups[1].operations[0].deprecated


def test_what_is_none_of_what_it_should_be_is_left_out() -> None:
    strange: dict[str, Any] = document({"A": True, "B": {"properties": [1], "items": "x"}})
    strange |= {"servers": "here", "tags": {"name": "x"}, "info": {"title": ["T"]}}
    strange["paths"] = {"/a": {"get": {"parameters": "none", "responses": [], "tags": {}}}}
    assert reference_of(strange).groups[0].operations[0].path == "/a"

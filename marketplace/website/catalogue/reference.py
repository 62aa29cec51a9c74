"""What an OpenAPI document says, made ready for a page.

The document is another company's text: whatever is in it ends up as text. Nothing is looked up
outside of it, and what refers to itself is named and not followed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from marketplace.website.catalogue.schemas import LONGEST, Row, Schemas, is_mapping, text_of

MOST_OPERATIONS = 300
MOST_SCHEMAS = 300
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_NO_TAG = ""
_LONGEST_OF_ALL = 20_000


@dataclass(frozen=True)
class Body:
    """What is sent in a format."""

    media_type: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Parameter:
    """A parameter: its name, where it stands, its type in words, and whether it is needed."""

    name: str
    place: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Answer:
    """An answer: its status, what it means, and what it holds."""

    status: str
    description: str
    bodies: Sequence[Body]


@dataclass(frozen=True)
class Operation:
    """Something that can be called."""

    method: str
    path: str
    summary: str
    description: str
    deprecated: bool
    parameters: Sequence[Parameter]
    bodies: Sequence[Body]
    answers: Sequence[Answer]


@dataclass(frozen=True)
class Group:
    """Operations that belong together; the title is empty where the document gives none."""

    title: str
    description: str
    operations: Sequence[Operation]


@dataclass(frozen=True)
class Named:
    """A schema with a name."""

    name: str
    rows: Sequence[Row]
    description: str


@dataclass(frozen=True)
class Reference:
    """A document, ready to be shown; more says that some of it was too much for a page."""

    title: str
    version: str
    description: str
    servers: Sequence[str]
    groups: Sequence[Group]
    schemas: Sequence[Named]
    more: bool


def reference_of(document: Mapping[str, Any]) -> Reference:
    """Return what a valid document of OpenAPI 3 says."""
    schemas = Schemas(document)
    operations = list(islice(_operations(document, schemas), MOST_OPERATIONS + 1))
    named = _mapping(_mapping(document, "components"), "schemas")
    about = _mapping(document, "info")
    return Reference(
        title=text_of(about.get("title")),
        version=text_of(about.get("version")),
        description=text_of(about.get("description"), _LONGEST_OF_ALL),
        servers=[text_of(one.get("url")) for one in schemas.taken(_list(document, "servers"))],
        groups=_grouped(operations[:MOST_OPERATIONS], document),
        schemas=[
            Named(
                name, schemas.rows(one), text_of(schemas.followed(one).get("description"), LONGEST)
            )
            for name, one in list(named.items())[:MOST_SCHEMAS]
        ],
        more=len(operations) > MOST_OPERATIONS or len(named) > MOST_SCHEMAS or schemas.exhausted,
    )


def _grouped(
    operations: Sequence[tuple[str, Operation]], document: Mapping[str, Any]
) -> list[Group]:
    told = {
        text_of(one.get("name")): text_of(one.get("description"), LONGEST)
        for one in _list(document, "tags")
    }
    order = [*told, *dict.fromkeys(tag for tag, _ in operations)]
    return [
        Group(tag, told.get(tag, ""), [one for own, one in operations if own == tag])
        for tag in dict.fromkeys(order)
        if any(own == tag for own, _ in operations)
    ]


def _operations(document: Mapping[str, Any], schemas: Schemas) -> Iterator[tuple[str, Operation]]:
    for path, item in _mapping(document, "paths").items():
        item = schemas.followed(item)
        for method in _METHODS:
            held = item.get(method)
            if is_mapping(held):
                tags = held.get("tags")
                tag = text_of(tags[0]) if isinstance(tags, list) and tags else _NO_TAG
                yield tag, _operation(method, path, item, held, schemas)


def _operation(
    method: str, path: str, item: Mapping[str, Any], held: Mapping[str, Any], schemas: Schemas
) -> Operation:
    given = [
        schemas.followed(one) for one in (*_list(item, "parameters"), *_list(held, "parameters"))
    ]
    parameters = {(one.get("name"), one.get("in")): one for one in given}
    body = schemas.followed(held.get("requestBody"))
    return Operation(
        method=method.upper(),
        path=text_of(path),
        summary=text_of(held.get("summary")),
        description=text_of(held.get("description"), LONGEST),
        deprecated=held.get("deprecated") is True,
        parameters=[_parameter(one, schemas) for one in schemas.taken(parameters.values())],
        bodies=_bodies(body, schemas),
        answers=[
            _answer(status, schemas.followed(one), schemas)
            for status, one in schemas.taken(_mapping(held, "responses").items())
        ],
    )


def _parameter(held: Mapping[str, Any], schemas: Schemas) -> Parameter:
    return Parameter(
        name=text_of(held.get("name")),
        place=text_of(held.get("in")),
        kind=schemas.kind(held.get("schema")),
        required=held.get("required") is True,
        description=text_of(held.get("description"), LONGEST),
    )


def _answer(status: str, held: Mapping[str, Any], schemas: Schemas) -> Answer:
    return Answer(
        text_of(status), text_of(held.get("description"), LONGEST), _bodies(held, schemas)
    )


def _bodies(held: Mapping[str, Any], schemas: Schemas) -> list[Body]:
    return [
        Body(text_of(media_type), schemas.rows(one.get("schema")))
        for media_type, one in schemas.taken(_mapping(held, "content").items())
        if is_mapping(one)
    ]


def _mapping(held: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = held.get(name)
    return found if is_mapping(found) else {}


def _list(held: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = held.get(name)
    return [one for one in found if is_mapping(one)] if isinstance(found, list) else []

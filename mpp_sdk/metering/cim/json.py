"""Market documents in JSON."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import NoReturn

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.cim.documents import MarketDocument
from mpp_sdk.metering.cim.names import LISTED, WRAPPED
from mpp_sdk.metering.cim.reading import read_document
from mpp_sdk.metering.cim.tree import Node, decode
from mpp_sdk.metering.cim.writing import Group, Leaf, write_document
from mpp_sdk.metering.model import plain

_MAX_DEPTH = 12
_VALUE_KEYS = frozenset({"value", "codingScheme"})


def parse_json(data: bytes) -> MarketDocument:
    """Return the market document that is written as JSON, in UTF-8.

    Raises InvalidInput, with a pointer to the place, for anything that is not such a document, and
    for duplicate keys, NaN and nesting that no market document has.
    """
    text = decode(data)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=Decimal,
        )
    except RecursionError as error:
        raise InvalidInput.field("", "depth", "The document is nested too deeply.") from error
    except (ValueError, ArithmeticError) as error:
        raise InvalidInput.field("", "json", f"The document is not JSON: {error}.") from error
    if not isinstance(value, dict) or len(value) != 1:
        raise InvalidInput.field("", "type", "The document must be an object with one member.")
    ((name, content),) = value.items()
    node = Node(name)
    _fill(node, content, 0)
    return read_document(node)


def iter_json(document: MarketDocument) -> Iterator[str]:
    """Yield the document as JSON, piece by piece; the points are not held in memory as text."""
    root = write_document(document)
    yield f'{{"{root.name}":'
    yield from _write_group(root)
    yield "}\n"


def to_json(document: MarketDocument) -> bytes:
    """Return the document as JSON in UTF-8."""
    return "".join(iter_json(document)).encode()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput.field(
            "", "duplicateKey", f"The key {twice!r} occurs twice in an object."
        )
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput.field("", "number", f"{name} is not a number.")


def _fill(node: Node, value: object, depth: int) -> None:
    if depth > _MAX_DEPTH:
        node.fail("depth", "The document is nested too deeply.")
    if isinstance(value, bool) or not isinstance(value, (dict, str, int, Decimal)):
        node.fail("type", "It must be an object, a text or a number.")
    if not isinstance(value, dict):
        node.value = value
    elif value.keys() <= _VALUE_KEYS and "value" in value:
        scheme = value.get("codingScheme")
        if scheme is not None and not isinstance(scheme, str):
            node.fail("type", "A coding scheme is a text.")
        node.scheme = scheme
        if isinstance(value["value"], dict):
            node.fail("type", "The value must be a text or a number.")
        _fill(node, value["value"], depth + 1)
    else:
        node.children = {}
        for name, content in value.items():
            label = name.replace("~", "~0").replace("/", "~1")
            if isinstance(content, list):
                for index, item in enumerate(content):
                    below = Node(f"{label}/{index}", node)
                    _fill(below, item, depth + 1)
                    node.add(name, below)
            else:
                below = Node(label, node)
                _fill(below, content, depth + 1)
                node.add(name, below)


def _write_group(group: Group) -> Iterator[str]:
    yield "{"
    separator = ""
    # Fields of one name stand together in every document, so an array can be written as it comes.
    for name, fields in groupby(group.fields, key=lambda field: field.name):
        yield f'{separator}"{name}":'
        yield from _write_list(name, fields)
        separator = ","
    yield "}"


def _write_list(name: str, fields: Iterator[Leaf | Group]) -> Iterator[str]:
    first = next(fields)
    second = None if name in LISTED else next(fields, None)
    if second is None and name not in LISTED:
        yield from _write_field(first)
        return
    yield "["
    yield from _write_field(first)
    if second is not None:
        yield ","
        yield from _write_field(second)
    for field in fields:
        yield ","
        yield from _write_field(field)
    yield "]"


def _write_field(field: Leaf | Group) -> Iterator[str]:
    if isinstance(field, Group):
        yield from _write_group(field)
        return
    name, value, scheme = field
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else plain(value)
    if scheme is not None:
        yield f'{{"codingScheme":{json.dumps(scheme, ensure_ascii=False)},"value":{text}}}'
    elif name in WRAPPED:
        yield f'{{"value":{text}}}'
    else:
        yield text

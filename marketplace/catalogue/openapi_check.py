"""Reads and checks an OpenAPI document that a provider has written: `python -m` this, as a child.

What it reads may be made to take for ever (aliases, references, patterns), so it runs in a process
of its own with limits, started by `marketplace.catalogue.api_documents`. It reads the text from its
input and writes one JSON object: either `document`, `title` and `openapi`, or `detail`.
"""

import json
import re
import resource
import sys
from collections.abc import Iterator
from typing import Any

import yaml
from jsonschema_path.paths import SchemaPath
from openapi_spec_validator import (
    OpenAPIV30SpecValidator,
    OpenAPIV31SpecValidator,
)

from mpp_sdk.errors import InvalidInput
from mpp_sdk.web.strict_json import read_json

MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_DOCUMENT_CHARACTERS = 2_000_000
_MEMORY_BYTES = 1024**3
_CPU_SECONDS = 15
_TITLE_LENGTH = 200
_MAX_DETAIL = 300
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BASES = ("$id", "$schema", "jsonSchemaDialect")  # what they name would be looked up
_VALIDATORS = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}
_VERSION = re.compile(r"3\.[01]\.[0-9]{1,3}", re.ASCII)


class NotUsableError(Exception):
    """The document cannot be taken; the message says where and why."""


class _Loader(yaml.SafeLoader):
    """Reads YAML as JSON means it: a date stays a text."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def check(text: str) -> dict[str, str]:
    """Return the document as JSON, how it is written, its title and its version.

    Raises NotUsableError.
    """
    written_as, document = _read(text)
    if not isinstance(document, dict):
        raise NotUsableError("It is no OpenAPI document: at its top there is no object.")
    version = document.get("openapi")
    if not isinstance(version, str) or _VERSION.fullmatch(version) is None:
        raise NotUsableError("At /openapi: it must say 3.0.x or 3.1.x.")
    for place, found in _walk(document, ""):
        _refuse_lookups(place, found)
    _validate(_VALIDATORS[version[:3]], document)
    written = _json_of(document)
    if len(written) > MAX_DOCUMENT_CHARACTERS:
        raise NotUsableError(f"Its aliases make it longer than {MAX_DOCUMENT_CHARACTERS:,}.")
    title = str(document["info"]["title"]).replace("\x00", "")[:_TITLE_LENGTH]
    return {"document": written, "format": written_as, "title": title, "openapi": version}


def _json_of(document: object) -> str:
    try:
        written = json.dumps(document, ensure_ascii=False, allow_nan=False)
        written.encode()
    except (TypeError, ValueError) as error:
        raise NotUsableError(f"It has a value that JSON has not: {error}"[:_MAX_DETAIL]) from error
    return written


def _read(text: str) -> tuple[str, Any]:
    """Return how a text is written, and what it says."""
    if text.lstrip().startswith("{"):
        try:
            return "JSON", read_json(text.encode())
        except InvalidInput as error:
            if error.errors[0].rule != "json":  # else it may be YAML all the same
                raise NotUsableError(error.detail) from error
    return "YAML", _read_yaml(text)


def _read_yaml(text: str) -> Any:
    try:
        _bound(text)
        node = _Loader(text).get_single_node()
        return None if node is None else _value(_Loader(""), node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise NotUsableError(f"It is not YAML: {error.problem or error.context}{where}.") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise NotUsableError(f"It is not YAML: {error}"[:_MAX_DETAIL]) from error


def _bound(text: str) -> None:
    """Raise NotUsableError unless a text's nesting, aliases included, is such that it can be read.

    It goes by the events, one after another, and holds for each anchor how much it stands for.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    size = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise NotUsableError(
                    f"The alias {str(event.anchor)[:60]} refers to itself or to nothing."
                )
            size += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, size))
            if event.anchor is not None:
                sizes.pop(event.anchor, None)
            size += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = size - before
        elif isinstance(event, yaml.ScalarEvent):
            size += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        if len(open_nodes) > MAX_DEPTH:
            raise NotUsableError(f"It is nested deeper than {MAX_DEPTH}.")
        if size > MAX_NODES:
            raise NotUsableError(f"It has more than {MAX_NODES:,} values, aliases counted.")


def _value(loader: _Loader, node: yaml.Node) -> Any:
    """Return what a node says; keys are texts, as in JSON (the 200 of a response, too)."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, one) for one in node.value]
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        value: dict[str, Any] = {}
        for key, one in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise NotUsableError(f"Line {key.start_mark.line + 1}: a key must be a text.")
            if key.value in value:
                line = key.start_mark.line + 1
                raise NotUsableError(f"Line {line}: {key.value[:60]!r} is there twice.")
            value[key.value] = _value(loader, one)
        return value
    return loader.construct_object(node)


def _walk(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield place, value
        for key, one in value.items():
            escaped = key.replace("~", "~0").replace("/", "~1")
            yield from _walk(one, f"{place}/{escaped}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _walk(one, f"{place}/{number}")


def _refuse_lookups(place: str, found: dict[str, Any]) -> None:
    for name in _REFERENCES:
        target = found.get(name)
        if isinstance(target, str) and not target.startswith("#"):
            raise NotUsableError(
                f"At {place}/{name}: {target[:100]!r} leads out of the document; put it in."
            )
    for name in _BASES:
        if isinstance(found.get(name), str):
            raise NotUsableError(f"At {place}/{name}: leave it out.")


def _validate(kind: type[Any], document: dict[str, Any]) -> None:
    # Not from_dict of the class itself: no handler may look anything up.
    path = SchemaPath.from_dict(document, handlers={})
    try:
        error = next(iter(kind(path).iter_errors()), None)
    except RecursionError:
        raise NotUsableError("A schema refers to itself without an end.") from None
    except Exception as error:  # whatever the document does to the validator
        said = f"{type(error).__name__}: {error}"[:_MAX_DETAIL]
        raise NotUsableError(f"It is no valid OpenAPI document. {said}") from error
    if error is not None:
        raise NotUsableError(_said(error))


def _said(error: Any) -> str:
    # Of alternatives the one that comes nearest says the most.
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in error.absolute_path)
    place = "".join(f"/{part}" for part in parts)
    message = str(error.message).partition("\n")[0]
    return f"At {place or 'the top'}: {message}"[:_MAX_DETAIL]


def main() -> None:
    """Check what comes in, and say what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    try:
        result = check(sys.stdin.buffer.read().decode())
    except NotUsableError as error:
        result = {"detail": str(error)}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()

"""What the two generators need to know of each operation of a bundled contract."""

from dataclasses import dataclass

from mpp_sdk.web.contract import snake
from tools.contracts.bundle import BundleError, Json
from tools.contracts.models import is_scalar

METHODS = ("get", "put", "post", "delete", "patch")
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_FORMATS = {"uuid": "UUID", "date-time": "datetime", "date": "date"}
_CALL_HEADERS = ("idempotency-key", "if-match")


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation."""

    name: str
    argument: str
    place: str
    annotation: str
    required: bool
    default: Json
    description: str

    @property
    def declaration(self) -> str:
        """The parameter as Python declares it."""
        if self.required:
            return f"{self.argument}: {self.annotation}"
        if self.default is None:
            return f"{self.argument}: {self.annotation} | None = None"
        return f"{self.argument}: {self.annotation} = {self.default!r}"


@dataclass(frozen=True)
class Operation:
    """An operation as the generators see it. `result` is None when success has no body.

    `item` is the type of what a list gives in pages, None when it is no such list. `linked` says
    that the answers lead on by `Link`.
    """

    operation_id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    idempotency: bool
    precondition: bool
    body: str | None
    form: bool
    result: str | None
    raw: bool
    media_types: tuple[str, ...]
    answers_headers: bool
    answers_etag: bool
    item: str | None
    linked: bool

    @property
    def name(self) -> str:
        """The name of its method: the last part of its id."""
        return self.operation_id.rpartition(".")[2]

    @property
    def streams(self) -> bool:
        """Whether it answers with a stream of events."""
        return self.media_types == ("text/event-stream",)

    @property
    def iterator(self) -> str | None:
        """The name of the method that goes through all pages; None when there are none."""
        if self.item is None and not self.linked:
            return None
        return "iter_" + self.name.partition("_")[2]


def operations(document: dict[str, Json]) -> list[Operation]:
    """Return the operations in the order of the contract.

    Raises BundleError for an operation without id, with the id or the method name of another, or
    for a list in pages that cannot be read on.
    """
    found: list[Operation] = []
    names: set[str] = set()
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation = _operation(document, path, method, item)
            for name in filter(None, (operation.name, operation.iterator)):
                if name in names:
                    raise BundleError(f"Two operations are called {name}")
                names.add(name)
            found.append(operation)
    return found


def _operation(document: dict[str, Json], path: str, method: str, item: Json) -> Operation:
    node = item[method]
    if "operationId" not in node:
        raise BundleError(f"{method} {path} has no operationId")
    declared = [
        _resolve(document, p) for p in (*item.get("parameters", ()), *node.get("parameters", ()))
    ]
    headers = {p["name"].lower() for p in declared if p["in"] == "header"}
    parameters = [
        _parameter(document, p)
        for p in declared
        if not (p["in"] == "header" and _is_of_the_call(p["name"]))
    ]
    body, form = _body(document, node)
    success = _success(document, node)
    content: Json = success.get("content", {})
    answer_headers = {name.lower() for name in success.get("headers", {})}
    raw = bool(content) and list(content) != ["application/json"]
    result = None
    if content:
        result = "bytes" if raw else _annotation(document, content["application/json"]["schema"])
    return Operation(
        operation_id=node["operationId"],
        method=method.upper(),
        path=path,
        summary=node.get("summary", ""),
        description=node.get("description", ""),
        parameters=tuple(sorted(parameters, key=lambda p: not p.required)),
        idempotency="idempotency-key" in headers,
        precondition="if-match" in headers,
        body=body,
        form=form,
        result=result,
        raw=raw,
        media_types=tuple(content),
        answers_headers=bool(answer_headers),
        answers_etag="etag" in answer_headers,
        item=_item(document, node["operationId"], parameters, content),
        linked=raw and "link" in answer_headers,
    )


def _item(
    document: dict[str, Json], operation_id: str, parameters: list[Parameter], content: Json
) -> str | None:
    """Return the type of what a list in pages gives; None when the operation is none."""
    if not any(one.place == "query" and one.name == "cursor" for one in parameters):
        return None
    schema = _resolve(document, content.get("application/json", {}).get("schema", {}))
    properties: Json = schema.get("properties", {})
    name = operation_id.rpartition(".")[2]
    if not {"items", "nextCursor"} <= properties.keys() or not name.startswith("list_"):
        raise BundleError(
            f"{operation_id} takes a cursor: it has to be called list_..., and to answer with"
            " items and nextCursor"
        )
    return _annotation(document, _resolve(document, properties["items"])["items"])


def _is_of_the_call(header: str) -> bool:
    return header.lower() in _CALL_HEADERS or header.lower().startswith("webhook-")


def _parameter(document: dict[str, Json], node: Json) -> Parameter:
    schema = _resolve(document, node["schema"])
    return Parameter(
        name=node["name"],
        argument=snake(node["name"]),
        place=node["in"],
        annotation=_annotation(document, node["schema"]),
        required=node.get("required", False),
        default=schema.get("default"),
        description=node.get("description", "").strip(),
    )


def _body(document: dict[str, Json], node: Json) -> tuple[str | None, bool]:
    if "requestBody" not in node:
        return None, False
    content = _resolve(document, node["requestBody"])["content"]
    media_type = next(iter(content))
    form = media_type == "application/x-www-form-urlencoded"
    if not form and media_type != "application/json":
        raise BundleError(f"{node['operationId']} takes {media_type}")
    return _annotation(document, content[media_type]["schema"]), form


def _success(document: dict[str, Json], node: Json) -> Json:
    for status in sorted(node["responses"]):
        if status.startswith("2"):
            return _resolve(document, node["responses"][status])
    raise BundleError(f"{node['operationId']} has no success response")


def _annotation(document: dict[str, Json], schema: Json) -> str:
    """Return the Python type of a schema: a model's name or a plain type."""
    reference = str(schema.get("$ref", ""))
    if reference and not is_scalar(_resolve(document, schema)):
        return reference.rpartition("/")[2]
    schema = _resolve(document, schema)
    if schema.get("type") == "array":
        return f"list[{_annotation(document, schema['items'])}]"
    if schema.get("type") in _TYPES and "enum" not in schema:
        return _FORMATS.get(schema.get("format", ""), _TYPES[schema["type"]])
    raise BundleError(f"An inline schema needs a name under components/schemas: {schema}")


def _resolve(document: dict[str, Json], node: Json) -> Json:
    while "$ref" in node:
        _, _, kind, name = node["$ref"].split("/")
        node = document["components"][kind][name]
    return node

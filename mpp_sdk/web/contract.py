"""The contracts as they are served: operations, parameters, security, validation."""

import json
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

_METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")


class ContractError(Exception):
    """A contract cannot be served as it is written."""


@dataclass(frozen=True)
class SecurityAlternative:
    """One way to be let in: a scheme (`apiKey`, `oauth2`, `basic`, `bearer`) and its scopes."""

    scheme: str
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Parameter:
    """A declared parameter. `place` is path, query or header; `argument` its name in Python."""

    name: str
    argument: str
    place: str
    required: bool
    schema: Mapping[str, Any]
    explode: bool

    @property
    def type(self) -> str:
        """The JSON type of its value."""
        return str(self.schema.get("type", "string"))


@dataclass(frozen=True)
class Operation:
    """An operation of a contract. `security` is empty when anybody may call it."""

    operation_id: str
    method: str
    path: str
    security: tuple[SecurityAlternative, ...]
    success_status: int
    success_media_types: tuple[str, ...]
    statuses: frozenset[str]
    parameters: tuple[Parameter, ...]
    body_media_types: tuple[str, ...]
    body_required: bool
    optional: bool = False
    """Whether a server may leave it out, as `x-optional` of the document says."""

    @property
    def name(self) -> str:
        """The name of the method that handles it: the last part of its id."""
        return self.operation_id.rpartition(".")[2]

    @property
    def schemes(self) -> frozenset[str]:
        """The schemes by which a caller can authenticate."""
        return frozenset(alternative.scheme for alternative in self.security)

    @property
    def roles(self) -> frozenset[str]:
        """Every role that is named; empty when any authenticated caller is let in."""
        return frozenset().union(*(alternative.scopes for alternative in self.security))

    def admits(self, scheme: str, roles: frozenset[str]) -> bool:
        """Return whether a caller that authenticated by a scheme and holds these roles may call.

        Where no alternative names a role, the scheme is enough; else the caller needs all roles of
        one alternative, whichever scheme it came by.
        """
        if scheme not in self.schemes:
            return False
        with_roles = [alternative.scopes for alternative in self.security if alternative.scopes]
        return not with_roles or any(scopes <= roles for scopes in with_roles)


@dataclass(frozen=True)
class Contract:
    """A bundled contract and its operations."""

    name: str
    document: Mapping[str, Any]
    operations: tuple[Operation, ...]

    @classmethod
    def load(cls, name: str) -> "Contract":
        """Return a contract of this distribution, by its package name: `eu_mp`."""
        file = resources.files("mpp_sdk.contracts") / name / "document.json"
        return cls.from_document(name.replace("_", "-"), json.loads(file.read_text("utf-8")))

    @classmethod
    def from_document(cls, name: str, document: Mapping[str, Any]) -> "Contract":
        """Return the contract of a bundled document.

        Raises ContractError for what connexion would serve wrongly in silence: an operation
        without an id or with the id of another one, and security it cannot express.
        """
        operations = tuple(
            _operation(document, path, method, item)
            for path, item in document["paths"].items()
            for method in _METHODS
            if method in item
        )
        ids = [operation.operation_id for operation in operations]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ContractError(f"{name}: operation ids are there twice: {', '.join(twice)}")
        return cls(name, document, operations)

    @property
    def title(self) -> str:
        """What the contract is called."""
        return str(self.document["info"]["title"])

    @property
    def version(self) -> str:
        """Its version."""
        return str(self.document["info"]["version"])

    @property
    def base_path(self) -> str:
        """Where the contract says that it is served, below the server's base URL."""
        return str(self.document["servers"][0]["url"]).rstrip("/")

    @cached_property
    def by_id(self) -> Mapping[str, Operation]:
        """The operations by their ids."""
        return {operation.operation_id: operation for operation in self.operations}

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a node refers to, or the node itself."""
        return _resolve(self.document, node)

    def body_schema(self, operation: Operation, media_type: str) -> Mapping[str, Any]:
        """Return the schema of an operation's body."""
        node = self.document["paths"][operation.path][operation.method.lower()]
        content = self.resolve(node["requestBody"])["content"]
        schema: Mapping[str, Any] = content[media_type].get("schema", {})
        return schema


def snake(name: str) -> str:
    """Return a name of a contract as Python spells it."""
    spaced = re.sub(r"[^A-Za-z0-9]+", "_", name)
    snaked = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", spaced).lower()
    return f"{snaked}_" if keyword.iskeyword(snaked) else snaked


def _resolve(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        target: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def _operation(
    document: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any]
) -> Operation:
    node = item[method]
    operation_id = node.get("operationId")
    if not operation_id:
        raise ContractError(f"{method} {path} has no operationId")
    responses = {
        status: _resolve(document, node["responses"][status]) for status in node["responses"]
    }
    success = min((status for status in responses if status.startswith("2")), default=None)
    if success is None:
        raise ContractError(f"{operation_id} has no success response")
    body = _resolve(document, node["requestBody"]) if "requestBody" in node else {}
    declared = {
        (parameter["in"], parameter["name"]): parameter
        for owner in (item, node)
        for parameter in (_resolve(document, each) for each in owner.get("parameters", ()))
    }
    return Operation(
        operation_id=operation_id,
        method=method.upper(),
        path=path,
        security=_security(document, operation_id, node),
        success_status=int(success),
        success_media_types=tuple(responses[success].get("content", {})),
        statuses=frozenset(responses),
        parameters=tuple(_parameter(document, each) for each in declared.values()),
        body_media_types=tuple(body.get("content", {})),
        body_required=bool(body.get("required", False)),
        optional=bool(node.get("x-optional", False)),
    )


def _parameter(document: Mapping[str, Any], node: Mapping[str, Any]) -> Parameter:
    place = node["in"]
    if place not in ("path", "query", "header"):
        raise ContractError(f"The parameter {node['name']} is in a {place}, which is not served")
    return Parameter(
        name=node["name"],
        argument=snake(node["name"]),
        place=place,
        required=bool(node.get("required", False)),
        schema=_resolve(document, node["schema"]),
        explode=bool(node.get("explode", place == "query")),
    )


def _security(
    document: Mapping[str, Any], operation_id: str, node: Mapping[str, Any]
) -> tuple[SecurityAlternative, ...]:
    alternatives = []
    for requirement in node.get("security", document.get("security", [])):
        if len(requirement) != 1:
            raise ContractError(f"{operation_id}: a security alternative must name one scheme")
        [(name, scopes)] = requirement.items()
        scheme = document["components"].get("securitySchemes", {}).get(name)
        if scheme is None:
            raise ContractError(f"{operation_id}: there is no security scheme {name}")
        flows = scheme.get("flows", {}).values()
        unknown = set(scopes) - {scope for flow in flows for scope in flow["scopes"]}
        if unknown:
            raise ContractError(f"{operation_id}: unknown scopes {', '.join(sorted(unknown))}")
        kind = scheme["scheme"] if scheme["type"] == "http" else scheme["type"]
        alternatives.append(SecurityAlternative(kind, frozenset(scopes)))
    return tuple(alternatives)

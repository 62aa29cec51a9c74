"""Generates the abstract handler and the client of a bundled contract."""

import re
import textwrap
from collections.abc import Iterable

from tools.contracts.bundle import Json
from tools.contracts.operations import Operation, operations


def generate_handler(api: str, document: dict[str, Json]) -> str:
    """Return the source of the abstract handler class."""
    found = operations(document)
    used = _names(
        name for op in found for name in (*_argument_types(op), _handler_result(op)) if name
    )
    lines = [
        "from abc import ABC, abstractmethod",
        *_imports(used),
        *(["from mpp_sdk.web.call import Reply"] if "Reply" in used else []),
        "",
        f"class {class_name(api)}Handler(ABC):",
        *_docstring(f"What a server of the {api} contract does, one method per operation.", ""),
    ]
    for op in found:
        arguments = [p.declaration for p in op.parameters if p.required]
        if op.body:
            arguments.append(f"body: {op.body}")
        arguments += [p.declaration for p in op.parameters if not p.required]
        lines += [
            "",
            "    @abstractmethod",
            f"    def {op.name}({', '.join(['self', *arguments])}) -> {_handler_result(op)}:",
            *_docstring(op.summary, op.description, indent=8),
        ]
    return "\n".join(lines) + "\n"


def generate_client(api: str, document: dict[str, Json]) -> str:
    """Return the source of the client class."""
    found = operations(document)
    used = _names(name for op in found for name in (*_argument_types(op), _client_result(op)))
    base = "Answer, BaseClient" if "Answer" in used else "BaseClient"
    lines = [
        *_imports(used),
        f"from mpp_sdk.client import {base}",
        "",
        f"class {class_name(api)}Client(BaseClient):",
        *_docstring(f"Calls a server of the {api} contract, one method per operation.", ""),
    ]
    for op in found:
        lines += ["", *_client_method(op)]
    return "\n".join(lines) + "\n"


def class_name(api: str) -> str:
    """Return the name of an API as a class has it: eu-mp gives EuMp."""
    return "".join(part.capitalize() for part in re.split("[-_]", api))


def _client_method(op: Operation) -> list[str]:
    positional = [p.declaration for p in op.parameters if p.required]
    if op.body:
        positional.append(f"body: {op.body}")
    keywords = [p.declaration for p in op.parameters if not p.required]
    headers = [(f'"{p.name}"', p.argument) for p in op.parameters if p.place == "header"]
    if op.idempotency:
        keywords.append("idempotency_key: str | None = None")
        headers.append(('"Idempotency-Key"', "idempotency_key"))
    if op.precondition:
        keywords.append("if_match: str | None = None")
        headers.append(('"If-Match"', "if_match"))
    if op.raw and len(op.media_types) > 1:
        keywords.append(f'accept: str = "{op.media_types[0]}"')
    signature = ["self", *positional, *(["*", *keywords] if keywords else [])]
    arguments = [f'"{op.method}"', f'"{op.path}"']
    for keyword, place in (("path_values", "path"), ("query", "query")):
        pairs = [f'"{p.name}": {p.argument}' for p in op.parameters if p.place == place]
        if pairs:
            arguments.append(f"{keyword}={{{', '.join(pairs)}}}")
    if headers:
        arguments.append(f"headers={{{', '.join(f'{n}: {v}' for n, v in headers)}}}")
    if op.body:
        arguments.append("body=body")
    if op.form:
        arguments.append("form=True")
    if op.raw:
        arguments.append(
            "accept=accept" if len(op.media_types) > 1 else f'accept="{op.media_types[0]}"'
        )
    call = f"self._call({', '.join(arguments)})"
    if op.result is None:
        body = [call]
    elif op.raw:
        body = [f"return {call}"]
    else:
        body = [f"answer = {call}"]
        read = f"self._read({op.result}, answer)"
        if op.answers_etag:
            read = f"Answer({read}, answer.status, answer.headers)"
        body.append(f"return {read}")
    return [
        f"    def {op.name}({', '.join(signature)}) -> {_client_result(op)}:",
        *_docstring(op.summary, op.description, indent=8),
        *(f"        {line}" for line in body),
    ]


def _handler_result(op: Operation) -> str:
    if op.raw:
        return "Reply"
    if op.result is None:
        return "Reply | None" if op.answers_headers else "None"
    return f"{op.result} | Reply" if op.answers_headers else op.result


def _client_result(op: Operation) -> str:
    if op.result is None:
        return "None"
    return f"Answer[{op.result}]" if op.raw or op.answers_etag else op.result


def _argument_types(op: Operation) -> list[str]:
    return [*(p.annotation for p in op.parameters), *([op.body] if op.body else [])]


def _names(annotations: Iterable[str]) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", " ".join(annotations)))


def _imports(used: set[str]) -> list[str]:
    lines = []
    moments = sorted(used & {"date", "datetime"})
    if moments:
        lines.append(f"from datetime import {', '.join(moments)}")
    if "UUID" in used:
        lines.append("from uuid import UUID")
    plain = {"str", "int", "float", "bool", "bytes", "list", "None", "UUID", "Answer", "Reply"}
    models = sorted(used - plain - set(moments))
    if models:
        lines.append(f"from .models import {', '.join(models)}")
    return lines


def _docstring(summary: str, description: str, indent: int = 4) -> list[str]:
    pad = " " * indent
    width = 100 - indent
    first = f'{pad}"""{summary.strip().rstrip(".")}.'
    if not description.strip():
        return [f'{first}"""']
    paragraphs = re.split(r"\n\s*\n", description.strip())
    lines = [first]
    for paragraph in paragraphs:
        text = " ".join(paragraph.split()).replace("\\", "\\\\").replace('"""', "'''")
        lines += ["", *(pad + line for line in textwrap.wrap(text, width))]
    return [*lines, f'{pad}"""']

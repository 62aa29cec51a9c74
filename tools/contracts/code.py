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


def generate_client(api: str, document: dict[str, Json], *, asynchronous: bool = False) -> str:
    """Return the source of the client class, for threads or for an event loop."""
    found = operations(document)
    used = _names(name for op in found for name in (*_argument_types(op), _client_result(op)))
    used |= _names(op.item for op in found if op.item)
    paged = any(op.iterator or op.streams for op in found)
    keyed = any(op.idempotency for op in found)
    base = "AsyncBaseClient" if asynchronous else "BaseClient"
    imported = [
        *(["Answer"] if "Answer" in used else []),
        base,
        "Request",
        *(["ServerSentEvent"] if "ServerSentEvent" in used else []),
        *(["new_idempotency_key"] if keyed else []),
    ]
    iterator = "AsyncIterator" if asynchronous else "Iterator"
    summary = f"Calls a server of the {api} contract, one method per operation."
    lines = [
        *([f"from collections.abc import {iterator}"] if paged else []),
        *_imports(used),
        f"from mpp_sdk.client import {', '.join(imported)}",
        "",
        f"class {'Async' if asynchronous else ''}{class_name(api)}Client({base}):",
        *_docstring(f"{summary[:-1]}, from an event loop." if asynchronous else summary, ""),
    ]
    for op in found:
        lines += ["", *_client_method(op, asynchronous)]
        if op.iterator:
            lines += ["", *_iterating_method(op, iterator)]
    return "\n".join(lines) + "\n"


def class_name(api: str) -> str:
    """Return the name of an API as a class has it: eu-mp gives EuMp."""
    return "".join(part.capitalize() for part in re.split("[-_]", api))


def _client_method(op: Operation, asynchronous: bool) -> list[str]:
    positional, keywords = _client_arguments(op)
    signature = ["self", *positional, *(["*", *keywords] if keywords else [])]
    waits = "await " if asynchronous else ""
    if op.streams:
        return [
            f"    def {op.name}({', '.join(signature)})"
            f" -> {'AsyncIterator' if asynchronous else 'Iterator'}[{_client_result(op)}]:",
            *_docstring(op.summary, op.description, indent=8),
            f"        return self._events({_request(op)})",
        ]
    if op.result is None:
        body = f"{waits}self._raw({_request(op)})"
    elif op.raw:
        body = f"return {waits}self._raw({_request(op)})"
    elif op.answers_etag:
        body = f"return {waits}self._call({_request(op)}, {op.result})"
    else:
        called = f"{waits}self._call({_request(op)}, {op.result})"
        body = f"answer = {called}\n        return answer.body"
    return [
        f"    {'async ' if asynchronous else ''}def {op.name}({', '.join(signature)})"
        f" -> {_client_result(op)}:",
        *_docstring(op.summary, op.description, indent=8),
        f"        {body}",
    ]


def _iterating_method(op: Operation, iterator: str) -> list[str]:
    """Return the method that goes through all pages of a list, or of what `Link` leads to."""
    positional, keywords = _client_arguments(op)
    if op.linked:
        signature = ["self", *positional, *(["*", *keywords] if keywords else [])]
        return [
            f"    def {op.iterator}({', '.join(signature)}) -> {iterator}[{_client_result(op)}]:",
            *_docstring(
                f"Yield the answers of `{op.name}`, page after page",
                "Each is read when it is needed, and may raise what a call raises; UnexpectedAnswer"
                " when the pages lead nowhere.",
                indent=8,
            ),
            f"        return self._linked({_request(op)})",
        ]
    size = next(p for p in op.parameters if p.name == "limit")
    kept = [one for one in keywords if one.partition(":")[0] not in ("limit", "cursor")]
    signature = ["self", *positional, "*", f"page_size: int = {size.default}", *kept]
    passed = [p.argument for p in op.parameters if p.required]
    others = [p.argument for p in op.parameters if not p.required]
    passed += ["limit=page_size", "cursor=cursor"]
    passed += [f"{one}={one}" for one in others if one not in ("limit", "cursor")]
    return [
        f"    def {op.iterator}({', '.join(signature)}) -> {iterator}[{op.item}]:",
        *_docstring(
            f"Yield what `{op.name}` lists, to the end",
            "It comes in pages of `page_size` items. Each is read when it is needed, and may raise"
            " what a call raises; UnexpectedAnswer when the pages have no end.",
            indent=8,
        ),
        f"        return self._pages(lambda cursor: self.{op.name}({', '.join(passed)}))",
    ]


def _client_arguments(op: Operation) -> tuple[list[str], list[str]]:
    """Return the parameters of a method: those that are given in order, those by name."""
    positional = [p.declaration for p in op.parameters if p.required]
    if op.body:
        positional.append(f"body: {op.body}")
    keywords = [p.declaration for p in op.parameters if not p.required]
    if op.idempotency:
        keywords.append("idempotency_key: str | None = None")
    if op.precondition:
        keywords.append("if_match: str | None = None")
    if op.raw and len(op.media_types) > 1:
        keywords.append(f'accept: str = "{op.media_types[0]}"')
    return positional, keywords


def _request(op: Operation) -> str:
    """Return the expression that makes the request of an operation."""
    headers = [(f'"{p.name}"', p.argument) for p in op.parameters if p.place == "header"]
    if op.idempotency:
        headers.append(('"Idempotency-Key"', "idempotency_key or new_idempotency_key()"))
    if op.precondition:
        headers.append(('"If-Match"', "if_match"))
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
    return f"Request({', '.join(arguments)})"


def _handler_result(op: Operation) -> str:
    if op.raw:
        return "Reply"
    if op.result is None:
        return "Reply | None" if op.answers_headers else "None"
    return f"{op.result} | Reply" if op.answers_headers else op.result


def _client_result(op: Operation) -> str:
    if op.result is None:
        return "None"
    if op.streams:
        return "ServerSentEvent"
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
    plain |= {"ServerSentEvent"}
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

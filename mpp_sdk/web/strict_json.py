"""A JSON reader that refuses whatever two readers could understand differently."""

import json
import math
import re
from typing import Any, NoReturn

from mpp_sdk.errors import FieldError, InvalidInput

MAX_DEPTH = 64
MAX_INTEGER = 2**63 - 1
_MAX_NUMBER_CHARACTERS = 64
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_UNSAFE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def is_safe_text(text: str) -> bool:
    """Return whether every database and every encoder can take the text."""
    return _UNSAFE.search(text) is None


def read_json(data: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises InvalidInput for other encodings, duplicate keys, NaN and Infinity, numbers beyond
    64 bits, nesting deeper than 64, and the NUL character or a lone surrogate in a string.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput.field("", "utf-8", "The body must be JSON in UTF-8.") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse("json", f"The body is not JSON: {error.msg} at character {error.pos}.")
    except RecursionError:
        _refuse("depth", f"The body is nested deeper than {MAX_DEPTH}.")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    # Being UTF-8 and JSON, it can hold NUL and surrogates only as escapes.
    if _ESCAPED_UNSAFE.search(text) is not None:
        _check_characters(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for node in level
            for part in (node.values() if isinstance(node, dict) else node)
            if isinstance(part, dict | list)
        ]
        if not level:
            return
    _refuse("depth", f"The body is nested deeper than {MAX_DEPTH}.")


def _refuse(rule: str, detail: str) -> NoReturn:
    raise InvalidInput.field("", rule, detail) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                _refuse("uniqueKeys", f"The key {_shown(key)} is there twice.")
            seen.add(key)
    return value


def _constant(name: str) -> NoReturn:
    _refuse("number", f"{name} is not JSON.")


def _integer(text: str) -> int:
    if len(text) > _MAX_NUMBER_CHARACTERS or abs(value := int(text)) > MAX_INTEGER:
        _refuse("number", f"Integers must be between -{MAX_INTEGER} and {MAX_INTEGER}.")
    return value


def _float(text: str) -> float:
    value = float(text)
    if len(text) > _MAX_NUMBER_CHARACTERS or not math.isfinite(value):
        _refuse("number", "Numbers must be those of a double, at most 64 characters long.")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_float,
)


def _check_characters(value: Any) -> None:
    errors: list[FieldError] = []
    pending: list[tuple[Any, str]] = [(value, "")]
    while pending:
        node, pointer = pending.pop()
        if isinstance(node, str):
            if not is_safe_text(node):
                detail = "A text must have no NUL character and no lone surrogate."
                errors.append(FieldError(pointer, "characters", detail))
        elif isinstance(node, dict):
            if not all(is_safe_text(key) for key in node):
                detail = "A key must have no NUL character and no lone surrogate."
                errors.append(FieldError(pointer, "characters", detail))
                continue
            pending += [(v, f"{pointer}/{escape(k)}") for k, v in node.items()]
        elif isinstance(node, list):
            pending += [(v, f"{pointer}/{i}") for i, v in enumerate(node)]
    if errors:
        raise InvalidInput("The body has characters that are refused.", errors)


def escape(part: str | int) -> str:
    """Return one step of a path as a JSON pointer has it."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _shown(key: str) -> str:
    return ascii(key if len(key) <= 60 else key[:60] + "...")

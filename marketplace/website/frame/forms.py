"""Forms: what a browser sends, as the contract has it, and what is shown in them again.

The name of an input is the JSON pointer of the property without its first slash: `price/amount`.
The contract's own schema says what is text, number, list or moment, and what is allowed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel
from werkzeug.datastructures import MultiDict

from marketplace.website.frame.durations import entered
from marketplace.website.frame.refusals import field_errors, reasons
from marketplace.website.frame.zones import zone
from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.web.call import JSON
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.validation import Validators

Model = TypeVar("Model", bound=BaseModel)
Schema = Mapping[str, Any]

_CONTRACT = "marketplace"
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_LOCAL_MOMENT = "%Y-%m-%dT%H:%M"
_SHOWN = _LOCAL_MOMENT
_SEPARATORS = re.compile(r"[\s,;]+")
_TRUE = frozenset({"true", "on"})


@dataclass(frozen=True)
class Form:
    """What the inputs of a form show: their values by name, and what was wrong with them."""

    given: Mapping[str, Sequence[str]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    def value(self, name: str, default: str = "") -> str:
        """Return what an input shows."""
        values = self.given.get(name)
        return values[0] if values else default

    def values(self, name: str) -> Sequence[str]:
        """Return what an input of many values shows."""
        return self.given.get(name, ())

    def lines(self, name: str) -> str:
        """Return many values, one in each line."""
        return "\n".join(self.values(name))

    def error(self, name: str) -> str | None:
        """Return what was wrong with an input, or with a part of what it holds."""
        return next(
            (
                text
                for pointer, text in self.errors.items()
                if pointer == name or pointer.startswith(f"{name}/")
            ),
            None,
        )

    def input_of(self, pointer: str) -> str:
        """Return the name of the input that holds what a pointer leads to."""
        parts = pointer.split("/")
        names = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((name for name in names if name in self.given), pointer)


def form_of(model: BaseModel | None = None, /, **defaults: str) -> Form:
    """Return the form that a page shows: as it was just refused, else filled from a model."""
    error = reasons()
    if error is not None:
        given = {name: request.form.getlist(name) for name in request.form}
        errors = {one.pointer.removeprefix("/"): one.detail for one in field_errors()}
        return Form(given, errors, error.detail)
    given = {name: [value] for name, value in defaults.items()}
    if model is not None:
        given |= dict(_flat(model.model_dump(mode="python", by_alias=True, exclude_none=True)))
    return Form(given)


def read(model: type[Model], operation_id: str, **changed: object) -> Model:
    """Return the body of an operation of the marketplace's contract, from the form that was sent.

    What is changed replaces or adds top-level properties; None leaves them out. Raises InvalidInput
    with every rule that the form breaks, by pointer.
    """
    contract, validators = _contract()
    schema = contract.body_schema(contract.by_id[operation_id], JSON)
    body: dict[str, Any] = _object(contract, schema, request.form, "")
    body = {name: value for name, value in {**body, **changed}.items() if value is not None}
    errors = validators.body_errors(operation_id, body)
    if errors:
        raise InvalidInput("Some fields are not right yet.", [_plainer(one) for one in errors])
    return model.model_validate(body)


def reason() -> str:
    """Return the reason that a form gives. Raises InvalidInput without one."""
    text = request.form.get("reason", "").strip()
    if not text:
        raise InvalidInput.field("/reason", "required", "Say why, in a few words.")
    if len(text) > _LONGEST_REASON:
        raise InvalidInput.field(
            "/reason", "maxLength", f"At most {_LONGEST_REASON} characters, please."
        )
    return text


def moment(text: str, pointer: str, *, into: tzinfo | None = None) -> datetime:
    """Return a moment that was entered in the visitor's time zone. Raises InvalidInput."""
    try:
        local = datetime.fromisoformat(text)
        return (local if local.tzinfo else local.replace(tzinfo=into or zone())).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput.field(
            pointer, "date-time", "This is no date and time, such as 2026-12-24T18:00."
        ) from error


_LONGEST_REASON = 1000  # as the contract has it


@cache
def _contract() -> tuple[Contract, Validators]:
    contract = Contract.load(_CONTRACT)
    return contract, Validators(contract)


def _object(
    contract: Contract, schema: Schema, form: MultiDict[str, str], prefix: str
) -> dict[str, Any]:
    """Return the properties of an object that a form has a value for."""
    schema = contract.resolve(schema)
    found: dict[str, Any] = {}
    for name, node in schema.get("properties", {}).items():
        value = _value(contract, contract.resolve(node), form, f"{prefix}{name}")
        if value is not None:
            found[name] = value
    return found


def _value(contract: Contract, schema: Schema, form: MultiDict[str, str], name: str) -> Any:
    kind = schema.get("type", "string")
    if kind == "object":
        return _object(contract, schema, form, f"{name}/") or None
    if kind == "array":
        return _list(form.getlist(name)) or None
    if name not in form:
        return None
    text = form[name].replace("\r\n", "\n").strip()
    if kind == "boolean":
        return text in _TRUE if text else None
    if not text:
        return None
    if kind == "integer":
        return int(text) if _INTEGER.fullmatch(text) else text
    if kind == "number":
        return float(text) if _NUMBER.fullmatch(text) else text
    if schema.get("format") == "date-time":
        return _moment(text)
    return entered(text, form.get(f"{name}/unit", ""))


def _list(given: Sequence[str]) -> list[str]:
    """Return the values of checkboxes, or of one text with a value in each line."""
    parts = given if len(given) > 1 else _SEPARATORS.split(given[0]) if given else []
    return [part.strip() for part in parts if part.strip()]


def _moment(text: str) -> str:
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return text  # the contract says what is wrong with it
    return (local if local.tzinfo else local.replace(tzinfo=zone())).isoformat()


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield from _flat(one, f"{prefix}{name}/")
        elif isinstance(one, list | tuple | set | frozenset):
            yield f"{prefix}{name}", [_text(each) for each in one]
        else:
            yield f"{prefix}{name}", [_text(one)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(zone()).strftime(_SHOWN)
    return str(getattr(value, "value", value))


def _plainer(error: FieldError) -> FieldError:
    """Return an error in words for people, where the rule's own are for programs."""
    words = _PLAIN.get(error.rule)
    return error if words is None else FieldError(error.pointer, error.rule, words)


_PLAIN = {
    "required": "This is needed.",
    "enum": "Choose one of the values that are offered.",
    "uniqueItems": "A value is there twice.",
    "minItems": "Choose at least one.",
    "pattern": "It is not written as it must be.",
}

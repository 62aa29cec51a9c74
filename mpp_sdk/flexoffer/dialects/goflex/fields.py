"""The fields of a document, each taken under any of its names and with the type it must have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.model import intervals_since_epoch, moment_of

Value = TypeVar("Value")

_LARGEST = 10**18
_SMALLEST = Decimal("1e-400")  # below any double; a longer exponent would fill the memory
_LAST_INTERVAL = 10**11


@dataclass(frozen=True, slots=True)
class Fields:
    """An object of a document and where it stands. All it gives raises InvalidInput with a pointer.

    A field that is null is missing.
    """

    values: Mapping[str, Any]
    pointer: str = ""

    def name(self, *names: str) -> str | None:
        """Return the first of some names that has a value."""
        return next((name for name in names if self.values.get(name) is not None), None)

    def at(self, *names: str) -> str:
        """Return a pointer to the field, by its own name if it is there, else by its first name."""
        return f"{self.pointer}/{self.name(*names) or names[0]}"

    def text(self, *names: str) -> str | None:
        """Return a text, or nothing."""
        value = self._value(*names)
        if value is None or isinstance(value, str):
            return value
        raise InvalidInput.field(self.at(*names), "type", "It must be a text.")

    def number(self, *names: str) -> Fraction | None:
        """Return a number as it is written, exactly, or nothing."""
        value = self._value(*names)
        return None if value is None else number(value, self.at(*names))

    def integer(self, *names: str) -> int | None:
        """Return a whole number, or nothing."""
        value = self.number(*names)
        if value is not None and value.denominator != 1:
            raise InvalidInput.field(self.at(*names), "type", "It must be a whole number.")
        return None if value is None else value.numerator

    def moment(self, interval: timedelta, *stems: str) -> datetime | None:
        """Return what is given as a time, as the number of an interval, or as both."""
        times = [f"{stem}Time" for stem in stems]
        numbers = [f"{stem}Interval" for stem in stems]
        moment, count = self.time(*times), self.integer(*numbers)
        if count is None:
            return moment
        if abs(count) > _LAST_INTERVAL // max(interval // timedelta(seconds=1), 1):
            raise InvalidInput.field(self.at(*numbers), "range", "No such interval is dated.")
        if moment is None:
            return moment_of(count, interval)
        if intervals_since_epoch(moment, interval) != count:
            raise InvalidInput.field(
                self.at(*numbers), "sameMoment", f"{self.at(*times)} is not in this interval."
            )
        return moment

    def time(self, *names: str) -> datetime | None:
        """Return a time, which must have an offset, or nothing."""
        text = self.text(*names)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise InvalidInput.field(
                self.at(*names), "format", "It must be a date and time, as in ISO 8601."
            ) from None
        if moment.utcoffset() is None:
            raise InvalidInput.field(self.at(*names), "offset", "A time needs its offset.")
        if not 1 < moment.year < 9999:
            raise InvalidInput.field(self.at(*names), "range", "No flex-offer is of that year.")
        return moment

    def child(self, *names: str) -> "Fields | None":
        """Return an object, or nothing."""
        value = self._value(*names)
        return None if value is None else _object(value, self.at(*names))

    def children(self, *names: str) -> "list[Fields]":
        """Return the objects of a list; none when it is missing."""
        return [_object(value, pointer) for value, pointer in self.items(*names)]

    def items(self, *names: str) -> list[tuple[Any, str]]:
        """Return the elements of a list, each with its pointer; none when it is missing."""
        value = self._value(*names)
        if value is None:
            return []
        if not isinstance(value, list):
            raise InvalidInput.field(self.at(*names), "type", "It must be a list.")
        return [(one, f"{self.at(*names)}/{count}") for count, one in enumerate(value)]

    def _value(self, *names: str) -> Any:
        name = self.name(*names)
        return None if name is None else self.values[name]


def number(value: Any, pointer: str) -> Fraction:
    """Return a number as it is written, exactly. Raises InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidInput.field(pointer, "type", "It must be a number.")
    size = Decimal(value).copy_abs()
    if not size.is_finite():
        raise InvalidInput.field(pointer, "finite", "It must be a finite number.")
    if size and not _SMALLEST < size < _LARGEST:
        raise InvalidInput.field(pointer, "range", "No energy and no price is of this size.")
    return Fraction(value) if isinstance(value, int) else Fraction(str(value))


def required(value: Value | None, pointer: str) -> Value:
    """Return a value. Raises InvalidInput when it is missing."""
    if value is None:
        raise InvalidInput.field(pointer, "required", "This is needed.")
    return value


def _object(value: Any, pointer: str) -> Fields:
    if not isinstance(value, Mapping):
        raise InvalidInput.field(pointer, "type", "It must be an object.")
    return Fields(value, pointer)

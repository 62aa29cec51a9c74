"""Durations as people enter them: a number, and what it counts."""

import re

_LENGTHS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
_WRITTEN = {"seconds": "PT{}S", "minutes": "PT{}M", "hours": "PT{}H", "days": "P{}D"}
_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.ASCII,
)
_USUAL = "minutes"


def entered(number: str, unit: str) -> str:
    """Return a number of some unit as an ISO 8601 duration.

    What is no number stays as it is: a duration that was written out, or what the contract refuses.
    """
    written = _WRITTEN.get(unit)
    return written.format(number) if written and number.isascii() and number.isdigit() else number


def parts(text: str, unit: str = "") -> tuple[str, str]:
    """Return what the two inputs of a duration show: a number, and its unit.

    text is a duration or, with the unit of a form that was refused, what was entered.
    """
    found = _DURATION.fullmatch(text)
    if unit in _WRITTEN or found is None or not any(found.groups()):
        return text, unit if unit in _WRITTEN else _USUAL
    given = {name: int(count) for name, count in found.groupdict().items() if count}
    smallest = min(given, key=_LENGTHS.__getitem__)
    length = sum(count * _LENGTHS[name] for name, count in given.items())
    return str(length // _LENGTHS[smallest]), smallest

"""Where the faults are. A module of this folder registers its own as it is imported."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

_FOLDER = "tests.conformance.faults"


@dataclass(frozen=True)
class Fault:
    """A platform or marketplace that is wrong in one way.

    `wrong` is the sentence that says in which. Every case of `caught_by` fails for it. `inject`
    breaks what the tests of the contract are about to serve; what it is given is theirs to say.
    """

    name: str
    wrong: str
    contract: str
    caught_by: tuple[str, ...]
    inject: Callable[[Any], None]


_registered: dict[tuple[str, str], Fault] = {}
"""By contract and name."""


def fault(
    wrong: str, *, caught_by: tuple[str, ...], contract: str = "eu-mp"
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function as the fault of its name. Raises ValueError for one that is there."""

    def register(inject: Callable[[Any], None]) -> Callable[[Any], None]:
        name = inject.__name__
        if (contract, name) in _registered or not caught_by:
            raise ValueError(f"This is no new fault with a case that finds it: {name}")
        _registered[contract, name] = Fault(name, wrong, contract, caught_by, inject)
        return inject

    return register


def faults_of(contract: str) -> list[Fault]:
    """Return the faults of what serves a contract (`eu-mp`)."""
    _import_all()
    return [one for one in _registered.values() if one.contract == contract]


@cache
def _import_all() -> None:
    package = importlib.import_module(_FOLDER)
    for module in sorted(one.name for one in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{_FOLDER}.{module}")

"""Where the cases are. A module of `cases/` registers its own as it is imported."""

import importlib
import pkgutil
import re
from collections.abc import Callable
from functools import cache

from mpp_sdk.conformance.model import Case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.web.contract import Contract

EVERY_CONTRACT = "*"
_ID = re.compile(r"[A-Z]+(-[A-Z]+)*-[0-9]{2}")
_registered: dict[str, Case] = {}

Check = Callable[[Subject], str]


def case(
    case_id: str,
    title: str,
    *,
    why: str,
    contract: str = EVERY_CONTRACT,
    harmless: bool = False,
    where: Callable[[Contract], bool] = lambda _: True,
) -> Callable[[Check], Check]:
    """Register a function as a case.

    case_id reads AREA-TOPIC-NN and never changes its meaning, since certificates name it. The title
    says what a sound server does, the why what goes wrong for others where it does not. Cases run
    in the order of their modules' names, those of a module as they are written. harmless is for a
    case that leaves the server as it was. where says of which contracts it is, for a case of every
    contract that has what it is about. Raises ValueError for an id that is there already or reads
    otherwise.
    """

    def register(check: Check) -> Check:
        if not _ID.fullmatch(case_id) or case_id in _registered:
            raise ValueError(f"This is no new id of a case: {case_id}")
        _registered[case_id] = Case(case_id, title, why, contract, check, harmless, where)
        return check

    return register


def cases_of(contract: str) -> list[Case]:
    """Return the cases of a contract (`eu-mp`), those of every contract first."""
    _import_all()
    # A module may have been imported by itself before: the names of the modules decide.
    registered = sorted(_registered.values(), key=lambda one: one.check.__module__)
    document = _document(contract)
    return [
        *(one for one in registered if one.contract == EVERY_CONTRACT and one.where(document)),
        *(one for one in registered if one.contract == contract),
    ]


def contracts() -> list[str]:
    """Return the contracts that can be tried: those that have cases of their own.

    That of the marketplace for people has none: what its operations answer depends on who the
    caller is and on what it did before, and it is served by this product alone.
    """
    _import_all()
    return sorted({one.contract for one in _registered.values()} - {EVERY_CONTRACT})


@cache
def _document(contract: str) -> Contract:
    return Contract.load(contract.replace("-", "_"))


@cache
def _import_all() -> None:
    from mpp_sdk.conformance import cases  # which import this module

    found = pkgutil.walk_packages(cases.__path__, f"{cases.__name__}.")
    for module in sorted(one.name for one in found):
        importlib.import_module(module)

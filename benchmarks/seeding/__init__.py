"""Fills a database with a market of any size, fast, the same each time for a seed and a moment."""

from benchmarks.seeding.companies import OPERATOR_EMAIL, PROVIDER_EMAIL, REQUESTER_EMAIL
from benchmarks.seeding.market import PASSWORD, seed
from benchmarks.seeding.scale import FULL, Scale
from benchmarks.seeding.single import INVITATION, RESET

__all__ = [
    "FULL",
    "INVITATION",
    "OPERATOR_EMAIL",
    "PASSWORD",
    "PROVIDER_EMAIL",
    "REQUESTER_EMAIL",
    "RESET",
    "Scale",
    "seed",
]

"""The pages for those who run the marketplace. Each module registers its own."""

from marketplace.website.operators import (
    board,
    companies,
    decisions,
    deliveries,
    lanes,
    numbers,
    people,
    recovery,
    replays,
    trail,
)
from marketplace.website.operators.blueprint import blueprint

__all__ = [
    "blueprint",
    "board",
    "companies",
    "decisions",
    "deliveries",
    "lanes",
    "numbers",
    "people",
    "recovery",
    "replays",
    "trail",
]

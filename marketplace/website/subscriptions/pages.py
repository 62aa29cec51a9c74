"""Subscriptions: what was agreed, what happens under it, and what is missing."""

from marketplace.website.subscriptions import (
    adding,
    changing,
    following,
    listing,
    points_of_delivery,
    statuses,
)
from marketplace.website.subscriptions.blueprint import blueprint

__all__ = [
    "adding",
    "blueprint",
    "changing",
    "following",
    "listing",
    "points_of_delivery",
    "statuses",
]

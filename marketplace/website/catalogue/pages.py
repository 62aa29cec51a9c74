"""The pages of the catalogue: what everybody finds, and what providers offer."""

from marketplace.website.catalogue import (
    api_pages,
    comparing,
    editing,
    own,
    publishing,
    search,
    services,
)
from marketplace.website.catalogue.blueprint import blueprint

__all__ = [
    "api_pages",
    "blueprint",
    "comparing",
    "editing",
    "own",
    "publishing",
    "search",
    "services",
]

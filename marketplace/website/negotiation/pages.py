"""Requests and offers: how two companies come to a subscription."""

from marketplace.website.negotiation import answering, asking, following, listing, offering
from marketplace.website.negotiation.blueprint import blueprint

__all__ = ["answering", "asking", "blueprint", "following", "listing", "offering"]

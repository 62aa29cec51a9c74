"""How people come in, and what they set for themselves."""

from marketplace.website.account import (
    federated,
    invitations,
    passwords,
    profile,
    second_factor,
    sign_in,
    sign_up,
)
from marketplace.website.account.blueprint import blueprint

__all__ = [
    "blueprint",
    "federated",
    "invitations",
    "passwords",
    "profile",
    "second_factor",
    "sign_in",
    "sign_up",
]

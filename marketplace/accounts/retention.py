"""Forgets what let people in and does not any more."""

from datetime import timedelta

from marketplace.accounts import repository
from marketplace.accounts.sessions import idle_end
from mpp_sdk.clock import now

KEPT = timedelta(days=30)
"""For how long links, invitations and mails are kept after their end, so that they are explained.

Counts of wrong guesses are kept as long after the last one, sessions not at all."""


def forget_ended() -> int:
    """Delete ended sessions, and links, mails and counts that ended long ago; return how many."""
    return repository.forget_ended(now(), idle_end(), KEPT)

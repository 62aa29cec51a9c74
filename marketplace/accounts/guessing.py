"""Counts wrong guesses at a secret, so that nobody can go through many."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from marketplace.accounts import repository
from marketplace.accounts.domain import Guesses
from mpp_sdk.clock import now
from mpp_sdk.errors import FlexagoraError, TooManyCalls, Unauthenticated
from mpp_sdk.secrets import hash_secret

OnLock = Callable[[int], None]
"""What is done, with how many guesses have failed in a row, when the next has to wait."""


class TooManyGuesses(TooManyCalls):
    """So often was guessed wrong that nothing more is looked at for a while."""

    title = "Too many attempts have failed"

    def __init__(self, wait: timedelta) -> None:
        seconds = ceil(wait.total_seconds())
        super().__init__("sign-in", 1, seconds, seconds)
        self.detail = f"Too many attempts have failed. Try again in {seconds} seconds."
        self.args = (self.detail,)


@dataclass(frozen=True)
class Refused:
    """Nobody was let in, and the failure is counted in this unit of work.

    Whoever gets it lets the unit of work be committed and raises `error` afterwards: raised inside,
    it would undo the count.
    """

    error: FlexagoraError


def too_many(name: str) -> Refused | None:
    """Return the refusal while too many guesses at something have failed; None to go on."""
    return _refusal(repository.guesses(_key(name)))


def judge(name: str, *, right: bool, wrong: str, on_lock: OnLock) -> Refused | None:
    """Return the refusal of a guess, None for a right one that came in time.

    Whatever was found out before the count was locked is told only if others have not failed too
    often meanwhile. wrong is what is said of a wrong guess; on_lock is called, with how many have
    failed in a row, when it costs a wait.
    """
    moment = now()
    key = _key(name)
    standing = repository.locked_guesses(key, moment)
    refusal = _refusal(standing)
    if refusal is not None:
        return refusal
    if right:
        repository.set_guesses(key, Guesses(), moment)
        return None
    after = standing.after_failure(moment)
    repository.set_guesses(key, after, moment)
    if after.locked_until is not None:
        on_lock(after.failures)
    return Refused(Unauthenticated(wrong))


def forgive(name: str) -> None:
    """Begin to count anew."""
    repository.set_guesses(_key(name), Guesses(), now())


def _key(name: str) -> str:
    return hash_secret(name.encode("ascii", "backslashreplace").decode())


def _refusal(standing: Guesses) -> Refused | None:
    wait = standing.wait(now())
    return Refused(TooManyGuesses(wait)) if wait else None

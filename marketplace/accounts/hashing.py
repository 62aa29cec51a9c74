"""Passwords as they are stored: argon2id (RFC 9106), by argon2-cffi."""

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# What OWASP asks for at least: 19 MiB, so that as many may sign in at once as there are threads.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _HASHER.hash("the password of nobody")


def hash_password(password: str) -> str:
    """Return what is stored of a password. It takes its time: never inside a transaction."""
    return _HASHER.hash(_bytes(password))


def is_password(password: str, stored: str | None) -> bool:
    """Return whether a password is the one that was stored; never for somebody without one.

    It takes as long for somebody who does not exist.
    """
    try:
        _HASHER.verify(stored or _NOBODY, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Return whether a password was stored with other costs than today's."""
    return _HASHER.check_needs_rehash(stored)


def _bytes(password: str) -> bytes:
    """Return a password's bytes; the same letter, however it was typed, is the same (NIST)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")

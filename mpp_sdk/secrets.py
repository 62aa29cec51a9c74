"""Secrets: made at random, stored hashed by who checks them and encrypted by who presents them."""

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mpp_sdk.errors import Unavailable


def new_secret(prefix: str) -> str:
    """Return a fresh secret of 256 random bits, with a prefix that says what it is for."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def hash_secret(secret: str) -> str:
    """Return what is stored of a secret: SHA-256, in hex.

    A plain hash is enough here and only here: these secrets have 256 random bits, so there is
    nothing to guess. A password that a person chose must never come this way.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, stored_hash: str) -> bool:
    """Return whether a secret is the one whose hash was stored, in constant time."""
    return hmac.compare_digest(hash_secret(secret), stored_hash)


class SecretBox:
    """Encrypts what must be presented again later. The first key encrypts, every key decrypts."""

    def __init__(self, keys: Sequence[str]) -> None:
        fernets = [Fernet(key) for key in keys]
        self._keys = [base64.urlsafe_b64decode(key) for key in keys]
        self._first = fernets[0]
        self._fernet = MultiFernet(fernets)

    def encrypt(self, plain: str) -> str:
        """Return the text encrypted and authenticated, as ASCII."""
        return self._fernet.encrypt(plain.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return the text. Raises Unavailable when none of the keys made it."""
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except InvalidToken as error:
            raise Unavailable("A stored secret cannot be read with the configured keys.") from error

    def derived(self, purpose: str) -> list[bytes]:
        """Return a key for a purpose from each of the keys, the first one's first (RFC 5869)."""
        return [
            HKDF(hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(key)
            for key in self._keys
        ]

    def renew(self, encrypted: str) -> str | None:
        """Return the same encrypted with the first key, or None when it already is.

        Raises Unavailable when none of the keys made it.
        """
        with contextlib.suppress(InvalidToken):
            self._first.decrypt(encrypted.encode())
            return None
        return self.encrypt(self.decrypt(encrypted))


def load_or_create_key(path: Path) -> str:
    """Return the encryption key in a file that only its owner may read, made the first time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(Fernet.generate_key().decode())
        with contextlib.suppress(FileExistsError):  # another process made it in the meantime
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()

"""Finds secrets in what was written, in whatever form they got there."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

ISSUED = re.compile(rb"(?:fx[kst]_|whsec_)[A-Za-z0-9_+/=-]{30,}")
"""What every secret looks like that the marketplace or a platform has made."""

_SHORTEST = 8


def forms(secret: str) -> Iterator[bytes]:
    """Return a secret as it may be written: plainly, in JSON, in hex, or inside of base64."""
    plain = secret.encode()
    yield plain
    yield json.dumps(secret)[1:-1].encode()
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for offset in range(3):  # where it begins, in the three bytes that make four characters
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * offset + plain).rstrip(b"=")
            # The first and the last characters also hold bits of what is beside it.
            yield encoded[(0, 2, 3)[offset] : len(encoded) - 1]


def found_in(content: bytes, secrets: Iterable[str]) -> list[str]:
    """Return the secrets that are in the content, and whatever looks like one that was issued.

    The content may be percent-encoded, in whole or in part.
    """
    decoded = unquote_to_bytes(content), unquote_to_bytes(content.replace(b"+", b" "))
    told = []
    for secret in secrets:
        if len(secret) < _SHORTEST:
            raise ValueError("A secret this short would be found anywhere.")
        if any(form in text for form in forms(secret) for text in (content, *decoded)):
            told.append(secret)
    return told + [match.decode() for match in ISSUED.findall(content)]

"""The formats that contracts name, each checked."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_EMAIL = re.compile(r"[^@\s\x00-\x20\x7f]{1,64}@(?!-)[A-Za-z0-9.-]{1,250}(?<![.-])", re.ASCII)
_URI_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)


def is_date_time(text: str) -> bool:
    """Return whether the text is a moment of RFC 3339, with offset, that exists in UTC."""
    if _DATE_TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def is_date(text: str) -> bool:
    """Return whether the text is a day of the calendar."""
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_uuid(text: str) -> bool:
    """Return whether the text is a UUID with its hyphens."""
    return _UUID.fullmatch(text) is not None


def is_uri(text: str) -> bool:
    """Return whether the text is an absolute URI; one of a web address must name its host."""
    if _URI_CHARACTERS.fullmatch(text) is None:
        return False
    try:
        parts = urlsplit(text)
        port_is_given = parts.port is not None
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return bool(parts.hostname)
    return bool(parts.scheme) and bool(parts.path or parts.netloc or port_is_given)


def is_email(text: str) -> bool:
    """Return whether the text has the shape of an e-mail address."""
    return _EMAIL.fullmatch(text) is not None and ".." not in text


def is_ipv4(text: str) -> bool:
    """Return whether the text is an IPv4 address."""
    return _is_address(text, ipaddress.IPv4Address)


def is_ipv6(text: str) -> bool:
    """Return whether the text is an IPv6 address."""
    return _is_address(text, ipaddress.IPv6Address)


def _is_address(text: str, kind: Callable[[str], object]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "date-time": is_date_time,
    "date": is_date,
    "uuid": is_uuid,
    "uri": is_uri,
    "email": is_email,
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
}

UNCHECKED = frozenset({"int32", "int64", "float", "double", "password", "byte", "binary"})
"""Formats of OpenAPI that say nothing about a text, or that a type already implies."""

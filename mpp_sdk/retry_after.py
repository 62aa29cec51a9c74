"""The header Retry-After of RFC 9110."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_FAR = timedelta(days=3650)


def parse_retry_after(value: str | None, now: datetime) -> datetime | None:
    """Return the moment that a Retry-After header names, or None when it names none to come.

    The header holds seconds or an HTTP date (RFC 9110, 10.2.3); what is neither is passed over.
    A moment more than ten years away is given as ten years away.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        seconds = int(text) if len(text) <= 9 else _FAR.total_seconds()
        moment = now + min(timedelta(seconds=seconds), _FAR)
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        moment = min(moment, now + _FAR)
    return moment if moment > now else None

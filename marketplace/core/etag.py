"""Versions on the wire: ETag and If-Match (RFC 9110, 8.8.3 and 13.1.1)."""

from marketplace.core.database import Versioned
from marketplace.core.unit_of_work import current_session
from mpp_sdk.errors import PreconditionFailed, PreconditionRequired


def etag(row: Versioned) -> str:
    """Return the ETag of a row as it stands now, with the changes of this unit of work."""
    current_session().flush()
    return f'"{row.version}"'


def check_if_match(row: Versioned, if_match: str | None, *, required: bool = True) -> None:
    """Check that an edit was made from the present version of a row, as `check_tag` does."""
    check_tag(f'"{row.version}"', if_match, required=required)


def check_tag(tag: str, if_match: str | None, *, required: bool = True) -> None:
    """Check that an edit was made from the present version, whose ETag this is.

    `*` matches every version. An edit must carry the header (required); an action may. Raises
    PreconditionRequired when it is missing and PreconditionFailed when it names another version.
    """
    if if_match is None:
        if required:
            raise PreconditionRequired("Send the ETag that you read in If-Match.")
        return
    candidates = [candidate.strip() for candidate in if_match.split(",")]
    if "*" not in candidates and tag not in candidates:
        raise PreconditionFailed("Read it again and repeat the edit.")

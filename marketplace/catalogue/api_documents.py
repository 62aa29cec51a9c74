"""The providers' own OpenAPI documents: one for each version that has one."""

import hashlib
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from uuid import UUID

from marketplace.catalogue import repository, service
from marketplace.catalogue.domain import VERSION
from marketplace.catalogue.tables import ApiDocument, ServiceVersion
from marketplace.core.etag import check_if_match
from marketplace.core.unit_of_work import current_session
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import ApiDocumentFormat
from mpp_sdk.errors import InvalidInput, NotFound, Unavailable
from mpp_sdk.web.strict_json import is_safe_text

MAX_CHARACTERS = 500_000
CHECK_SECONDS = 20.0
"""How long a document may take to be checked."""

_CHECK = ("-I", "-m", "marketplace.catalogue.openapi_check")
_AT_ONCE = threading.BoundedSemaphore(2)
_KIND = "API document of a version"


@dataclass(frozen=True)
class DocumentOfVersion:
    """A document and the version that it belongs to."""

    version: ServiceVersion
    document: ApiDocument


def read_api_document(service_id: UUID, number: int) -> DocumentOfVersion:
    """Return the document of a version that the caller may see. Raises NotFound."""
    row = service.read_version(service_id, number)
    document = current_session().get(ApiDocument, row.id)
    if document is None:
        raise NotFound.entity(_KIND, f"{service_id}/{number}")
    return DocumentOfVersion(row, document)


def write_api_document(
    service_id: UUID, number: int, text: str, if_match: str | None
) -> DocumentOfVersion:
    """Return the document of a draft, which is this text from now on.

    Raises InvalidInput, saying where, unless it is a valid OpenAPI document (3.0 or 3.1) that is
    whole in itself; IllegalTransition when the version is no draft.
    """
    check_if_match(_own_draft(service_id, number, lock=False), if_match)
    checked = check(text)
    row = _own_draft(service_id, number, lock=True)
    check_if_match(row, if_match)
    session = current_session()
    document = session.get(ApiDocument, row.id)
    if document is None:
        document = ApiDocument(version_id=row.id)
        session.add(document)
    document.format = ApiDocumentFormat(checked["format"])
    document.text = text
    document.document = checked["document"]
    document.title = checked["title"]
    document.openapi = checked["openapi"]
    document.sha256 = hashlib.sha256(text.encode()).hexdigest()
    document.updated_at = row.updated_at = now()
    service.record_edit(row)
    return DocumentOfVersion(row, document)


def delete_api_document(service_id: UUID, number: int, if_match: str | None) -> None:
    """Take the document away from a draft. Raises NotFound when it has none."""
    row = _own_draft(service_id, number, lock=True)
    check_if_match(row, if_match)
    session = current_session()
    document = session.get(ApiDocument, row.id)
    if document is None:
        raise NotFound.entity(_KIND, f"{service_id}/{number}")
    session.delete(document)
    row.updated_at = now()
    service.record_edit(row)


def has_api_document(version_id: UUID) -> bool:
    """Return whether a version has a document; the text is not read."""
    return repository.has_api_document(current_session(), version_id)


def check(text: str) -> dict[str, str]:
    """Return the document as JSON (`document`), its `format`, `title` and version (`openapi`).

    It is checked in a process of its own, since a text can be made to take for ever. Raises
    InvalidInput on `/text`, Unavailable when too many are checked at once.
    """
    if not is_safe_text(text):
        raise _refused("It has a character that no text has: NUL, or half of one.")
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput.field(
            "/text", "maxLength", f"It has more than {MAX_CHARACTERS:,} characters."
        )
    if "openapi" not in text:  # most of what is pasted by mistake needs no closer look
        raise _refused("At /openapi: it must say 3.0.x or 3.1.x.")
    if not _AT_ONCE.acquire(timeout=CHECK_SECONDS):
        raise Unavailable("Other documents are being checked. Try again in a minute.")
    try:
        child = subprocess.run(  # noqa: S603 - our own module, and the text is its input
            [sys.executable, *_CHECK],
            input=text.encode(),
            capture_output=True,
            timeout=CHECK_SECONDS,
            check=False,
            env={},
        )
    except subprocess.TimeoutExpired:
        raise _refused("It takes too long to check. Make its schemas simpler.") from None
    finally:
        _AT_ONCE.release()
    if child.returncode != 0:
        raise _refused("It takes too much to check. Make its schemas simpler.")
    found: dict[str, str] = json.loads(child.stdout)
    if "detail" in found:
        raise _refused(found["detail"])
    return found


def _refused(detail: str) -> InvalidInput:
    return InvalidInput.field("/text", "openapi", detail)


def _own_draft(service_id: UUID, number: int, *, lock: bool) -> ServiceVersion:
    row = service.own_version(service_id, number, lock=lock)
    VERSION.after(row.state, "edit")
    return row

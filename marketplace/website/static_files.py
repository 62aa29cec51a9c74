"""Style sheets, scripts and pictures: read once, sent compressed, kept by browsers for good."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mpp_sdk.web.problems import no_such_path

PREFIX = "/static/"

_KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
_KEPT_SHORTLY = "public, max-age=300"
_COMPRESSIBLE = ("text/", "image/svg+xml", "application/json")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class StaticFile:
    """A file: its bytes, also compressed where that helps, and the hash that names its content."""

    content: bytes
    compressed: bytes | None
    media_type: str
    digest: str


async def serve_static(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the file that a path below the prefix names. Raises NotFound.

    An address with the hash of the content is kept for good: another content has another one.
    """
    file = files().get(scope["path"].removeprefix(PREFIX))
    if file is None:
        raise no_such_path()
    headers = {
        "ETag": f'"{file.digest}"',
        "Cache-Control": (
            _KEPT_FOR_GOOD
            if scope["query_string"] == f"v={file.digest}".encode()
            else _KEPT_SHORTLY
        ),
        "Vary": "Accept-Encoding",
    }
    given = Headers(scope=scope)
    if given.get("if-none-match") == headers["ETag"]:
        response = Response(status_code=304, headers=headers)
    elif file.compressed is not None and "gzip" in given.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        response = Response(file.compressed, headers=headers, media_type=file.media_type)
    else:
        response = Response(file.content, headers=headers, media_type=file.media_type)
    await response(scope, receive, send)


def static_url(name: str) -> str:
    """Return the address of a file, which changes with its content. Raises KeyError."""
    return f"{PREFIX}{name}?v={files()[name].digest}"


@cache
def files() -> Mapping[str, StaticFile]:
    """Return every file by its name below the folder."""
    return dict(_below(resources.files("marketplace.website") / "static", ""))


def _below(folder: Traversable, prefix: str) -> list[tuple[str, StaticFile]]:
    found = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _below(entry, f"{name}/")
        else:
            found.append((name, _file(name, entry.read_bytes())))
    return found


def _file(name: str, content: bytes) -> StaticFile:
    suffix = name[name.rfind(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    compressed = gzip.compress(content, mtime=0) if kind.startswith(_COMPRESSIBLE) else None
    return StaticFile(content, compressed, kind, hashlib.sha256(content).hexdigest()[:16])

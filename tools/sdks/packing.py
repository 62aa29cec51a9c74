"""Archives whose bytes depend on nothing but the names and contents of the files in them."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping

Files = Mapping[str, bytes]
"""The contents of files by their path in an archive, with forward slashes."""

_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that ZIP knows
_MODE = 0o644
_COMPRESSION = 9


def zip_of(files: Files) -> bytes:
    """Return a ZIP archive of the files, sorted by path."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = (0o100000 | _MODE) << 16
            packed.writestr(entry, files[name])
    return archive.getvalue()


def tgz_of(files: Files) -> bytes:
    """Return a gzipped tar archive of the files, sorted by path, as npm takes it."""
    archive = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", _COMPRESSION, archive, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as packed,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = _MODE
            packed.addfile(entry, io.BytesIO(files[name]))
    return archive.getvalue()

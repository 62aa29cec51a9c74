"""Write the list of the kit's cases, and take the picture of a certificate, for the docs.

`python -m tools.conformance` writes both; `--list` writes the list alone, which needs no browser.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from mpp_sdk.conformance.reports import report_of, to_certificate
from mpp_sdk.conformance.reports.cleaning import Cleaner
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.testing import ServedPlatform
from tests.services.chromium import chromium
from tools.conformance.cases import LIST, cases_page

PICTURE = LIST.parent / "images" / "conformance-certificate.png"
_WIDTH, _HEIGHT = 1_000, 900
_COLOURS = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what was asked for. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.conformance", description=__doc__)
    parser.add_argument("--list", action="store_true", help="write the list of the cases alone")
    chosen = parser.parse_args(arguments)
    LIST.write_text(cases_page(), encoding="utf-8")
    if not chosen.list:
        PICTURE.write_bytes(_picture(_certificate()))
    return 0


def _certificate() -> str:
    """Return the certificate of a platform of the SDK, tried now."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ServedPlatform(MarketPlayerPlatform, Path(folder)) as served,
    ):
        return to_certificate(report_of(served.conformance(), Cleaner(())))


def _picture(certificate: str) -> bytes:
    """Return the top of a certificate as a picture of few colours."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        page.set_content(certificate)
        taken = page.screenshot()
    reduced = Image.open(BytesIO(taken)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    file = BytesIO()
    reduced.save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())

"""Take the pictures of the website that the docs show.

`python -m tools.screenshots` starts `flexagora serve --demo-data` in a folder of its own, takes the
pictures that are named, or all of them, and stops it again.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from tests.services.chromium import chromium
from tools.screenshots import PICTURES as FOLDER
from tools.screenshots.demonstration import Demonstration, running
from tools.screenshots.pictures import PICTURES, Picture

_DESKTOP = ViewportSize(width=1280, height=900)
_PHONE = ViewportSize(width=390, height=844)
_TALLEST = 1_600
_COLOURS = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    names = [picture.name for picture in PICTURES]
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of: {', '.join(names)}")
    chosen = parser.parse_args(arguments).names or names
    if unknown := set(chosen) - set(names):
        parser.error(f"there is no picture {', '.join(sorted(unknown))}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder)) as demonstration,
        chromium() as browser,
    ):
        print(f"The demonstration is at {demonstration.url}")
        seats = _Seats(browser, demonstration)
        for picture in PICTURES:
            if picture.name in chosen:
                taken = _take(seats.page(picture), picture)
                (FOLDER / f"{picture.name}.png").write_bytes(taken)
                print(f"{picture.name}.png: {len(taken) // 1000} kB")
    return 0


class _Seats:
    """The browsers of those who have signed in, each with the size and the colours wanted."""

    def __init__(self, browser: Browser, demonstration: Demonstration) -> None:
        self._browser = browser
        self._demonstration = demonstration
        self._contexts: dict[str | None, BrowserContext] = {}

    def page(self, picture: Picture) -> Page:
        """Return a new page of whoever sees a picture."""
        if picture.who not in self._contexts:
            self._contexts[picture.who] = self._signed_in(picture.who)
        page = self._contexts[picture.who].new_page()
        page.set_viewport_size(_PHONE if picture.phone else _DESKTOP)
        page.emulate_media(
            color_scheme="dark" if picture.dark else "light", reduced_motion="reduce"
        )
        return page

    def _signed_in(self, who: str | None) -> BrowserContext:
        context = self._browser.new_context(
            base_url=self._demonstration.url, locale="en-GB", timezone_id="Europe/Madrid"
        )
        if who is not None:
            account = self._demonstration.sign_ins[who]
            page = context.new_page()
            page.goto("/sign-in")
            page.get_by_label("E-mail").fill(account.email)
            page.get_by_label("Password", exact=True).fill(account.password)
            page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
            page.wait_for_url(lambda url: not url.endswith("/sign-in"))
            page.close()
        return context


def _take(page: Page, picture: Picture) -> bytes:
    """Return a picture with few colours, no taller than a page of the docs can show."""
    try:
        picture.reach(page)
        page.mouse.move(0, 0)
        page.wait_for_load_state("load")
        size = page.viewport_size or _DESKTOP
        whole = page.evaluate("document.documentElement.scrollHeight")
        taken = page.screenshot(
            full_page=True,
            animations="disabled",
            clip={"x": 0, "y": 0, "width": size["width"], "height": min(whole, _TALLEST)},
        )
    finally:
        page.close()
    reduced = Image.open(BytesIO(taken)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    file = BytesIO()
    reduced.save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())

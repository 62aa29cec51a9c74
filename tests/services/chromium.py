"""Chromium for the tests of pages: the machine's own, or one that is installed for them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright

from tests.services.processes import CannotStart, can_install, install

VARIABLE = "FLEXAGORA_TEST_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_PACKAGES = ("chromium", "fonts-dejavu-core")
_QUIET = (  # a test's browser asks nobody but the pages' own server for anything
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
)


def provide() -> Path:
    """Return the program, installed first as root on Debian.

    The one that FLEXAGORA_TEST_CHROMIUM names comes before those on the path. Raises CannotStart
    where there is none and none can be installed.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        if shutil.which(named) is None:
            raise CannotStart(f"{VARIABLE} names no program: {named}")
        return Path(named)
    if _found() is None and can_install():
        install(*_PACKAGES)
    found = _found()
    if found is None:
        raise CannotStart(
            "The tests of the website need Chromium. Install the package chromium, or name a"
            f" Chromium or Chrome in {VARIABLE}."
        )
    return found


@contextmanager
def chromium(program: Path | None = None) -> Iterator[Browser]:
    """Give a browser without a window, for as long as the block runs. Raises CannotStart."""
    arguments = list(_QUIET)
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # it refuses to sandbox anything for root
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=program or provide(), headless=True, args=arguments
            )
        except Error as error:
            raise CannotStart(f"Chromium does not start: {error}") from error
        try:
            yield browser
        finally:
            browser.close()


def _found() -> Path | None:
    for name in _NAMES:
        program = shutil.which(name)
        if program is not None:
            return Path(program)
    return None

"""Somebody at a browser of their own, and what went wrong on the pages that they saw."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    ViewportSize,
    WebError,
)
from yarl import URL

from tests.browser import axe

DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)
_WAIT_MS = 15_000
_OWN_SCHEMES = ("about", "blob", "data")
_LEFT_BEHIND = "net::ERR_ABORTED"  # who goes on to the next page waits for nothing of the last one
_SAID_BY_ITS_ANSWER = "Failed to load resource"


@dataclass(frozen=True)
class Setting:
    """What somebody's browser is like. also are the origins besides the site that it may ask."""

    javascript: bool = True
    dark: bool = False
    phone: bool = False
    language: str = "en-GB"
    time_zone: str = "Europe/Ljubljana"
    also: Collection[str] = ()


USUAL = Setting()


class Person:
    """A person at a page of a site, with cookies of their own.

    problems has a line for whatever no page of the site may do: complain in the console, raise an
    error, break its content security policy, ask for something elsewhere or that is not there, or
    answer with a failure of the server. A test whose people have any fails.
    """

    def __init__(self, browser: Browser, site: str, setting: Setting) -> None:
        self.problems: list[str] = []
        self._origins = {URL(one).origin() for one in (site, *setting.also)}
        self._context = browser.new_context(
            base_url=site,
            java_script_enabled=setting.javascript,
            color_scheme="dark" if setting.dark else "light",
            reduced_motion="reduce",  # a colour that is fading in has too little contrast yet
            viewport=PHONE if setting.phone else DESKTOP,
            locale=setting.language,
            timezone_id=setting.time_zone,
        )
        self._context.set_default_timeout(_WAIT_MS)
        self._context.on("console", self._on_console)
        self._context.on("weberror", self._on_error)
        self._context.on("request", self._on_request)
        self._context.on("requestfailed", self._on_failed_request)
        self._context.on("response", self._on_response)
        self.page: Page = self._context.new_page()

    def go(self, path: str) -> Response:
        """Open a page of the site and return its answer."""
        response = self.page.goto(path)
        assert response is not None, f"There is no answer for {path}."
        return response

    def sign_in(self, email: str, password: str) -> None:
        """Sign in, and be at the first page of whoever that is."""
        self.go("/sign-in")
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        main = self.page.get_by_role("main")
        main.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url(lambda url: not url.endswith("/sign-in"))

    def excuse(self, part: str) -> None:
        """Take back the problems with these words, which a test has caused on purpose.

        Fails when there is none: an excuse that is not needed would hide the next one.
        """
        self._come_in()
        excused = [problem for problem in self.problems if part in problem]
        assert excused, f"Nothing to excuse is about {part!r}: {self.problems}"
        self.problems = [problem for problem in self.problems if problem not in excused]

    def check_accessibility(self) -> None:
        """Fail if axe finds anything serious or critical on the present page."""
        findings = axe.examine(self.page)
        assert not findings, axe.told(self.page.url, findings)

    def leave(self, picture: Path, *, failed: bool) -> list[str]:
        """Close the browser's windows and return the problems.

        If there are any, or the test has failed, the present page is left as a picture.
        """
        try:
            self._come_in()
            if (failed or self.problems) and not self.page.is_closed():
                self.page.screenshot(path=picture, full_page=True)
        finally:
            self._context.close()
        return self.problems

    def _come_in(self) -> None:
        """Have everything noted that the browser has told so far."""
        self._context.cookies()

    def _note(self, what: str, said: str, where: str) -> None:
        self.problems.append(f"{what}: {said} (at {where})")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning") or _SAID_BY_ITS_ANSWER in message.text:
            return
        where = message.page.url if message.page else "no page"
        breach = "content security policy" in message.text.lower()
        self._note("policy" if breach else f"console {message.type}", message.text, where)

    def _on_error(self, error: WebError) -> None:
        self._note("error", str(error.error), error.page.url if error.page else "no page")

    def _on_request(self, request: Request) -> None:
        url = URL(request.url)
        if url.scheme not in _OWN_SCHEMES and url.origin() not in self._origins:
            self._note("elsewhere", f"{request.method} {request.url}", request.frame.url)

    def _on_failed_request(self, request: Request) -> None:
        if request.failure and _LEFT_BEHIND not in request.failure:
            self._note("no answer", f"{request.method} {request.url}", request.failure)

    def _on_response(self, response: Response) -> None:
        asked = response.request
        # A page, or a part of one that a script asks for, may well say 404 or 422 to a person.
        said_to_people = asked.is_navigation_request() or asked.resource_type in ("xhr", "fetch")
        if response.status >= 500 or (response.status >= 400 and not said_to_people):
            self._note("answer", f"{response.status} to {asked.method}", response.url)

"""Somebody who visits the website without a browser: pages, their forms, and what they show."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from urllib.parse import urljoin, urlsplit

import requests
from lxml import html

Given = Mapping[str, str | Sequence[str]]

PASSWORD = "a long walk by the river"
HOSTILE = "<script>alert(1)</script>\"'{{7*7}}"
"""A text that harms wherever it is not escaped, or taken for a template."""

_HTML = {"Accept": "text/html"}


class Page:
    """An answer of the website, as somebody sees it."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.url = response.url
        self.text = response.text

    @cached_property
    def tree(self) -> html.HtmlElement:
        """The page as a tree."""
        return html.fromstring(self.text)

    @property
    def path(self) -> str:
        """The path that this page is at, without its query."""
        return urlsplit(self.url).path

    @property
    def title(self) -> str:
        """The page's first heading."""
        [heading] = self.tree.xpath("//h1")
        return words(heading)

    @property
    def words(self) -> str:
        """What stands in the main part of the page."""
        [main] = self.tree.xpath("//main")
        return words(main)

    @property
    def notices(self) -> list[str]:
        """What the page tells at its top: what was done, or why it was not."""
        return [words(one) for one in self.tree.xpath('//*[contains(@class, "notice")]')]

    def wrong(self, name: str) -> str:
        """Return what is said below an input of what was wrong with it."""
        [told] = self.tree.xpath(f'//small[@id="field-{name.replace("/", "-")}-help"]')
        assert "wrong" in told.get("class", ""), f"Nothing is said to be wrong with {name}."
        return words(told)

    def value(self, name: str) -> str:
        """Return what an input shows; a textarea's first line break is none of its text."""
        [found] = {str(field.value or "").removeprefix("\n") for field in self._fields(name)}
        return found

    def text_of(self, identifier: str) -> str:
        """Return the text of the element with an id."""
        return str(self.tree.get_element_by_id(identifier).text_content()).strip()

    def form(self, button: str) -> html.FormElement:
        """Return the form with a button of this name."""
        found = [
            form
            for form in self.tree.forms
            if any(button == words(one) for one in form.xpath(".//button"))
        ]
        assert len(found) == 1, f"{len(found)} forms at {self.url} have a button {button!r}."
        return found[0]

    def link(self, name: str) -> str:
        """Return where a link of this name leads."""
        found = {one.get("href") for one in self.tree.xpath("//a") if words(one) == name}
        assert len(found) == 1, f"{len(found)} links at {self.url} are named {name!r}."
        return urljoin(self.url, str(found.pop()))

    def _fields(self, name: str) -> list[html.HtmlElement]:
        return [form.inputs[name] for form in self.tree.forms if name in form.inputs]


class Visitor:
    """Somebody with cookies of their own at a site; what is asked for is done as by a browser."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False

    def go(self, path: str) -> Page:
        """Return the page at a path, or wherever that leads."""
        return self._page(self.session.get(urljoin(self.site, path), headers=_HTML, timeout=60))

    def follow(self, page: Page, link: str) -> Page:
        """Return the page that a link of this name leads to."""
        return self.go(page.link(link))

    def press(self, page: Page, button: str, given: Given | None = None) -> Page:
        """Fill a form, by the names of its inputs, and return what pressing its button leads to.

        Inputs that are not named keep what they show. A name that no input has is a mistake of the
        test; the empty list leaves every box of a name unticked.
        """
        url, data = filled(page, button, given)
        return self.post(url, data)

    def post(self, url: str, data: list[tuple[str, str]]) -> Page:
        """Return what a form that is sent as it is leads to."""
        where = urljoin(self.site, url)
        return self._page(self.session.post(where, data=data, headers=_HTML, timeout=60))

    @staticmethod
    def _page(response: requests.Response) -> Page:
        return Page(response)


def filled(
    page: Page, button: str, given: Given | None = None
) -> tuple[str, list[tuple[str, str]]]:
    """Return where a form is sent, and everything it holds once it is filled."""
    form = page.form(button)
    given = {} if given is None else given
    names = {field.get("name") for field in form.xpath(".//*[@name]")}
    assert set(given) <= names, f"There are no inputs {set(given) - names}, only {names}."
    pressed = next(one for one in form.xpath(".//button") if words(one) == button)
    data = [(name, str(value)) for name, value in form.form_values() if name not in given]
    for name, value in given.items():
        data += [(name, one) for one in ([value] if isinstance(value, str) else value)]
    if pressed.get("name"):
        data.append((pressed.get("name"), pressed.get("value", "")))
    return urljoin(page.url, pressed.get("formaction") or form.action or ""), data


def words(element: html.HtmlElement) -> str:
    """Return the words of an element, with single blanks between them."""
    return " ".join(str(element.text_content()).split())


def sign_up(site: str, company: str, email: str, **changed: str | Sequence[str]) -> Visitor:
    """Return the first person of a new company, signed in."""
    someone = Visitor(site)
    page = someone.go("/sign-up")
    entered = someone.press(page, "Sign up", sign_up_form(company, email) | changed)
    assert entered.path == "/overview", entered.words
    return someone


def sign_up_form(company: str, email: str) -> dict[str, str | Sequence[str]]:
    """Return what somebody enters to sign a company up."""
    return {
        "name": company,
        "roles": ["DSO", "AGGREGATOR"],
        "country": "ES",
        "personName": "Ana Ruiz",
        "email": email,
        "password": PASSWORD,
        "passwordAgain": PASSWORD,
        "timeZone": "Europe/Madrid",
    }


def sign_in(site: str, email: str, password: str = PASSWORD) -> Visitor:
    """Return somebody who has signed in with a password."""
    someone = Visitor(site)
    page = someone.press(someone.go("/sign-in"), "Sign in", {"email": email, "password": password})
    assert page.status == 200, page.words
    assert page.path != "/sign-in", page.words
    return someone

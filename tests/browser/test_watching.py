"""Each check of a page, on a page that it must find fault with, and on one that it must not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import axe
from tests.browser.conftest import AsPerson
from tests.browser.pages import Served, page, serving
from tests.browser.person import Setting

SCRIPT = "text/javascript"
ELSEWHERE = "http://127.0.0.1:9"
FAILING = Path(__file__).with_name("failing.py")

ANSWERS = {
    "/": Served(page('<p id="told">Plain</p><script src="/good.js"></script>')),
    "/good.js": Served("document.getElementById('told').textContent = 'By a script';", 200, SCRIPT),
    "/console": Served(page('<script src="/console.js"></script>')),
    "/console.js": Served("console.error('Something is odd.');", 200, SCRIPT),
    "/error": Served(page('<script src="/error.js"></script>')),
    "/error.js": Served("setTimeout(() => { throw new Error('It broke.') });", 200, SCRIPT),
    "/inline-script": Served(page("<script>document.title = 'changed'</script>")),
    "/inline-style": Served(page('<p style="color: red">Red</p>')),
    "/handler": Served(page('<button onclick="go()">Go</button>')),
    "/elsewhere": Served(page(f'<img alt="A tile" src="{ELSEWHERE}/tile.png">'), headers={}),
    "/missing": Served(page("", '<link rel="stylesheet" href="/nowhere.css">')),
    "/failing": Served(page("<p>Sorry</p>"), 500),
    "/not-found": Served(page("<p>There is no such service.</p>"), 404),
    "/fetching": Served(page('<script src="/fetching.js"></script><p id="told">Wait</p>')),
    "/fetching.js": Served(
        "fetch('/not-found').then(r => document.getElementById('told').textContent = r.status);",
        200,
        SCRIPT,
    ),
    "/unlabelled": Served(page('<form><input name="q"></form>')),
    "/nameless": Served(page("<p>No language</p>", language="")),
    "/faint": Served(page('<p class="faint">Faint</p>', '<link rel="stylesheet" href="/f.css">')),
    "/f.css": Served(".faint { color: #bbbbbb; background: #ffffff }", 200, "text/css"),
}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving(ANSWERS) as url:
        yield url


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("/console", "console error", "Something is odd."),
        ("/error", "error", "It broke."),
        ("/inline-script", "policy", "script"),
        ("/inline-style", "policy", "style"),
        ("/handler", "policy", "script"),
        ("/elsewhere", "elsewhere", f"{ELSEWHERE}/tile.png"),
        ("/elsewhere", "no answer", f"{ELSEWHERE}/tile.png"),
        ("/missing", "answer", "404 to GET"),
        ("/failing", "answer", "500 to GET"),
    ],
)
def test_what_is_wrong_on_a_page_is_noted(
    as_person: AsPerson, site: str, path: str, kind: str, said: str
) -> None:
    person = as_person(site)
    person.go(path)
    person.page.wait_for_timeout(300)
    noted = [one for one in person.problems if one.startswith(f"{kind}: ") and said in one]
    assert noted, person.problems
    person.problems.clear()


@pytest.mark.parametrize("path", ["/inline-style", "/elsewhere", "/missing", "/failing"])
def test_it_is_noted_without_javascript_too(as_person: AsPerson, site: str, path: str) -> None:
    person = as_person(site, Setting(javascript=False))
    person.go(path)
    person.page.wait_for_timeout(300)
    assert person.problems
    person.problems.clear()


@pytest.mark.parametrize("path", ["/", "/not-found", "/fetching"])
def test_nothing_is_noted_of_a_page_that_is_well(as_person: AsPerson, site: str, path: str) -> None:
    person = as_person(site)
    person.go(path)
    person.page.wait_for_load_state("networkidle")
    assert person.problems == []


def test_scripts_run_only_where_they_are_to(as_person: AsPerson, site: str) -> None:
    usual, without = as_person(site), as_person(site, Setting(javascript=False))
    for person in (usual, without):
        person.go("/")
    assert usual.page.inner_text("#told") == "By a script"
    assert without.page.inner_text("#told") == "Plain"


def test_only_what_happened_can_be_excused(as_person: AsPerson, site: str) -> None:
    person = as_person(site)
    person.go("/failing")
    with pytest.raises(AssertionError, match="Nothing to excuse"):
        person.excuse("404 to GET")
    person.excuse("500 to GET")
    assert person.problems == []


@pytest.mark.parametrize(
    ("path", "rule", "selector"),
    [
        ("/unlabelled", "label", "input"),
        ("/nameless", "html-has-lang", "html"),
        ("/faint", "color-contrast", "p"),
    ],
)
def test_axe_finds_what_keeps_people_out(
    as_person: AsPerson, site: str, path: str, rule: str, selector: str
) -> None:
    person = as_person(site)
    person.go(path)
    [finding] = axe.examine(person.page)
    assert (finding.rule, finding.selector) == (rule, selector)
    with pytest.raises(AssertionError, match=rule) as told:
        person.check_accessibility()
    assert finding.advice.splitlines()[0] in str(told.value)


def test_axe_finds_nothing_on_a_plain_page(as_person: AsPerson, site: str) -> None:
    person = as_person(site)
    person.go("/")
    person.check_accessibility()


def test_a_test_fails_with_its_pages_and_leaves_a_picture(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(FAILING), "-q", f"--basetemp={tmp_path / 'of-it'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ERROR" in done.stdout
    assert "1 failed, 1 passed, 1 error" in done.stdout, done.stdout
    assert "answer: 500 to GET" in done.stdout
    for name in ("test_that_fails_by_itself0", "test_whose_page_fails0"):
        assert (tmp_path / "of-it" / name / "person-1.png").stat().st_size

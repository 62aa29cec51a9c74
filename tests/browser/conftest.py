"""Browsers for the tests, and people who sit at them."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser

from tests.browser.person import USUAL, Person, Setting
from tests.services.chromium import chromium


class AsPerson(Protocol):
    """Seats a person at a browser of their own, before a site."""

    def __call__(self, site: str, setting: Setting = ...) -> Person: ...


_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return the browser of this process.

    It lives as long as the tests of this folder run: its loop stands in the way of any other.
    """
    with chromium() as started:
        yield started


@pytest.fixture
def as_person(
    browser: Browser, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[AsPerson]:
    """Return what seats a person at a browser of their own.

    A test fails with whatever went wrong on a page; of a test that fails, the last page of each
    person is left as a picture in its folder.
    """
    people: list[Person] = []

    def come(site: str, setting: Setting = USUAL) -> Person:
        people.append(Person(browser, site, setting))
        return people[-1]

    yield come
    failed = request.node.stash.get(_FAILED, False)
    problems = [
        problem
        for number, person in enumerate(people, 1)
        for problem in person.leave(tmp_path / f"person-{number}.png", failed=failed)
    ]
    if failed or problems:
        print(f"Pictures of the last pages are in {tmp_path}")
    assert not problems, "The pages were not as they must be:\n" + "\n".join(problems)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether a test has failed, for what is done at its end."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report

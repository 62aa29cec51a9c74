"""Whether lists can be walked through: every item once, in order, whatever the size of a page."""

from collections.abc import Iterator

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.features import filters_of, has_filtered_lists, has_lists, is_list
from mpp_sdk.conformance.model import NotOffered, NotShown
from mpp_sdk.conformance.refusals import expect_bad_request, expect_named
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.web.contract import Operation

_LARGEST = 200
_MOST_PAGES = 40
_NO_CURSORS = ("noCursorOfThisListAtAll", "AAAA", "====")
_TOO_FEW = "The lists hold too few items to be walked through: fewer than two."


@case(
    "LIST-WALK-01",
    "The pages of a list hold every item once, in order, and end",
    why="What is lost between two pages is never found; what is there twice is counted twice.",
    harmless=True,
    where=has_lists,
)
def walked(subject: Subject) -> str:
    shown, lists = 0, _lists(subject)
    if not lists:
        raise NotOffered("Every list is left out here.")
    for operation in lists:
        whole = [item for page in _pages(subject, operation, _LARGEST) for item in _ids(page)]
        if len(whole) < 2:
            continue
        shown += 1
        _expect_order(subject, operation, whole)
        for limit in {max(1, -(-len(whole) // _MOST_PAGES)), (len(whole) + 1) // 2}:
            parts = [_ids(page) for page in _pages(subject, operation, limit)]
            subject.expect(
                all(len(part) <= limit for part in parts),
                f"{operation.path} gives pages of more than {limit} items with limit={limit}.",
            )
            found = [item for part in parts for item in part]
            if found[: len(whole)] != whole:
                subject.note(
                    f"{operation.path} has {len(whole)} items in pages of {_LARGEST}, and "
                    f"{len(found)} ({len(set(found))} different ones) in pages of {limit}; they "
                    "must be the same in the same order.",
                    advice="A cursor says after which item the next page begins.",
                )
    if not shown and not subject.findings:
        raise NotShown(_TOO_FEW)
    return f"{shown} lists were walked through."


@case(
    "LIST-DEFAULT-01",
    "A page holds 50 items at most when no size is asked for",
    why="Whoever relies on the contract's default would read a page that does not fit.",
    harmless=True,
    where=has_lists,
)
def default_size(subject: Subject) -> str:
    lists = _lists(subject)
    for operation in lists:
        page = subject.call(operation)
        items = _items(page)
        subject.expect(
            len(items) <= 50, f"{page} with {len(items)} items, not 50 at most.", exchange=page
        )
        subject.expect(
            bool(items) or "nextCursor" not in page.fields(),
            f"{page} with `nextCursor` and no items.",
            exchange=page,
        )
    return f"{len(lists)} lists kept to it."


@case(
    "LIST-CURSOR-01",
    "A cursor that the list did not give is refused and named",
    why="Whoever begins again without noticing reads everything twice, or leaves much out.",
    harmless=True,
    where=has_lists,
)
def foreign_cursor(subject: Subject) -> str:
    lists = _lists(subject)
    for operation in lists:
        for cursor in _NO_CURSORS:
            answer = subject.call(operation, query={"cursor": cursor})
            expect_named(subject, answer, "cursor", "is none that the list gave")
    return f"{len(lists)} lists refused it."


@case(
    "LIST-CURSOR-02",
    "A cursor is refused when it comes with another filter",
    why="A page of another list is continued in the middle of this one, and nobody notices.",
    harmless=True,
    where=has_filtered_lists,
)
def cursor_of_another_filter(subject: Subject) -> str:
    tried = 0
    for operation, wanted in [(one, each) for one in _lists(subject) for each in filters_of(one)]:
        page = subject.call(operation, query={"limit": 1})
        cursor = page.fields().get("nextCursor")
        if cursor is None:
            continue
        tried += 1
        name, value = wanted.name, wanted.schema["enum"][0]
        answer = subject.call(operation, query={"cursor": cursor, "limit": 1, name: value})
        expect_bad_request(subject, answer, f"the cursor was given without {name}")
    if not tried:
        raise NotShown(_TOO_FEW)
    return f"{tried} filters refused it."


def _lists(subject: Subject) -> list[Operation]:
    return [one for one in subject.operations() if is_list(one)]


def _pages(subject: Subject, operation: Operation, limit: int) -> Iterator[Exchange]:
    """Return the pages of a list from the first one; of one that does not end, too many."""
    cursor: str | None = None
    sample = subject.sample(operation)  # a cursor belongs to the period that was asked for
    for _ in range(_MOST_PAGES + 2):
        page = subject.call(operation, sample, query={"limit": limit, "cursor": cursor})
        subject.demand(page.status == 200, f"{page}, not 200.", exchange=page)
        yield page
        cursor = page.fields().get("nextCursor")
        if cursor is None:
            return
    if limit < _LARGEST:
        subject.note(f"{operation.path} does not end: there is always a further page.")


def _items(page: Exchange) -> list[dict[str, object]]:
    items = page.fields().get("items")
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _ids(page: Exchange) -> list[str]:
    """Return what names each item of a page, after the moment that the list goes by if it does."""
    return [f"{one.get('offeredAt', '')} {next(iter(_named(one)), one)}" for one in _items(page)]


def _named(item: dict[str, object]) -> list[object]:
    return [value for name, value in item.items() if name == "id" or name.endswith("Id")]


def _expect_order(subject: Subject, operation: Operation, ids: list[str]) -> None:
    keys = [one.partition(" ")[0] or one for one in ids]  # of one moment, any order
    subject.expect(
        keys == sorted(keys) and len(ids) == len(set(ids)),
        f"{operation.path} is not in the order of its ids, each once.",
        advice="Sort by the id, the lowest first.",
    )

"""What a platform says that it holds, where it offers to say it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from mpp_sdk.conformance.subject import Subject
from mpp_sdk.web.formats import is_date_time

LIST_OFFERS = "list_held_service_offers"
LIST_EVENTS = "list_held_events"
_PAGE = 200
_LISTED = "Keep the place in the list in the cursor: the id of the last item is enough."


def pages(subject: Subject, operation: str, **query: object) -> Iterator[list[Mapping[str, Any]]]:
    """Give the pages of a list, one after another, to its end.

    A page that cannot be had, and a cursor that leads back, are noted and end the case.
    """
    seen: set[str] = set()
    while True:
        answer = subject.call(operation, query=query)
        subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
        items = answer.fields().get("items", [])
        limit = query.get("limit")
        if isinstance(limit, int):
            subject.expect(
                len(items) <= limit,
                f"A page has {len(items)} items, and {limit} were asked for at most.",
                advice="Keep to `limit`.",
                exchange=answer,
            )
        yield items
        cursor = answer.fields().get("nextCursor")
        if cursor is None:
            return
        subject.demand(
            cursor not in seen,
            "A nextCursor leads back to a page that was given before.",
            advice=_LISTED,
            exchange=answer,
        )
        seen.add(cursor)
        query = {**query, "cursor": cursor}


def held_offer(subject: Subject, subscription_id: UUID) -> Mapping[str, Any] | None:
    """Return what the platform holds of a subscription, an empty mapping for nothing.

    None where the platform does not offer to tell.
    """
    if not subject.offers(subject.operation(LIST_OFFERS)):
        return None
    for page in pages(subject, LIST_OFFERS, limit=_PAGE):
        for item in page:
            if same_id(item.get("subscriptionId"), subscription_id):
                return item
    return {}


def held_events(
    subject: Subject, since: datetime, subscription_id: UUID | None = None
) -> list[Mapping[str, Any]] | None:
    """Return the events that the platform holds since a moment, of one subscription or of all.

    None where the platform does not offer to tell.
    """
    if not subject.offers(subject.operation(LIST_EVENTS)):
        return None
    return [
        item
        for page in pages(subject, LIST_EVENTS, since=since.isoformat(), limit=_PAGE)
        for item in page
        if subscription_id is None or same_id(item.get("subscriptionId"), subscription_id)
    ]


def same_id(text: object, wanted: UUID) -> bool:
    """Return whether a text is this id, in whatever letters it is written."""
    return str(text).lower() == str(wanted)


def moment_of(text: object) -> datetime | None:
    """Return the moment that a text of a contract states; None when it states none."""
    if not isinstance(text, str) or not is_date_time(text):
        return None
    return datetime.fromisoformat(text.upper())

"""Every query about deliveries that is not the outbox's own."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Bundle

from marketplace.core.paging import Key, Page, paginate
from marketplace.core.unit_of_work import current_session
from marketplace.delivery.domain import EventKind
from marketplace.delivery.tables import OUTBOX
from mpp_sdk.outbox import Attempt, Event, EventState


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries are asked for; what is None does not restrict.

    visible_to is the market player that asks; None is an operator, who sees every one.
    """

    visible_to: UUID | None = None
    state: EventState | None = None
    market_player_id: UUID | None = None
    subscription_id: UUID | None = None
    kind: EventKind | None = None


def list_deliveries(wanted: DeliveryFilter, limit: int, cursor: str | None) -> Page[Event]:
    """Return a page of the deliveries that a filter selects, the newest first."""
    event = OUTBOX.event.c
    columns = [event[name] for name in Event.__dataclass_fields__]
    statement: Select[Any] = select(Bundle("event", *columns))
    for player in (wanted.visible_to, wanted.market_player_id):
        if player is not None:
            statement = statement.where(event.lane == str(player))
    if wanted.state is not None:
        statement = statement.where(event.state == wanted.state)
    if wanted.subscription_id is not None:
        statement = statement.where(event.ordering_key == str(wanted.subscription_id))
    if wanted.kind is not None:
        statement = statement.where(event.kind == wanted.kind)
    newest_first = [Key(event.event_id, descending=True)]
    page: Page[Any] = paginate(
        current_session(), statement, newest_first, limit, cursor, bound_to=wanted
    )
    return page.map(lambda row: Event(**{**row._mapping, "state": EventState(row.state)}))


def list_attempts(
    event_id: UUID, resulting_state: EventState | None, limit: int, cursor: str | None
) -> Page[Attempt]:
    """Return a page of the attempts of a delivery, the newest first."""
    attempt = OUTBOX.attempt.c
    columns = [attempt[name] for name in Attempt.__dataclass_fields__]
    statement: Select[Any] = select(Bundle("attempt", *columns)).where(attempt.event_id == event_id)
    if resulting_state is not None:
        statement = statement.where(attempt.resulting_state == resulting_state)
    newest_first = [Key(attempt.number, descending=True)]
    wanted = (event_id, resulting_state)
    page: Page[Any] = paginate(
        current_session(), statement, newest_first, limit, cursor, bound_to=wanted
    )
    return page.map(
        lambda row: Attempt(**{**row._mapping, "resulting_state": EventState(row.resulting_state)})
    )

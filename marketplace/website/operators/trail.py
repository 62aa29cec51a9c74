"""The audit trail: every transition with who, when and why. A company sees what concerns it."""

from functools import partial
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue

from marketplace.core.audit import AuditEntry, AuditFilter
from marketplace.core.paging import Page
from marketplace.identity import access
from marketplace.monitoring import service as monitoring
from marketplace.website.frame import lists
from marketplace.website.frame.lists import Column
from marketplace.website.frame.rights import acts_as
from marketplace.website.frame.visitor import require_visitor
from marketplace.website.operators.blueprint import blueprint
from marketplace.website.operators.choosing import chosen_company
from marketplace.website.operators.naming import companies_of, page_of
from mpp_sdk.contracts.marketplace.models import AuditedKind

_COLUMNS = [
    Column[AuditEntry]("auditId", lambda one: one.id),
    Column[AuditEntry]("occurredAt", lambda one: one.occurred_at),
    Column[AuditEntry]("recordedAt", lambda one: one.recorded_at),
    Column[AuditEntry]("actor", lambda one: one.actor_name),
    Column[AuditEntry]("entityKind", lambda one: one.entity_kind),
    Column[AuditEntry]("entityId", lambda one: one.entity_id),
    Column[AuditEntry]("action", lambda one: one.action),
    Column[AuditEntry]("fromState", lambda one: one.from_state),
    Column[AuditEntry]("toState", lambda one: one.to_state),
    Column[AuditEntry]("reason", lambda one: one.reason),
    Column[AuditEntry]("subscriptionId", lambda one: one.subscription_id),
    Column[AuditEntry]("marketPlayerId", lambda one: one.market_player_id),
    Column[AuditEntry]("correlationId", lambda one: one.correlation_id),
]


@blueprint.get("/audit-trail")
@acts_as("monitoring.list_audit_trail")
def audit_trail() -> ResponseReturnValue:
    """Show what was done, the newest first."""
    choice = chosen_company()
    kind = lists.one_of("kind", AuditedKind)
    wanted = AuditFilter(
        visible_to=access.visible_to(),
        entity_kind=None if kind is None else kind.value,
        entity_id=lists.text("entity"),
        subscription_id=lists.identifier("subscription"),
        market_player_id=choice.id,
        action=lists.text("action"),
        actor_subject=lists.text("actor"),
        recorded_from=lists.moment("since"),
        recorded_until=lists.moment("until"),
    )
    fetch = partial(monitoring.list_audit_trail, wanted)
    if lists.wants_csv() and not choice.is_open:
        return lists.csv_file("audit-trail", _COLUMNS, fetch)
    page: Page[AuditEntry] = Page([])
    if not choice.is_open:
        page = fetch(lists.PAGE, lists.cursor())
    is_operator = require_visitor().principal.is_operator
    return render_template(
        "operators/audit_trail.html",
        listed=lists.listed(page),
        choice=choice,
        companies=companies_of(
            [choice.id, *(one for entry in page.items for one in _concerned(entry))]
        ),
        kinds=[(one.value, one.value) for one in AuditedKind],
        page_of=partial(page_of, operator=is_operator),
    )


def _concerned(entry: AuditEntry) -> tuple[UUID | None, ...]:
    return (entry.market_player_id, entry.provider_id, entry.requester_id)

"""What pages can be told of while they are open, and how it is seen that it has changed."""

from uuid import UUID

from marketplace.core.audit import AuditFilter
from marketplace.identity import access
from marketplace.monitoring import service as monitoring
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.errors import NotFound


def mark_of(topic: str) -> object:
    """Return what changes whenever a topic has something new, for whoever acts.

    Topics are `subscription/<id>`, `request/<id>`, `company` and `board`. Raises NotFound for
    others, and for what is not the visitor's.
    """
    name, _, identifier = topic.partition("/")
    if name == "subscription":
        return _of_subscription(_uuid(identifier))
    if name == "request":
        return negotiation.read_request(_uuid(identifier)).request.version
    if topic == "company":
        entries = monitoring.newest_of_company(1)
        return entries[0].id if entries else None
    if topic == "board":
        access.require_operator()
        return _newest(AuditFilter())
    raise NotFound("There is no such stream.")


def _of_subscription(subscription_id: UUID) -> object:
    row = subscriptions.read_subscription(subscription_id)
    statuses = monitoring.list_statuses(subscription_id, None, 1, None).items
    audited = _newest(AuditFilter(visible_to=access.visible_to(), subscription_id=subscription_id))
    return row.version, audited, statuses[0].event_id if statuses else None


def _newest(wanted: AuditFilter) -> object:
    entries = monitoring.list_audit_trail(wanted, 1, None).items
    return entries[0].id if entries else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("There is no such stream.") from error

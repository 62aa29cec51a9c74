"""Faults of a platform that is restarted: what it has forgotten when it answers again."""

from sqlalchemy import delete, select, update

from mpp_sdk.state.tables import REPLIES, EventRow, InboundKeyRow, SubscriptionRow
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken


@fault(
    "The inbox is in memory, and empty after a restart.",
    caught_by=("EU-MP-RESTART-01", "EU-MP-RESTART-02", "EU-MP-RESTART-05"),
)
def forgets_its_inbox(broken: Broken) -> None:
    if broken.starts:
        with broken.platform.transactions() as session:
            session.execute(delete(EventRow))


@fault("Every subscription is ACTIVE after a restart.", caught_by=("EU-MP-RESTART-02",))
def wakes_everything(broken: Broken) -> None:
    if broken.starts:
        with broken.platform.transactions() as session:
            session.execute(update(SubscriptionRow).values(state="ACTIVE"))


@fault(
    "After a restart, the first key of the settings alone is known.",
    caught_by=("EU-MP-RESTART-03",),
)
def forgets_its_keys(broken: Broken) -> None:
    if broken.starts:
        with broken.platform.transactions() as session:
            first = select(InboundKeyRow.id).order_by(InboundKeyRow.id).limit(1)
            session.execute(
                delete(InboundKeyRow).where(InboundKeyRow.id.not_in(first.scalar_subquery()))
            )


@fault("After a restart, a question for a key is a new one.", caught_by=("EU-MP-RESTART-04",))
def forgets_its_answers(broken: Broken) -> None:
    if broken.starts:
        with broken.platform.transactions() as session:
            session.execute(delete(REPLIES.table))

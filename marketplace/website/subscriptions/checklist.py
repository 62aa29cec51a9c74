"""What is missing of a subscription, in words, with what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from marketplace.activations.domain import ActivationState
from marketplace.consents.domain import ConsentState
from marketplace.delivery.domain import PlatformRole, role_of
from marketplace.monitoring.completeness import Completeness
from marketplace.subscriptions.domain import ENDED, SubscriptionState
from marketplace.website.frame.labels import explanation
from marketplace.website.subscriptions.parties import Parties
from mpp_sdk.outbox import Event, EventState

_NO = (
    ConsentState.DENIED,
    ConsentState.TIMED_OUT,
    ConsentState.WITHDRAWN,
    ConsentState.EXPIRED,
)


@dataclass(frozen=True)
class Item:
    """Something that is missing: what, since when, what to do, and where."""

    tone: str
    title: str
    advice: str
    url: str | None = None
    link: str | None = None
    since: datetime | None = None


def items_of(found: Parties, known: Completeness) -> list[Item]:
    """Return what is missing; nothing for a subscription that has ended."""
    if found.row.state in ENDED:
        return []
    return [
        *_holds(found),
        *_platforms(found, known),
        *_statuses(found, known),
        *_points_of_delivery(found, known),
    ]


def _holds(found: Parties) -> Iterator[Item]:
    for hold in sorted(found.row.standing.holds):
        advice = _("Whoever has suspended it can resume it.")
        if found.can_be_resumed:
            advice = _("Resume it when the reason is gone.")
        yield Item("bad", explanation(hold) or hold.value, advice, since=found.row.state_since)


def _platforms(found: Parties, known: Completeness) -> Iterator[Item]:
    told = {role_of(event.path) for event in known.unheard}
    for event in known.unheard:
        yield _unheard(found, event)
    if found.row.state is not SubscriptionState.PENDING:
        return
    for role, company in (
        (PlatformRole.PROVIDER, found.provider),
        (PlatformRole.REQUESTER, found.requester),
    ):
        if role not in found.row.acknowledged_by and role not in told:
            yield Item(
                "waiting",
                _("%(company)s's platform has not acknowledged yet.", company=company.name),
                _("The marketplace tells it again by itself. Ask them if it takes long."),
                since=found.row.created_at,
            )


def _unheard(found: Parties, event: Event) -> Item:
    is_own = (found.is_provider and role_of(event.path) is PlatformRole.PROVIDER) or (
        found.is_requester and role_of(event.path) is PlatformRole.REQUESTER
    )
    company = found.provider if role_of(event.path) is PlatformRole.PROVIDER else found.requester
    url = url_for("operators.delivery", event_id=event.event_id)
    if event.state is EventState.DEAD:
        title = _("A message to %(company)s's platform was given up.", company=company.name)
        if is_own:
            title = _("A message to your platform was given up.")
        advice = _("Mend what the last answer says, then ask the operator to send it again.")
        return Item("bad", title, advice, url, _("See the attempts"), event.finished_at)
    title = _("%(company)s's platform has not answered.", company=company.name)
    if is_own:
        title = _("Your platform has not answered.")
    advice = _("The marketplace tries again by itself. Check that the platform runs.")
    if event.attempts == 0:
        advice = _("The message is on its way.")
    return Item("waiting", title, advice, url, _("See the attempts"), event.created_at)


def _statuses(found: Parties, known: Completeness) -> Iterator[Item]:
    if not known.is_overdue:
        return
    advice = _("Ask the provider whether the service works.")
    if found.is_provider:
        advice = _("Check that your platform runs and can reach the marketplace.")
    yield Item("bad", _("The provider's status is overdue."), advice, since=known.due_at)


def _points_of_delivery(found: Parties, known: Completeness) -> Iterator[Item]:
    pods = url_for("subscriptions.points_of_delivery", subscription_id=found.row.id)
    if known.total == 0:
        if found.takes_points_of_delivery:
            adding = url_for("subscriptions.add", subscription_id=found.row.id)
            advice = _("Add those whose data you want.")
            yield Item("waiting", _("There are no points of delivery."), advice, adding, _("Add"))
        else:
            advice = _("The requester adds them, here or by its platform.")
            yield Item("waiting", _("There are no points of delivery."), advice)
        return
    counts = known.consents
    if known.not_taken_up:
        yield Item(
            "waiting",
            ngettext(
                "%(num)s point of delivery waits for the provider.",
                "%(num)s points of delivery wait for the provider.",
                known.not_taken_up,
            ),
            _("The requester's platform asks for them; the provider's has told nothing yet."),
            pods,
            _("See them"),
        )
    asked = counts.get(ConsentState.REQUESTED, 0)
    if asked:
        yield Item(
            "waiting",
            ngettext(
                "%(num)s customer has not answered.", "%(num)s customers have not answered.", asked
            ),
            _("The provider has asked for their consent."),
            f"{pods}?consent={ConsentState.REQUESTED}",
            _("See them"),
        )
    refused = sum(counts.get(state, 0) for state in _NO)
    if refused:
        yield Item(
            "bad",
            ngettext(
                "%(num)s point of delivery has no consent.",
                "%(num)s points of delivery have no consent.",
                refused,
            ),
            _("Denied, not answered in time, withdrawn or expired. No data flows for them."),
            pods,
            _("See them"),
        )
    preparing = known.activations.get(ActivationState.REQUESTED, 0)
    if preparing:
        yield Item(
            "waiting",
            ngettext(
                "%(num)s activation is being prepared.",
                "%(num)s activations are being prepared.",
                preparing,
            ),
            _("The provider tells as soon as data flows."),
            f"{pods}?activation={ActivationState.REQUESTED}",
            _("See them"),
        )

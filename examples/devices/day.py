"""The day ahead of a household, as its devices need to know it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from examples.devices.habits import Habits
from mpp_sdk.flexoffer.model import Default, FlexOffer, Profile

CURRENCY = "EUR"
GATE_CLOSURE = timedelta(hours=1)
"""How long before the day begins its flex-offers must have been accepted and given schedules."""


@dataclass(frozen=True)
class Day:
    """24 hours of a household from a full hour on: its habits, and the outdoor air in °C.

    outdoor has one temperature for each quarter-hour of it.
    """

    pod_id: str
    start: datetime
    habits: Habits
    outdoor: Sequence[float]

    def at(self, moment: time) -> datetime:
        """Return when it is that time within the day."""
        that = self.start.replace(hour=moment.hour, minute=moment.minute)
        return that if that >= self.start else that + timedelta(days=1)

    def offer(
        self,
        device: str,
        profiles: tuple[Profile, ...],
        default: Default,
        *,
        earliest: datetime,
        latest: datetime,
    ) -> FlexOffer:
        """Return a flex-offer of a device of this household, in Wh as all of the model is."""
        return FlexOffer(
            profiles=profiles,
            default=default,
            start_after=earliest,
            start_before=latest,
            accept_before=self.start - GATE_CLOSURE,
            assign_before=self.start - GATE_CLOSURE,
            offered_by=f"{self.pod_id}/{device}",
            pod_id=self.pod_id,
            currency=CURRENCY,
        )

"""The flexibility contract: what a receiver of flex-offers pays to who offers them.

In delegated trading the contract says what flexibility and its use are worth; in direct trading the
flex-offers carry their prices, and the contract says so. Source: GOFLEX D2.1, 3.3.1 and 3.3.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.flexoffer.rules import joined
from mpp_sdk.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatedTerms:
    """What the receiver pays where it decides when to use the flexibility.

    For each accepted flex-offer: per hour of its time flexibility, and per kWh of its energy
    flexibility (see `valuation`). For its use: per kWh of the deviation from the baseline that was
    asked for and delivered. In each calendar month in all: no less than the guarantee.
    """

    per_hour: Decimal = Decimal(0)
    per_kwh: Decimal = Decimal(0)
    activation: Decimal = Decimal(0)
    monthly_guarantee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class DirectTerms:
    """The receiver pays what the flex-offers ask, for the deviation asked for and delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexibilityContract:
    """Who pays whom on what terms, from when until before when; without an end it goes on.

    currency is an ISO 4217 code, and months are those of zone. Raises InvalidInput with every field
    that is wrong.
    """

    receiver: str
    offered_by: str
    currency: str
    zone: ZoneInfo
    valid_from: datetime
    valid_until: datetime | None = None
    terms: DelegatedTerms | DirectTerms
    id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        errors = list(_broken(self))
        if errors:
            raise InvalidInput(joined(errors), errors)

    def covers(self, start: datetime, end: datetime) -> bool:
        """Return whether it is valid all the time from start until end."""
        return self.valid_from <= start and (self.valid_until is None or end <= self.valid_until)


def _broken(contract: FlexibilityContract) -> Iterator[FieldError]:
    for pointer, text in (("/receiver", contract.receiver), ("/offeredBy", contract.offered_by)):
        if not text:
            yield FieldError(pointer, "required", "It must not be empty.")
    code = contract.currency
    if len(code) != 3 or not (code.isascii() and code.isalpha() and code.isupper()):
        yield FieldError("/currency", "format", "It must be a code of three capital letters.")
    moments = {"/validFrom": contract.valid_from, "/validUntil": contract.valid_until}
    naive = [pointer for pointer, moment in moments.items() if moment and moment.tzinfo is None]
    for pointer in naive:
        yield FieldError(pointer, "offset", "A time needs its offset.")
    if not naive and contract.valid_until and contract.valid_until <= contract.valid_from:
        yield FieldError("/validUntil", "endAfterStart", "It must be after validFrom.")
    if isinstance(contract.terms, DelegatedTerms):
        for name, value in (
            ("perHour", contract.terms.per_hour),
            ("perKwh", contract.terms.per_kwh),
            ("activation", contract.terms.activation),
            ("monthlyGuarantee", contract.terms.monthly_guarantee),
        ):
            if not value.is_finite() or value < 0:
                yield FieldError(f"/terms/{name}", "notNegative", "It must be a number from 0 on.")


def months(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield start and end, in UTC, of each calendar month of zone that lies within the period."""
    local = start.astimezone(zone)
    year, month = local.year, local.month
    while True:
        first = datetime(year, month, 1, tzinfo=zone).astimezone(UTC)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        after = datetime(year, month, 1, tzinfo=zone).astimezone(UTC)
        if after > end:
            return
        if first >= start:
            yield first, after

"""Flex-offers as documents of the pilots."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mpp_sdk.errors import FieldError
from mpp_sdk.flexoffer.dialects.goflex.half_planes import half_planes
from mpp_sdk.flexoffer.dialects.goflex.message import (
    NAMES,
    OBLIGATORY,
    Message,
    Names,
    Sign,
    Spelling,
    Tariff,
)
from mpp_sdk.flexoffer.model import (
    EnergyRange,
    FlexOffer,
    Polygon,
    Profile,
    Slice,
    intervals_since_epoch,
)
from mpp_sdk.flexoffer.rules import refuse


def write(message: Message, *, sign: Sign, spelling: Spelling = Spelling.PILOTS) -> dict[str, Any]:
    """Return a document that says a message, to be written as JSON.

    Energies are in kWh. Power bounds narrow the energies, times are cut to a millisecond, and ends
    follow from starts. Raises InvalidInput, with pointers into the flex-offer as the contract has
    it, for what the dialect cannot say.
    """
    refuse(list(_unsaid(message, spelling)))
    names, offer = NAMES[spelling], message.offer
    document: dict[str, Any] = {
        "id": str(offer.id),
        "state": names.states[message.state],
        "stateReason": message.reason,
        "offeredById": offer.offered_by,
        "locationId": _location(offer.pod_id, spelling),
        "assignment": OBLIGATORY,
        "numSecondsPerInterval": offer.interval // timedelta(seconds=1),
        "currency": offer.currency,
        **_moments(message, names),
        "flexOfferProfileConstraints": _profile(message, sign, names),
        "totalEnergyConstraint": None,
        "defaultSchedule": _schedule(
            offer.default.start or offer.start_after, offer.default.energies, offer, sign, names
        ),
        "flexOfferSchedule": None,
    }
    if offer.start_before_duration is not None:
        document["startBeforeDuration"] = _json(
            Fraction(offer.start_before_duration // timedelta(microseconds=1), 10**6)
        )
    if offer.profile.total is not None:
        total = _signed(_within_reach(offer.profile.total, offer), sign)
        document["totalEnergyConstraint"] = {
            names.lower: _kwh(total.lower),
            names.upper: _kwh(total.upper),
        }
    if message.assignment is not None:
        given = message.assignment
        document["flexOfferSchedule"] = {
            **_schedule(
                given.schedule.start, given.schedule.energies, offer, sign, names, given.tariffs
            ),
            "scheduleId": given.schedule_id,
            "updateId": given.update_id,
        }
    return {**document, **message.other}


def _unsaid(message: Message, spelling: Spelling) -> Iterator[FieldError]:
    """Yield what a message says and the dialect has no words for."""
    offer = message.offer
    if len(offer.profiles) > 1:
        yield _no_words("/profiles", "exclusive profiles")
    if offer.two_mode:
        yield _no_words("/twoMode", "two-mode operation")
    for number, profile in enumerate(offer.profiles):
        if profile.polytope is not None:
            yield _no_words(f"/profiles/{number}/polytope", "A·x <= b")
        if profile.lead:
            yield _no_words(f"/profiles/{number}/lead", "what lies before the start")
    if message.state not in NAMES[spelling].states:
        yield _no_words("/state", f"the state {message.state}")


def _no_words(pointer: str, what: str) -> FieldError:
    return FieldError(pointer, "inDialect", f"This dialect has no words for {what}.")


def _location(pod_id: str | None, spelling: Spelling) -> Any:
    """Return where it is: the pilots have a place for each of some names, others a text."""
    if spelling is Spelling.SPECIFICATION:
        return pod_id
    return {} if pod_id is None else {pod_id: None}


def _moments(message: Message, names: Names) -> Mapping[str, Any]:
    offer = message.offer
    duration = offer.profile.intervals * offer.interval
    moments = {
        "creation": message.created,
        names.accept: offer.accept_before,
        "assignmentBefore": offer.assign_before,
        "startAfter": offer.start_after,
        "startBefore": offer.start_before,
        "endAfter": offer.start_after and offer.start_after + duration,
        "endBefore": offer.start_before and offer.start_before + duration,
    }
    written: dict[str, Any] = {}
    for name, moment in moments.items():
        if moment is not None:
            written[f"{name}Time"] = _time(moment)
            written[f"{name}Interval"] = intervals_since_epoch(moment, offer.interval)
    return written


def _time(moment: datetime) -> str:
    at = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{at.isoformat(timespec='milliseconds')}+0000"


def _profile(message: Message, sign: Sign, names: Names) -> list[dict[str, Any]]:
    profile, interval = message.offer.profile, message.offer.interval
    written = []
    for number, part in enumerate(profile.slices):
        constraint: dict[str, Any] = {
            "energyConstraintList": [
                {names.lower: _kwh(one.lower), names.upper: _kwh(one.upper)}
                for one in _ranges(part, interval, sign)
            ],
            names.tariff_constraint: _tariff(message.tariffs, number, part, names),
            "minDuration": part.duration,
            "maxDuration": part.duration,
        }
        if profile.dependencies:
            constraint["DependencyEnergyConstraintList"] = _rows(profile, number, sign)
        written.append(constraint)
    return written


def _ranges(part: Slice, interval: timedelta, sign: Sign) -> list[EnergyRange]:
    """Return the range of a slice, or each of its options as a range with nothing in between."""
    ranges = [EnergyRange(one, one) for one in part.options] or [part.bounds(interval)]
    return [_signed(one, sign) for one in ranges]


def _within_reach(total: EnergyRange, offer: FlexOffer) -> EnergyRange:
    """Return a total cut to what the ranges, as they are written, can sum up to."""
    ranges = [
        _ranges(part, offer.interval, Sign.CONSUMPTION_POSITIVE) for part in offer.profile.slices
    ]
    return EnergyRange(
        max(total.lower, sum(min(one.lower for one in each) for each in ranges)),
        min(total.upper, sum(max(one.upper for one in each) for each in ranges)),
    )


def _tariff(
    tariffs: Sequence[Tariff | None], number: int, part: Slice, names: Names
) -> dict[str, Any] | None:
    if part.price is None:
        return None
    kept = tariffs[number] if number < len(tariffs) else None
    tariff = kept if kept and kept.price == part.price else Tariff(-part.price, part.price)
    return {names.least: _json(tariff.least), names.most: _json(tariff.most)}


def _rows(profile: Profile, number: int, sign: Sign) -> list[list[float]]:
    polygon: Polygon = profile.dependencies[number]
    turn = -1 if sign is Sign.PRODUCTION_POSITIVE else 1
    return [[_json(turn * a), _json(turn * b), _json(c)] for a, b, c in half_planes(polygon)]


def _schedule(
    start: datetime | None,
    energies: Sequence[float],
    offer: FlexOffer,
    sign: Sign,
    names: Names,
    tariffs: Sequence[Decimal] = (),
) -> dict[str, Any]:
    turn = -1 if sign is Sign.PRODUCTION_POSITIVE else 1
    paid = tariffs or [Decimal(0)] * len(energies)
    return {
        "scheduleId": 0,
        "updateId": 0,
        "startTime": None if start is None else _time(start),
        "scheduleSlices": [
            {
                "duration": part.duration,
                "energyAmount": _kwh(turn * energy),
                names.tariff: _json(per),
            }
            for part, energy, per in zip(offer.profile.slices, energies, paid, strict=True)
        ],
    }


def _signed(energies: EnergyRange, sign: Sign) -> EnergyRange:
    if sign is Sign.CONSUMPTION_POSITIVE:
        return energies
    return EnergyRange(-energies.upper, -energies.lower)


def _kwh(energy: float) -> float:
    return energy / 1_000 if energy else 0.0


def _json(number: Fraction | Decimal) -> float:
    return float(number)

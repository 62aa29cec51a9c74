"""Documents of the pilots as flex-offers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.flexoffer.dialects.goflex.fields import Fields, number, required
from mpp_sdk.flexoffer.dialects.goflex.half_planes import Corner, HalfPlane, corners_of
from mpp_sdk.flexoffer.dialects.goflex.message import (
    OBLIGATORY,
    STATES,
    Assignment,
    Message,
    Sign,
    Tariff,
)
from mpp_sdk.flexoffer.lifecycle import FlexOfferState
from mpp_sdk.flexoffer.model import (
    INTERVAL,
    Default,
    EnergyRange,
    FlexOffer,
    Polygon,
    Profile,
    Schedule,
    Slice,
)
from mpp_sdk.flexoffer.rules import MAX_INTERVALS, MAX_VERTICES
from mpp_sdk.ids import new_id

_ACCEPT = ("acceptanceBefore", "acceptBefore")
_LOWER = ("lower", "lowerBound")
_UPPER = ("upper", "upperBound")
_TARIFF_CONSTRAINT = ("tariffConstraint", "priceConstraint")
_LEAST = ("minTariff", "minPrice")
_MOST = ("maxTariff", "maxPrice")
_TARIFF = ("tariff", "price")
_TOTAL = ("totalEnergyConstraint", "TotalEnergyConstraint")
_POLYGON = ("DependencyEnergyConstraintList", "dependencyEnergyConstraintList")
_SLICES = "flexOfferProfileConstraints"
_MOMENTS = (*_ACCEPT, "creation", "assignmentBefore", "startAfter", "startBefore")
_MEANT = {
    *(f"{stem}{kind}" for stem in _MOMENTS for kind in ("Time", "Interval")),
    *(f"end{side}{kind}" for side in ("After", "Before") for kind in ("Time", "Interval")),
    *_TOTAL,
    "id",
    "state",
    "stateReason",
    "offeredById",
    "locationId",
    "numSecondsPerInterval",
    "currency",
    "startBeforeDuration",
    "defaultSchedule",
    "flexOfferSchedule",
    _SLICES,
}
_DAY_SECONDS = 86_400


def read(document: Mapping[str, Any], *, sign: Sign, currency: str | None = None) -> Message:
    """Return what a document says, given as parsed JSON.

    currency is that of its prices, unless it names one itself: the pilots' do not. Bounds that are
    no whole Wh are rounded inwards, the energies of schedules to the nearest whole Wh within them;
    a range with no whole Wh in it becomes the nearest one. A missing acceptance deadline is that of
    the assignment, and a missing one of these is the latest start. When an energy must lie in one
    of several ranges, each must be a single energy. Raises InvalidInput with pointers into the
    document.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput.field("", "type", "It must be an object.")
    return _Reading(Fields(document), sign, currency).message()


@dataclass
class _Part:
    """A slice of a document, before its polygon."""

    slice: Slice
    fields: Fields
    tariff: Tariff | None


@dataclass
class _Reading:
    """One reading: places has where in the document each field of the model was found."""

    document: Fields
    sign: Sign
    currency: str | None
    rounding: Fraction = Fraction(0)
    places: dict[str, str] = field(default_factory=dict)

    def message(self) -> Message:
        """Return what the document says. Raises InvalidInput."""
        offer, tariffs = self._offer()
        return Message(
            offer,
            state=self._state(),
            reason=self.document.text("stateReason"),
            created=self.document.moment(offer.interval, "creation"),
            assignment=self._assignment(offer),
            tariffs=tariffs if any(tariffs) else (),
            other=self._other(offer),
            rounding=Decimal(self.rounding.numerator) / Decimal(self.rounding.denominator),
        )

    def _offer(self) -> tuple[FlexOffer, tuple[Tariff | None, ...]]:
        document = self.document
        interval = self._interval()
        start_after = self._moment("/startAfter", interval, "startAfter")
        start_before = self._moment("/startBefore", interval, "startBefore")
        assign = self._moment("/assignBefore", interval, "assignmentBefore") or start_before
        accept = self._moment("/acceptBefore", interval, *_ACCEPT) or assign
        if accept is None or assign is None:
            raise InvalidInput.field(
                "/assignmentBeforeTime", "required", "Without a latest start this is needed."
            )
        parts = list(self._parts())
        profile = self._profile([part.slice for part in parts], parts)
        self._check_end(start_before, profile.intervals * interval, interval)
        self._put("/offeredBy", "/offeredById")
        self._put("/podId", "/locationId")
        duration = document.number("startBeforeDuration")
        self._put("/startBeforeDuration", "/startBeforeDuration")
        default = self._default(profile, interval)
        offered_by = required(document.text("offeredById"), "/offeredById")
        identifier, pod_id = self._id(), self._pod_id()
        try:
            offer = FlexOffer(
                id=identifier,
                profiles=(profile,),
                default=default,
                start_after=start_after,
                start_before=start_before,
                start_before_duration=None if duration is None else _seconds(duration),
                accept_before=accept,
                assign_before=assign,
                offered_by=offered_by,
                pod_id=pod_id,
                interval=interval,
                currency=document.text("currency") or self.currency,
            )
        except InvalidInput as error:
            raise self._placed(error) from None
        kept = tuple(
            part.tariff if part.tariff and part.tariff.least != -part.tariff.most else None
            for part in parts
        )
        return offer, kept

    def _interval(self) -> timedelta:
        seconds = self.document.integer("numSecondsPerInterval")
        self._put("/interval", "/numSecondsPerInterval")
        if seconds is None:
            return INTERVAL
        if not 0 < seconds <= _DAY_SECONDS:
            raise InvalidInput.field(
                "/numSecondsPerInterval", "range", "It must be from 1 s to a day."
            )
        return timedelta(seconds=seconds)

    def _moment(self, place: str, interval: timedelta, *stems: str) -> datetime | None:
        names = [f"{stem}{kind}" for kind in ("Time", "Interval") for stem in stems]
        self._put(place, self.document.at(*names))
        return self.document.moment(interval, *stems)

    def _check_end(
        self, start_before: datetime | None, duration: timedelta, interval: timedelta
    ) -> None:
        """Refuse an end that the latest start does not meet: it would be a promise too much.

        The earliest end is no use: the pilots' own code wrote the latest one there.
        """
        end = self.document.moment(interval, "endBefore")
        if end is not None and start_before is not None and end < start_before + duration:
            raise InvalidInput.field(
                self.document.at("endBeforeTime", "endBeforeInterval"),
                "endOrder",
                "Started at the latest, it would end after this.",
            )

    def _id(self) -> UUID:
        text = self.document.text("id")
        if text is None:
            return new_id()
        try:
            return UUID(text)
        except ValueError:
            raise InvalidInput.field("/id", "format", "It must be a UUID, or null.") from None

    def _pod_id(self) -> str | None:
        """Return the point of delivery: a text, or the one name that stands without a place."""
        place = self.document.values.get("locationId")
        if isinstance(place, Mapping):
            return next(iter(place)) if [*place.values()] == [None] else None
        return self.document.text("locationId")

    def _state(self) -> FlexOfferState:
        text = self.document.text("state")
        if text is None:
            return FlexOfferState.OFFERED
        if text.lower() not in STATES:
            raise InvalidInput.field("/state", "enum", f"There is no state {text[:40]}.")
        return STATES[text.lower()]

    def _other(self, offer: FlexOffer) -> dict[str, Any]:
        other = {name: one for name, one in self.document.values.items() if name not in _MEANT}
        if other.get("assignment") == OBLIGATORY:
            del other["assignment"]
        if offer.pod_id is None and self.document.values.get("locationId"):
            other["locationId"] = self.document.values["locationId"]
        return {name: one for name, one in other.items() if one is not None}

    def _parts(self) -> Iterator[_Part]:
        constraints = self.document.children(_SLICES)
        if not constraints:
            raise InvalidInput.field(
                f"/{_SLICES}", "required", "Without a slice it takes an offer back: delete that."
            )
        if len(constraints) > MAX_INTERVALS:
            raise InvalidInput.field(f"/{_SLICES}", "maxItems", f"At most {MAX_INTERVALS} slices.")
        self._put("/profiles/0/slices", f"/{_SLICES}")
        before = EnergyRange(0, 0)
        for count, fields in enumerate(constraints):
            place = f"/profiles/0/slices/{count}"
            self._put(place, fields.pointer)
            part = self._slice(fields, place, before)
            before = EnergyRange(before.lower + part.lower, before.upper + part.upper)
            tariff = _tariff(fields)
            self._put(f"{place}/price", fields.at(*_TARIFF_CONSTRAINT))
            self._put("/currency", fields.at(*_TARIFF_CONSTRAINT))
            yield _Part(
                replace(part, price=None if tariff is None else tariff.price), fields, tariff
            )

    def _slice(self, fields: Fields, place: str, before: EnergyRange) -> Slice:
        duration = _duration(fields)
        self._put(f"{place}/duration", fields.at("minDuration", "maxDuration"))
        ranges = fields.children("energyConstraintList")
        if not ranges and fields.name(*_POLYGON):
            corners = self._corners(fields, [*self._planes(fields), *_within(0, before)])
            energies = self._whole(min(y for _, y in corners), max(y for _, y in corners))
            return Slice(energies.lower, energies.upper, duration)
        if not ranges:
            raise InvalidInput.field(
                fields.at("energyConstraintList"), "required", "A slice needs its energy."
            )
        self._put(f"{place}/options", fields.at("energyConstraintList"))
        found = [self._range(one, place) for one in ranges]
        if len(found) == 1:
            return Slice(found[0].lower, found[0].upper, duration)
        for one, energies in zip(ranges, found, strict=True):
            if energies.lower != energies.upper:
                raise InvalidInput.field(
                    one.pointer, "singleEnergy", "Of several ranges each must be a single energy."
                )
        options = [energies.lower for energies in found]
        return Slice(min(options), max(options), duration, options=tuple(options))

    def _range(self, fields: Fields, place: str) -> EnergyRange:
        """Return a range of energies, in Wh, that is within what is given in kWh."""
        lower = required(fields.number(*_LOWER), fields.at(*_LOWER))
        upper = required(fields.number(*_UPPER), fields.at(*_UPPER))
        if lower > upper:
            raise InvalidInput.field(
                fields.at(*_LOWER), "boundOrder", "It is above the upper bound."
            )
        names = (_LOWER, _UPPER) if self.sign is Sign.CONSUMPTION_POSITIVE else (_UPPER, _LOWER)
        self._put(f"{place}/lower", fields.at(*names[0]))
        self._put(f"{place}/upper", fields.at(*names[1]))
        if self.sign is Sign.PRODUCTION_POSITIVE:
            lower, upper = -upper, -lower
        return self._whole(lower, upper)

    def _whole(self, lower: Fraction, upper: Fraction) -> EnergyRange:
        """Return the whole Wh within a range in kWh, or the nearest if there are none."""
        within = EnergyRange(math.ceil(lower * 1000), math.floor(upper * 1000))
        if within.lower > within.upper:
            nearest = round((lower + upper) * 500)
            within = EnergyRange(nearest, nearest)
        self.rounding += upper - lower - Fraction(within.upper - within.lower, 1000)
        return within

    def _profile(self, slices: Sequence[Slice], parts: Sequence[_Part]) -> Profile:
        total = self.document.child(*_TOTAL)
        polygons = [part.fields.name(*_POLYGON) is not None for part in parts]
        if any(polygons) and not all(polygons):
            missing = parts[polygons.index(False)].fields
            raise InvalidInput.field(
                missing.at(*_POLYGON), "required", "Each slice needs one when any has one."
            )
        self._put("/profiles/0/total", f"/{self.document.name(*_TOTAL)}")
        return Profile(
            tuple(slices),
            total=None if total is None else self._range(total, "/profiles/0/total"),
            dependencies=tuple(self._polygons(parts)) if all(polygons) else (),
        )

    def _polygons(self, parts: Sequence[_Part]) -> Iterator[Polygon]:
        """Yield the polygons; those that go on without end, as far as can be reached."""
        before = EnergyRange(0, 0)
        for count, part in enumerate(parts):
            self._put(f"/profiles/0/dependencies/{count}", part.fields.at(*_POLYGON))
            energy = EnergyRange(part.slice.lower, part.slice.upper)
            planes = self._planes(part.fields)
            if corners_of(planes) is None:
                planes += [*_within(0, before), *_within(1, energy)]
            yield tuple((float(x), float(y)) for x, y in self._corners(part.fields, planes))
            before = EnergyRange(before.lower + energy.lower, before.upper + energy.upper)

    def _planes(self, fields: Fields) -> list[HalfPlane]:
        turn = -1 if self.sign is Sign.PRODUCTION_POSITIVE else 1
        rows = [[number(one, where) for one, where in row] for row in _rows(fields)]
        return [(turn * a, turn * b, c) for a, b, c in rows]

    def _corners(self, fields: Fields, planes: Sequence[HalfPlane]) -> list[Corner]:
        corners = corners_of(planes)
        if corners is None:
            raise InvalidInput.field(
                fields.at(*_POLYGON), "bounded", "It must say how much energy can be had at most."
            )
        if not corners:
            raise InvalidInput.field(
                fields.at(*_POLYGON), "feasible", "No energy keeps to all of its rows."
            )
        return corners

    def _default(self, profile: Profile, interval: timedelta) -> Default:
        fields = self.document.child("defaultSchedule")
        if fields is None:
            raise InvalidInput.field(
                "/defaultSchedule", "required", "What is done without a schedule must be known."
            )
        self._put("/default/start", fields.at("startTime", "startInterval"))
        self._put("/default/energies", fields.at("scheduleSlices"))
        energies = []
        for count, (part, one) in enumerate(self._scheduled(fields, profile)):
            self._put(f"/default/energies/{count}", part.at("energyAmount"))
            energies.append(_nearest(one, profile.slices[count]))
        return Default(tuple(energies), fields.moment(interval, "start"))

    def _assignment(self, offer: FlexOffer) -> Assignment | None:
        fields = self.document.child("flexOfferSchedule")
        if fields is None:
            return None
        start = required(fields.moment(offer.interval, "start"), fields.at("startTime"))
        profile = offer.profile
        whole = profile.polytope is None and not profile.dependencies
        energies: list[float] = []
        tariffs = []
        for count, (part, one) in enumerate(self._scheduled(fields, profile)):
            energies.append(_nearest(one, profile.slices[count]) if whole else float(one * 1000))
            tariffs.append(_decimal(part.number(*_TARIFF) or Fraction(0)))
        return Assignment(
            Schedule(start, tuple(energies)),
            fields.integer("scheduleId") or 0,
            fields.integer("updateId") or 0,
            tuple(tariffs) if any(tariffs) else (),
        )

    def _scheduled(self, fields: Fields, profile: Profile) -> Iterator[tuple[Fields, Fraction]]:
        """Yield each slice of a schedule with its energy, in kWh."""
        slices = fields.children("scheduleSlices")
        if len(slices) != len(profile.slices):
            raise InvalidInput.field(
                fields.at("scheduleSlices"), "onePerSlice", "There must be one per slice."
            )
        for part, of in zip(slices, profile.slices, strict=True):
            if part.integer("duration") not in (None, of.duration):
                raise InvalidInput.field(
                    part.at("duration"), "sameDuration", "It must be that of the slice."
                )
            energy = required(part.number("energyAmount"), part.at("energyAmount"))
            yield part, energy if self.sign is Sign.CONSUMPTION_POSITIVE else -energy

    def _put(self, place: str, pointer: str) -> None:
        self.places.setdefault(place, pointer)

    def _placed(self, error: InvalidInput) -> InvalidInput:
        """Return an error with pointers into the document instead of into the model."""
        errors = [
            FieldError(self._pointer(one.pointer), one.rule, one.detail) for one in error.errors
        ]
        return InvalidInput(" ".join(f"{one.pointer}: {one.detail}" for one in errors), errors)

    def _pointer(self, pointer: str) -> str:
        place = pointer
        while place:
            if place in self.places:
                return self.places[place]
            place = place.rpartition("/")[0]
        return pointer


def _duration(fields: Fields) -> int:
    least, most = fields.integer("minDuration"), fields.integer("maxDuration")
    if least is not None and most is not None and least != most:
        raise InvalidInput.field(
            fields.at("maxDuration"),
            "fixedDuration",
            "It must be minDuration: durations are fixed.",
        )
    found = least if least is not None else most
    return 1 if found is None else found


def _tariff(fields: Fields) -> Tariff | None:
    constraint = fields.child(*_TARIFF_CONSTRAINT)
    if constraint is None:
        return None
    least = required(constraint.number(*_LEAST), constraint.at(*_LEAST))
    most = required(constraint.number(*_MOST), constraint.at(*_MOST))
    if least > most:
        raise InvalidInput.field(constraint.at(*_LEAST), "boundOrder", "It is above the other one.")
    return Tariff(_decimal(least), _decimal(most))


def _rows(fields: Fields) -> list[list[tuple[Any, str]]]:
    rows = fields.items(*_POLYGON)
    if len(rows) > MAX_VERTICES:
        raise InvalidInput.field(fields.at(*_POLYGON), "maxItems", f"At most {MAX_VERTICES} rows.")
    found = []
    for row, pointer in rows:
        if not isinstance(row, list) or len(row) != 3:
            raise InvalidInput.field(pointer, "shape", "A row must have the three numbers a, b, c.")
        found.append([(one, f"{pointer}/{count}") for count, one in enumerate(row)])
    return found


def _within(axis: int, energies: EnergyRange) -> Iterator[HalfPlane]:
    """Yield the half-planes of the points whose coordinate is within a range, in Wh."""
    for turn, bound in ((1, energies.upper), (-1, -energies.lower)):
        normal = (Fraction(turn), Fraction(0)) if axis == 0 else (Fraction(0), Fraction(turn))
        yield (*normal, Fraction(bound, 1000))


def _nearest(energy: Fraction, part: Slice) -> int:
    """Return the nearest whole Wh to an energy in kWh; within the slice when it is to 1 Wh."""
    whole = round(energy * 1000)
    within = min(max(whole, part.lower), part.upper)
    return within if abs(within - energy * 1000) < 1 else whole


def _decimal(number: Fraction) -> Decimal:
    """Return a number that was written as a decimal as one again."""
    return Decimal(number.numerator) / Decimal(number.denominator)


def _seconds(duration: Fraction) -> timedelta:
    return timedelta(microseconds=int(duration * 10**6))

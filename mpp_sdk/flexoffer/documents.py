"""Flex-offers, schedules and energies as the contract has them: JSON, in kWh and ISO 8601.

What is read here has passed the schemas of `openapi/flexoffer.yaml`; what schemas cannot say is
checked here and by the model. Every error has the JSON pointer of the field in the document.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.flexoffer.model import (
    EXACT_WH,
    INTERVAL,
    Default,
    EnergyRange,
    FlexOffer,
    Polytope,
    Profile,
    Schedule,
    Slice,
    TwoMode,
)
from mpp_sdk.flexoffer.rules import refuse
from mpp_sdk.ids import new_id

Json = Mapping[str, Any]
"""A JSON object that keeps its schema in the contract."""

Value = TypeVar("Value")

_DURATION = re.compile(
    r"P(?=.)(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?", re.ASCII
)
_MOST_DAYS = 9_999
_YEARS = range(1970, 3000)
_LIMIT_KWH = EXACT_WH / 1_000


def offer_of(document: Json, offer_id: UUID | None = None) -> FlexOffer:
    """Return the flex-offer of a FlexOfferDraft, with an id of its own unless one is given.

    Raises InvalidInput with everything that is wrong with it.
    """
    read = _Reader()
    made = {
        "profiles": tuple(
            _profile(read, f"/profiles/{number}", profile)
            for number, profile in enumerate(document["profiles"])
        ),
        "default": _default(read, document["default"]),
        "accept_before": read.moment("/acceptBefore", document["acceptBefore"]),
        "assign_before": read.moment("/assignBefore", document["assignBefore"]),
        "offered_by": document["offeredBy"],
        "pod_id": document.get("podId"),
        "start_after": read.optional(read.moment, "/startAfter", document.get("startAfter")),
        "start_before": read.optional(read.moment, "/startBefore", document.get("startBefore")),
        "start_before_duration": read.optional(
            read.duration, "/startBeforeDuration", document.get("startBeforeDuration")
        ),
        "interval": INTERVAL
        if document.get("interval") is None
        else read.duration("/interval", document["interval"]),
        "two_mode": tuple(
            _two_mode(read, f"/twoMode/{number}", vector)
            for number, vector in enumerate(document.get("twoMode", ()))
        ),
        "currency": document.get("currency"),
        "id": offer_id or new_id(),
    }
    read.refuse()
    return FlexOffer(**made)


def document_of(offer: FlexOffer) -> dict[str, Any]:
    """Return a flex-offer as a FlexOfferDraft, without what goes without saying.

    Raises InvalidInput for a duration that a document cannot tell.
    """
    return _given(
        {
            "offeredBy": offer.offered_by,
            "podId": offer.pod_id,
            "acceptBefore": format_moment(offer.accept_before),
            "assignBefore": format_moment(offer.assign_before),
            "startAfter": _if_given(format_moment, offer.start_after),
            "startBefore": _if_given(format_moment, offer.start_before),
            "startBeforeDuration": _if_given(format_duration, offer.start_before_duration),
            "interval": None if offer.interval == INTERVAL else format_duration(offer.interval),
            "profiles": [_profile_document(profile) for profile in offer.profiles],
            "default": _given(
                {
                    "energies": [kwh(energy) for energy in offer.default.energies],
                    "start": _if_given(format_moment, offer.default.start),
                    "profile": offer.default.profile or None,
                }
            ),
            "twoMode": [_two_mode_document(vector) for vector in offer.two_mode] or None,
            "currency": offer.currency,
        }
    )


def schedule_of(document: Json) -> Schedule:
    """Return the schedule of an AssignedSchedule. Raises InvalidInput."""
    read = _Reader()
    schedule = Schedule(
        read.moment("/start", document["start"]),
        tuple(
            read.fraction(f"/energies/{number}", energy)
            for number, energy in enumerate(document["energies"])
        ),
        int(document.get("profile", 0)),
    )
    read.refuse()
    return schedule


def schedule_document(schedule: Schedule, update: int, given_at: datetime) -> dict[str, Any]:
    """Return a schedule as an AssignedSchedule."""
    return _given(
        {
            "update": update,
            "start": format_moment(schedule.start),
            "energies": [kwh(energy) for energy in schedule.energies],
            "profile": schedule.profile or None,
            "givenAt": format_moment(given_at),
        }
    )


def energies_of(values: Iterable[float], pointer: str) -> tuple[int, ...]:
    """Return energies of a document in Wh. Raises InvalidInput, with pointers below the one given.

    They must be multiples of 0.001 kWh.
    """
    read = _Reader()
    energies = tuple(
        read.whole(f"{pointer}/{number}", value) for number, value in enumerate(values)
    )
    read.refuse()
    return energies


def kwh(wh: float) -> float:
    """Return an energy in Wh as kWh, or a power in W as kW; a whole number where it is one."""
    value = wh / 1_000
    return int(value) if value.is_integer() else value


def format_moment(moment: datetime) -> str:
    """Return a moment in UTC, to the microsecond where it has any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_duration(duration: timedelta) -> str:
    """Return a duration of whole seconds in ISO 8601. Raises InvalidInput for what it cannot be."""
    hours, seconds = divmod(duration.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    if duration.microseconds or not 0 <= duration.days <= _MOST_DAYS:
        raise InvalidInput(f"A duration of {duration} cannot be told.")
    days = f"{duration.days}D" if duration.days else ""
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    if not time:
        return f"P{days}" if days else "PT0S"
    return f"P{days}T{time}"


def duration_of(text: str) -> timedelta:
    """Return an ISO 8601 duration of days, hours, minutes and seconds. Raises InvalidInput."""
    read = _Reader()
    duration = read.duration("", text)
    read.refuse()
    return duration


class _Reader:
    """Reads single values of a document, and notes what is wrong with them."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []

    def refuse(self) -> None:
        """Raise InvalidInput when something was wrong."""
        refuse(self._errors)

    def optional(
        self, read: Callable[[str, Any], Value], pointer: str, value: object
    ) -> Value | None:
        """Return the value, None where there is none."""
        return None if value is None else read(pointer, value)

    def whole(self, pointer: str, value: float) -> int:
        """Return kWh in Wh, or kW in W."""
        if not -_LIMIT_KWH < value < _LIMIT_KWH:
            self._note(pointer, "exact", "It is too large to be exact to 1 Wh.")
            return 0
        whole = round(value * 1_000)
        if whole / 1_000 != value:  # the nearest double to a multiple of 0.001 and none other
            self._note(pointer, "multipleOf", "It must be a multiple of 0.001.")
        return whole

    def fraction(self, pointer: str, value: float) -> float:
        """Return kWh in Wh, exact where they are whole Wh."""
        if not -_LIMIT_KWH < value < _LIMIT_KWH:
            self._note(pointer, "exact", "It is too large to be exact to 1 Wh.")
            return 0
        whole = round(value * 1_000)
        return whole if whole / 1_000 == value else value * 1_000

    def moment(self, pointer: str, value: str) -> datetime:
        """Return a moment that can be calculated with."""
        moment = datetime.fromisoformat(value.upper())
        if moment.year not in _YEARS:
            self._note(pointer, "range", "It must be of the years 1970 to 2999.")
        return moment

    def duration(self, pointer: str, value: str) -> timedelta:
        """Return a duration."""
        found = _DURATION.fullmatch(value)
        if found is None:
            self._note(pointer, "duration", "It must be an ISO 8601 duration of days or less.")
            return timedelta(0)
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)

    def _note(self, pointer: str, rule: str, detail: str) -> None:
        self._errors.append(FieldError(pointer, rule, detail))


def _profile(read: _Reader, pointer: str, document: Json) -> Profile:
    total, polytope = document.get("total"), document.get("polytope")
    return Profile(
        slices=tuple(
            _slice(read, f"{pointer}/slices/{number}", part)
            for number, part in enumerate(document["slices"])
        ),
        total=None if total is None else _range(read, f"{pointer}/total", total),
        polytope=None
        if polytope is None
        else Polytope(tuple(map(tuple, polytope["a"])), tuple(polytope["b"])),
        dependencies=tuple(
            tuple((vertex["before"], vertex["energy"]) for vertex in polygon)
            for polygon in document.get("dependencies", ())
        ),
        lead=int(document.get("lead", 0)),
    )


def _slice(read: _Reader, pointer: str, document: Json) -> Slice:
    if len(document) == 2:  # nearly all are
        return Slice(
            read.whole(f"{pointer}/lower", document["lower"]),
            read.whole(f"{pointer}/upper", document["upper"]),
        )
    price = document.get("price")
    return Slice(
        lower=read.whole(f"{pointer}/lower", document["lower"]),
        upper=read.whole(f"{pointer}/upper", document["upper"]),
        duration=int(document.get("duration", 1)),
        price=None if price is None else Decimal(price),
        min_power=read.optional(read.whole, f"{pointer}/minPower", document.get("minPower")),
        max_power=read.optional(read.whole, f"{pointer}/maxPower", document.get("maxPower")),
        options=tuple(
            read.whole(f"{pointer}/options/{number}", option)
            for number, option in enumerate(document.get("options", ()))
        ),
    )


def _range(read: _Reader, pointer: str, document: Json) -> EnergyRange:
    return EnergyRange(
        read.whole(f"{pointer}/lower", document["lower"]),
        read.whole(f"{pointer}/upper", document["upper"]),
    )


def _default(read: _Reader, document: Json) -> Default:
    return Default(
        energies=tuple(
            read.whole(f"/default/energies/{number}", energy)
            for number, energy in enumerate(document["energies"])
        ),
        start=read.optional(read.moment, "/default/start", document.get("start")),
        profile=int(document.get("profile", 0)),
    )


def _two_mode(read: _Reader, pointer: str, document: Json) -> TwoMode:
    prior, after = document.get("priorTime"), document.get("afterTime")
    return TwoMode(
        prior_time=read.optional(read.duration, f"{pointer}/priorTime", prior) or timedelta(0),
        prior_portion=document.get("priorPortion", 0.0),
        after_time=read.optional(read.duration, f"{pointer}/afterTime", after) or timedelta(0),
        after_portion=document.get("afterPortion", 0.0),
    )


def _profile_document(profile: Profile) -> dict[str, Any]:
    polytope = profile.polytope
    return _given(
        {
            "slices": [_slice_document(part) for part in profile.slices],
            "total": _if_given(_range_document, profile.total),
            "polytope": None
            if polytope is None
            else {"a": [list(row) for row in polytope.a], "b": list(polytope.b)},
            "dependencies": [
                [{"before": before, "energy": energy} for before, energy in polygon]
                for polygon in profile.dependencies
            ]
            or None,
            "lead": profile.lead or None,
        }
    )


def _slice_document(part: Slice) -> dict[str, Any]:
    return _given(
        {
            "lower": kwh(part.lower),
            "upper": kwh(part.upper),
            "duration": None if part.duration == 1 else part.duration,
            "price": _if_given(lambda price: f"{price:f}", part.price),
            "minPower": _if_given(kwh, part.min_power),
            "maxPower": _if_given(kwh, part.max_power),
            "options": [kwh(option) for option in part.options] or None,
        }
    )


def _range_document(energy: EnergyRange) -> dict[str, Any]:
    return {"lower": kwh(energy.lower), "upper": kwh(energy.upper)}


def _two_mode_document(vector: TwoMode) -> dict[str, Any]:
    return _given(
        {
            "priorTime": format_duration(vector.prior_time) if vector.prior_time else None,
            "priorPortion": vector.prior_portion or None,
            "afterTime": format_duration(vector.after_time) if vector.after_time else None,
            "afterPortion": vector.after_portion or None,
        }
    )


def _if_given(write: Callable[[Value], Any], value: Value | None) -> Any:
    return None if value is None else write(value)


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

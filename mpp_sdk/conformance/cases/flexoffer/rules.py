"""Whether every rule of a flex-offer is kept, and the field that breaks it is named."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from mpp_sdk.conformance.flexoffers import CONTRACT, HOUR, Draft, draft, results
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_KEEP = "Refuse it, and name the field with a JSON pointer into the flex-offer."

Rule = tuple[str, str, Draft]
"""In what a flex-offer is wrong, the field that is to be named, and the flex-offer."""


@case(
    "FLEXOFFER-RULE-01",
    "Slices that nothing can keep to are refused, and the field is named",
    why="A schedule for what cannot be done is a promise to the grid that nobody keeps.",
    contract=CONTRACT,
)
def slices(subject: Subject) -> str:
    def of(**changes: Any) -> Draft:
        return _profile(subject, slices=[{"lower": 0, "upper": 2.5}, _slice(**changes)])

    at = "/profiles/0/slices/1"
    return _refused(
        subject,
        [
            ("the lower bound is above the upper one", f"{at}/lower", of(lower=3)),
            ("no energy has such a power", f"{at}/minPower", of(minPower=11)),
            ("an option is out of bounds", f"{at}/options/1", of(options=[1.2, 2.6])),
            ("an option is there twice", f"{at}/options", of(options=[1.2, 1.2])),
            ("an energy is no multiple of 1 Wh", f"{at}/upper", of(upper=2.5005)),
            ("an energy is too large to be exact", f"{at}/upper", of(upper=9e12)),
            ("a price has no currency", "/currency", of(price="0.03")),
        ],
    )


@case(
    "FLEXOFFER-RULE-02",
    "Times that contradict each other are refused, and the field is named",
    why="What starts after its latest start is never started, and nobody is told.",
    contract=CONTRACT,
)
def times(subject: Subject) -> str:
    made, now = draft(subject), subject.now()
    first, last = (datetime.fromisoformat(made[name]) for name in ("startAfter", "startBefore"))
    minute = timedelta(minutes=1)

    def of(**changes: Any) -> Draft:
        told = {
            name: one.isoformat() if isinstance(one, datetime) else one
            for name, one in changes.items()
        }
        return made | told

    def by_default(start: datetime) -> Draft:
        return of(default=made["default"] | {"start": start.isoformat()})

    passed = of(acceptBefore=now - HOUR, assignBefore=now - minute)
    return _refused(
        subject,
        [
            ("it is after startBefore", "/startAfter", of(startAfter=last + HOUR)),
            ("it is off the grid", "/startAfter", of(startAfter=first + minute)),
            ("it is off the grid", "/startBefore", of(startBefore=last + minute)),
            ("startBefore is there", "/startBeforeDuration", of(startBeforeDuration="PT2H")),
            ("it is after assignBefore", "/acceptBefore", of(acceptBefore=first)),
            ("it is after the latest start", "/assignBefore", of(assignBefore=last + HOUR)),
            ("it has passed", "/acceptBefore", of(acceptBefore=now - minute)),
            ("it has passed", "/assignBefore", passed),
            ("it is before startAfter", "/default/start", by_default(first - HOUR)),
            ("it is after startBefore", "/default/start", by_default(last + HOUR)),
            ("a day is no multiple of it", "/interval", of(interval="PT7M")),
            ("it is nothing", "/interval", of(interval="PT0S")),
        ],
    )


@case(
    "FLEXOFFER-RULE-03",
    "Totals that the slices cannot sum up to are refused, and the field is named",
    why="A car that needs more than its cable gives would never be charged.",
    contract=CONTRACT,
)
def totals(subject: Subject) -> str:
    def of(lower: float, upper: float) -> Draft:
        return _profile(subject, total={"lower": lower, "upper": upper})

    at = "/profiles/0/total"
    return _refused(
        subject,
        [
            ("the lower bound is above the upper one", f"{at}/lower", of(4, 3)),
            ("the slices sum up to more", f"{at}/lower", of(0.4, 4)),
            ("the slices sum up to less", f"{at}/upper", of(1, 5.1)),
        ],
    )


@case(
    "FLEXOFFER-RULE-04",
    "A baseline that does not keep to its own profile is refused, and the field is named",
    why="The baseline is what is done without a schedule, and what deviations are paid against.",
    contract=CONTRACT,
)
def baselines(subject: Subject) -> str:
    def of(*energies: float, profile: int = 0, **changes: Any) -> Draft:
        return _profile(subject, **changes, default={"energies": energies, "profile": profile})

    options = [_slice(options=[1, 2]), _slice()]
    return _refused(
        subject,
        [
            ("there is one too few", "/default/energies", of(2.5)),
            ("there is one too many", "/default/energies", of(2.5, 1.2, 1)),
            ("it is below its bound", "/default/energies/1", of(2.5, 0.499)),
            ("it is above its bound", "/default/energies/0", of(2.501, 1.2)),
            ("it is no option", "/default/energies/0", of(1.5, 1.2, slices=options)),
            ("they break the total", "/default/energies", of(2, 2, total={"lower": 1, "upper": 3})),
            ("there is no such profile", "/default/profile", of(2.5, 1.2, profile=1)),
        ],
    )


@case(
    "FLEXOFFER-RULE-05",
    "Constraints that bind slices together are refused where they are of the wrong shape",
    why="A constraint that is read wrongly lets a battery be emptied that its owner needs.",
    contract=CONTRACT,
)
def bound_together(subject: Subject) -> str:
    def polytope(a: list[list[float]], b: list[float]) -> Draft:
        return _profile(subject, polytope={"a": a, "b": b})

    def polygons(*corners: list[tuple[float, float]]) -> Draft:
        return _profile(subject, dependencies=[_polygon(one) for one in corners])

    start: list[tuple[float, float]] = [(0, 0), (0, 2.5)]
    sound: list[tuple[float, float]] = [(0, 0), (2.5, 0), (2.5, 2.5), (0, 2.5)]
    crossed: list[tuple[float, float]] = [(0, 0), (2.5, 2.5), (2.5, 0), (0, 2.5)]
    at = "/profiles/0"
    return _refused(
        subject,
        [
            ("a row is too short", f"{at}/polytope/a/0", polytope([[1]], [9])),
            ("b is too short", f"{at}/polytope/b", polytope([[1, 1], [1, 0]], [9])),
            ("the baseline breaks it", "/default/energies", polytope([[1, 1]], [3])),
            ("a polygon is missing", f"{at}/dependencies", polygons(start)),
            ("it is not convex", f"{at}/dependencies/1", polygons(start, crossed)),
            ("it has no corner", f"{at}/dependencies/1", polygons(start, [])),
            (
                "the baseline breaks it",
                "/default/energies/1",
                polygons(start, [(x, y / 5) for x, y in sound]),
            ),
        ],
    )


@case(
    "FLEXOFFER-RULE-06",
    "What an intervention gives back is refused where it cannot be, and the field is named",
    why="Energy that is given back in no time is lost, or used at once by thousands.",
    contract=CONTRACT,
)
def two_modes(subject: Subject) -> str:
    def of(**vector: Any) -> Draft:
        return draft(subject, twoMode=[vector])

    return _refused(
        subject,
        [
            ("it has no time", "/twoMode/0/afterTime", of(afterPortion=0.5)),
            ("it is off the grid", "/twoMode/0/priorTime", of(priorTime="PT7M", priorPortion=0.5)),
            (
                "it is more than all",
                "/twoMode/0/afterPortion",
                of(afterTime="PT1H", afterPortion=2),
            ),
        ],
    )


@case(
    "FLEXOFFER-RULE-07",
    "What the rules allow is taken, to their limits",
    why="A platform that refuses what is allowed takes the flexibility of nobody but its own.",
    contract=CONTRACT,
)
def allowed(subject: Subject) -> str:
    now = subject.now()
    at_once = {"startBeforeDuration": "PT2H"} | {
        name: (now + hours * HOUR).isoformat()
        for name, hours in (("acceptBefore", 0.25), ("assignBefore", 0.5))
    }
    second = {"energies": [1.2, 1.2], "profile": 1}
    profiles = [{"slices": [_slice()]}, {"slices": [_slice(), _slice()]}]
    produced = {"slices": [_slice(lower=-2.5, upper=0)], "default": {"energies": [-1.5]}}
    mode = {"priorTime": "PT30M", "priorPortion": 0.5, "afterTime": "PT1H"}
    polygons = [
        _polygon([(0, 0), (0, 2.5)]),
        _polygon([(0, 0.5), (0, 2.5), (2.5, 2.5), (2.5, 0.5)]),
    ]
    sound = {
        "production": _profile(subject, **produced),
        "a baseline at its bounds": draft(subject, default={"energies": [0, 2.5]}),
        "one start only": draft(subject, startBefore=draft(subject)["startAfter"]),
        "a start that means now": draft(subject, startAfter=None, startBefore=None, **at_once),
        "an interval of its own": draft(subject, interval="PT1H"),
        "two profiles": draft(subject, profiles=profiles, default=second),
        "a polytope": _profile(subject, polytope={"a": [[1, 1], [-1, 0.5]], "b": [3.7, 0]}),
        "polygons": _profile(subject, dependencies=polygons),
        "two-mode operation": draft(subject, twoMode=[mode]),
    }
    for what, told in zip(sound, results(subject, list(sound.values())), strict=True):
        subject.expect(
            "id" in told,
            f"A flex-offer with {what} was refused: {told.get('errors')}.",
            advice="Refuse only what the contract does.",
        )
    return f"{len(sound)} kinds were taken."


def _refused(subject: Subject, rules: Sequence[Rule]) -> str:
    """Offer all at once, a right one between them, and note what is not refused as it is due."""
    told = results(subject, [*(one for _, _, one in rules), draft(subject)])
    for (what, pointer, _), result in zip(rules, told[:-1], strict=True):
        errors = [one for one in result.get("errors") or () if isinstance(one, dict)]
        named = [str(one.get("pointer")) for one in errors]
        subject.expect(
            "id" not in result and pointer in named,
            f"{pointer}: {what}, and the errors name {', '.join(named) or 'nothing'}.",
            advice=_KEEP,
        )
        subject.expect(
            all(one.get("rule") and one.get("detail") for one in errors),
            f"{pointer}: an error has no rule, or no words for it.",
        )
    subject.expect("id" in told[-1], "A flex-offer that is right was lost with those that are not.")
    return f"{len(rules)} were refused."


def _profile(subject: Subject, **changes: Any) -> Draft:
    """Return a flex-offer whose only profile has something else, and the default perhaps."""
    made = draft(subject)
    default = changes.pop("default", made["default"])
    return made | {"profiles": [made["profiles"][0] | changes], "default": default}


def _slice(**changes: Any) -> dict[str, Any]:
    return {"lower": 0.5, "upper": 2.5, **changes}


def _polygon(corners: list[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"before": before, "energy": energy} for before, energy in corners]

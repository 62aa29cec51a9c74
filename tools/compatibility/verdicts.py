"""What follows from the changes of a contract: problems, or none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from tools.compatibility.accepted import Accepted
from tools.compatibility.changes import Change, Json, Level
from tools.compatibility.comparing import compare
from tools.compatibility.released import Documents
from tools.compatibility.versions import Version, major_of_base_path

SERVED_BY_THE_MARKETPLACE = frozenset({"marketplace", "notifications"})
"""The contracts with one server, which is upgraded first. Of the others every platform is a server,
each of its own age."""

_LONGEST = 120


@dataclass
class Verdict:
    """What was found. problems is empty when everything may be released as it is."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(
    released: Version, old: Documents, new: Documents, accepted: Sequence[Accepted]
) -> Verdict:
    """Return what is wrong with the contracts after those of a release, and what else to know."""
    verdict = Verdict()
    used: list[Accepted] = []
    for name in sorted({*old, *new}):
        if name not in old:
            verdict.notes.append(f"{name}: new since {released}")
            _check_base_path(verdict, name, new[name])
        elif name not in new:
            verdict.problems.append(
                f"{name}: the contract was removed. {released} promised it: keep the document."
            )
        else:
            used += _judge_one(verdict, name, old[name], new[name], accepted)
    verdict.problems += [
        f"accepted.yaml: nothing in {one.document} is {one.rule!r} at {one.place} any more:"
        " take the entry out"
        for one in accepted
        if one not in used
    ]
    return verdict


def _judge_one(
    verdict: Verdict, name: str, old: Json, new: Json, accepted: Sequence[Accepted]
) -> list[Accepted]:
    """Add what is wrong with one contract to the verdict; return what of the accepted there is."""
    was = Version.parse(old["info"]["version"])
    try:
        now = Version.parse(str(new["info"]["version"]))
    except ValueError as error:
        verdict.problems.append(f"{name}: info.version: {error}")
        return []
    _check_base_path(verdict, name, new)
    if now < was:
        verdict.problems.append(f"{name}: info.version {now} is lower than {was}, the released one")
    used = []
    too_much = []
    for change in compare(old, new, both_ways=name not in SERVED_BY_THE_MARKETPLACE):
        level = change.level
        entry = next((one for one in accepted if one.fits(name, change)), None)
        if level is Level.BREAKING and entry is not None:
            used.append(entry)
            level = Level.ADDITION
        if now < was.raised(level):
            too_much.append(replace(change, level=level))
    if used:
        verdict.notes.append(f"{name}: {len(used)} breaking changes are accepted in accepted.yaml")
    verdict.problems += _problems(name, was, now, too_much)
    return used


def _problems(name: str, was: Version, now: Version, changes: Sequence[Change]) -> Iterable[str]:
    if not changes:
        return
    breaking = [one for one in changes if one.level is Level.BREAKING]
    for change in breaking or changes:
        yield f"{name}: {change.level.name.lower()}: {_in_words(change)}"
    needed = was.raised(max(one.level for one in changes))
    if breaking:
        yield (
            f"{name}: info.version is {now} after {was}. Undo what breaks; or raise the version to"
            f" {needed} and the base path to /v{needed.major}; or, where nobody is hurt, say why in"
            " openapi/released/accepted.yaml"
        )
    else:
        yield f"{name}: info.version is {now} after {was}. Raise it to {needed}"


def _in_words(change: Change) -> str:
    uses = [str(use) for use in change.uses]
    where = ""
    if uses:
        more = f" and {len(uses) - 1} more" if len(uses) > 1 else ""
        where = f" ({uses[0]}{more})"
    return f"{change.rule} at {change.place}: {_short(change.was)} -> {_short(change.now)}{where}"


def _short(value: Json) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _check_base_path(verdict: Verdict, name: str, document: Json) -> None:
    major = Version.parse(document["info"]["version"]).major
    for server in document.get("servers", ()):
        if major_of_base_path(server["url"]) != major:
            verdict.problems.append(
                f"{name}: the base path {server['url']} does not end with /v{major}, the major"
                " version of info.version"
            )

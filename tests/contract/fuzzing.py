"""Runs schemathesis over a served contract, with ids and credentials of a world that exists."""

import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import schemathesis
from schemathesis.engine import events, from_schema

from mpp_sdk.web.contract import Contract, Operation

ONLY_REFUSALS = ["400", "401", "403", "404", "405", "406", "413", "415", "422", "428"]
"""How data that breaks the contract may be answered. A 409 or 412 would mean that it was let in."""

Case = schemathesis.Case[Any]

_SCHEMA_RULES = {
    *("type", "enum", "format", "pattern", "additionalProperties"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
    "unknown",
}
"""Rules that only schemas express: what keeps them must not be refused by them.

`required` is not among them: a price that is not free needs an amount, which no schema says.
"""

_LOCATIONS = {"path": "path_parameters", "query": "query"}
_PROGRESS_STEP = 250


@dataclass
class Target:
    """A contract that is served, and what a caller knows who has been using it.

    known gives the ids to put into the path and the query of an operation; body gives members to
    put into its body; credentials gives the headers of somebody who may call it, or sometimes of
    somebody who may not; renew is called before each operation, to make new things to be used up.
    spared are ids that writing calls are kept away from: schemathesis learns ids from answers, and
    an operator who deregisters the callers themselves would end the test. lenient are operations
    that answer what is wrong with each of many things, with a status of success.
    """

    name: str
    contract: Contract
    base_url: str
    credentials: Callable[[Operation, Random], Mapping[str, str]] | None
    known: Callable[[Operation, Random], Mapping[str, str]] = lambda operation, random: {}
    body: Callable[[Operation, Random], Mapping[str, Any]] = lambda operation, random: {}
    renew: Callable[[], None] = lambda: None
    spared: frozenset[str] = frozenset()
    lenient: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """A check that failed for an operation, with the first call for which it did."""

    operation: str
    check: str
    message: str
    call: str


@dataclass
class Outcome:
    """What came of fuzzing a contract."""

    name: str
    cases: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0


def fuzz(
    target: Target,
    *,
    per_operation: int,
    sample: float = 1.0,
    seed: int = 0,
    phases: tuple[str, ...] = ("examples", "coverage", "fuzzing"),
    outcome: Outcome | None = None,
    progress: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Return what came of fuzzing a contract.

    Each operation gets up to per_operation random cases, and the share `sample` of the cases that
    cover its schema systematically.
    """
    outcome = outcome or Outcome(target.name)
    schema = _schema(target, per_operation, sample, seed, phases)
    shown = outcome.cases
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioStarted():
                target.renew()
            case events.ScenarioFinished():
                _record(event, target, outcome)
                outcome.seconds += event.elapsed_time
                if outcome.cases - shown >= _PROGRESS_STEP:
                    shown = outcome.cases
                    progress(outcome)
            case events.NonFatalError() | events.FatalError():
                error = event.value if isinstance(event, events.NonFatalError) else event.exception
                outcome.errors.append(f"{getattr(event, 'label', 'engine')}: {error!r}")
    return outcome


def fuzz_until(
    target: Target, cases: int, *, seed: int, progress: Callable[[Outcome], None]
) -> Outcome:
    """Return what came of at least so many cases; rounds differ in their seeds."""
    outcome = Outcome(target.name)
    operations = len(target.contract.operations)
    phases: tuple[str, ...] = ("examples", "coverage", "fuzzing")
    while outcome.cases < cases:
        wanted = math.ceil((cases - outcome.cases) / operations)
        before = outcome.cases
        fuzz(
            target,
            per_operation=max(wanted, 10),
            seed=seed,
            phases=phases,
            outcome=outcome,
            progress=progress,
        )
        if outcome.cases == before:
            outcome.errors.append("no case was made")
            return outcome
        seed += 1
        phases = ("fuzzing",)
    if target.credentials is not None and len(outcome.succeeded) < operations / 2:
        outcome.errors.append(f"only these ever succeeded: {sorted(outcome.succeeded)}")
    return outcome


def _schema(
    target: Target, per_operation: int, sample: float, seed: int, phases: tuple[str, ...]
) -> Any:
    config = schemathesis.Config.from_dict(
        {
            "base-url": target.base_url,
            "workers": 1,
            "seed": seed,
            "continue-on-failure": True,
            "request-timeout": 60,
            "suppress-health-check": ["all"],
            "phases": {
                **{
                    name: {"enabled": name in phases}
                    for name in ("examples", "coverage", "fuzzing")
                },
                "stateful": {"enabled": False},
            },
            "generation": {
                "max-examples": per_operation,
                "no-shrink": True,
                "database": "none",
                "with-security-parameters": target.credentials is None,
            },
            "checks": {
                "negative_data_rejection": {"expected-statuses": ONLY_REFUSALS},
                "positive_data_acceptance": {"enabled": False},  # rules that no schema expresses
                "ignored_auth": {"enabled": False},  # it takes a bearer token for no credential
            },
        }
    )
    # schemathesis writes into what it is given
    schema = schemathesis.openapi.from_dict(
        json.loads(json.dumps(target.contract.document)), config=config
    )
    _install(schema, target, sample)
    return schema


def _install(schema: Any, target: Target, sample: float) -> None:
    @schema.hook  # type: ignore[untyped-decorator]  # schemathesis does not type its decorators
    def filter_case(context: schemathesis.HookContext, case: Case) -> bool:
        systematic = case.meta is not None and case.meta.phase.name == "coverage"
        return not systematic or _random(case).random() < sample

    @schema.hook  # type: ignore[untyped-decorator]  # as above
    def map_case(context: schemathesis.HookContext, case: Case) -> Case:
        return _made_real(case, target)

    if target.credentials is None:
        return
    credentials = target.credentials

    @schema.auth(refresh_interval=None)
    class Known:
        def get(self, case: Case, _: schemathesis.AuthContext) -> Mapping[str, str] | None:
            operation = _operation(case, target)
            return credentials(operation, _random(case)) if operation.security else {}

        def set(self, case: Case, data: Mapping[str, str], _: schemathesis.AuthContext) -> None:
            for name, value in data.items():
                case.headers[name] = value


def _made_real(case: Case, target: Target) -> Case:
    """Put ids that exist into half of the cases, wherever the contract's rules are kept."""
    random = _random(case)
    operation = _operation(case, target)
    spared = operation.method != "GET" and any(
        str(value) in target.spared for value in case.path_parameters.values()
    )
    if random.random() < 0.4 and not spared:
        return case
    known = target.known(operation, random)
    for place, container in _LOCATIONS.items():
        values = getattr(case, container)
        if _is_negative(case, place) or not values:
            continue
        chosen = {name: known[name] for name in values if name in known}
        if chosen:
            setattr(case, container, {**values, **chosen})
    if "If-Match" in case.headers and not _is_negative(case, "header") and random.random() < 0.6:
        case.headers["If-Match"] = "*"
    if isinstance(case.body, dict) and not _is_negative(case, "body"):
        body = target.body(operation, random)
        if body:
            merged = {**case.body, **body}
            case.body = {name: value for name, value in merged.items() if value is not None}
    return case


def _is_negative(case: Case, place: str) -> bool:
    if case.meta is None:
        return False
    return any(
        location.value == place and component.mode.is_negative
        for location, component in case.meta.components.items()
    )


def _operation(case: Case, target: Target) -> Operation:
    operation_id = case.operation.definition.raw["operationId"]
    return target.contract.by_id[operation_id]


def _random(case: Case) -> Random:
    """Return what chooses for a case: the same each time that the case is made."""
    parts = (case.operation.label, case.path_parameters, case.query, case.body, case.media_type)
    return Random(zlib.crc32(repr(parts).encode("utf-8", "surrogatepass")))


def _record(event: events.ScenarioFinished, target: Target, outcome: Outcome) -> None:
    recorder = event.recorder
    outcome.cases += len(recorder.interactions)
    outcome.phases[event.phase.value] += len(recorder.interactions)
    outcome.operations[recorder.label] += len(recorder.interactions)
    for interaction in recorder.interactions.values():
        status = interaction.response.status_code if interaction.response else 0
        outcome.statuses[status] += 1
        if 200 <= status < 300:
            outcome.succeeded.add(recorder.label)
    found = [*_findings(recorder, target), *_refused(recorder)]
    if target.credentials is None:
        found += _let_in(recorder, target)
    for finding in found:
        key = (finding.operation, finding.check, finding.message[:80])
        outcome.findings.setdefault(key, finding)


def _findings(recorder: Any, target: Target) -> Iterator[Finding]:
    for case_id, checks in recorder.checks.items():
        lenient = _operation(recorder.cases[case_id].value, target).name in target.lenient
        for check in checks:
            if lenient and check.name == "negative_data_rejection":
                continue
            if check.failure_info is not None:
                failure = check.failure_info.failure
                yield Finding(
                    recorder.label, check.name, str(failure), check.failure_info.code_sample
                )


def _let_in(recorder: Any, target: Target) -> Iterator[Finding]:
    """Return the calls without a good credential that were let in all the same."""
    for case_id, interaction in recorder.interactions.items():
        case = recorder.cases[case_id].value
        operation, response = _operation(case, target), interaction.response
        if (
            operation.security
            and response is not None
            and interaction.request.method == operation.method
            and response.status_code < 300
        ):
            yield Finding(recorder.label, "credentials", "It was let in.", case.as_curl_command())


def _refused(recorder: Any) -> Iterator[Finding]:
    """Return the calls that keep the contract's schemas and were refused by a rule of theirs."""
    for case_id, interaction in recorder.interactions.items():
        case, response = recorder.cases[case_id].value, interaction.response
        if case.meta is None or not case.meta.generation.mode.is_positive:
            continue
        if response is None or response.status_code != 400:
            continue
        broken = [
            f"{error['pointer']} {error['rule']}"
            for error in json.loads(response.content).get("errors", ())
            if error["rule"] in _SCHEMA_RULES
        ]
        if broken:
            message = f"It keeps the schema, and was refused: {', '.join(broken)}"
            yield Finding(recorder.label, "refused", message, case.as_curl_command())

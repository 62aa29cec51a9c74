"""Every kind of change, made to the real contracts: what breaks is found, what does not is not."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tools.compatibility.changes import Change, Level
from tools.compatibility.comparing import compare
from tools.compatibility.verdicts import SERVED_BY_THE_MARKETPLACE

CONTRACTS = Path(__file__).resolve().parents[3] / "mpp_sdk" / "contracts"
NAMES = ("eu-mp", "marketplace", "metering", "notifications")

Document = dict[str, Any]
Mutate = Callable[[Document], object]


@cache
def text_of(name: str) -> str:
    return (CONTRACTS / name.replace("-", "_") / "document.json").read_text(encoding="utf-8")


def document(name: str) -> Document:
    return json.loads(text_of(name))  # type: ignore[no-any-return]


def changes(name: str, mutate: Mutate) -> list[Change]:
    mutated = document(name)
    mutate(mutated)
    assert mutated != document(name), "the mutation changes nothing"
    return compare(document(name), mutated, both_ways=name not in SERVED_BY_THE_MARKETPLACE)


def schema(of: Document, name: str) -> Any:
    return of["components"]["schemas"][name]


def properties(of: Document, name: str) -> Any:
    return schema(of, name)["properties"]


def operation(of: Document, path: str, method: str) -> Any:
    return of["paths"][path][method]


def parameter(of: Document, name: str) -> Any:
    return of["components"]["parameters"][name]


CONFIRMED = "/service-offer/confirmed/{platformRole}"
PLAYERS = "/market-players"
READINGS = "/subscriptions/{subscriptionId}/validated-measure-data/{podId}"
PODS = "/subscriptions/{subscriptionId}/points-of-delivery"


def body(of: Document, path: str, method: str = "post") -> Any:
    return operation(of, path, method)["requestBody"]


def answers(of: Document, path: str, method: str) -> Any:
    return operation(of, path, method)["responses"]


def give_parameter(of: Document, path: str, method: str, **more: Any) -> None:
    one = {"name": "colour", "in": "query", "schema": {"type": "string"}, **more}
    operation(of, path, method).setdefault("parameters", []).append(one)


def close(of: Document, name: str) -> None:
    schema(of, name)["additionalProperties"] = False


def rename(of: dict[str, Any], old: str, new: str) -> None:
    of[new] = of.pop(old)


@dataclass(frozen=True)
class Case:
    """A mutation of a contract, and the rule that finds it."""

    rule: str
    contract: str
    mutate: Mutate
    note: str = ""

    def __str__(self) -> str:
        return f"{self.rule}-{self.contract}{self.note and f'-{self.note}'}"


BREAKING = [
    # Values
    Case(
        "enum value removed", "eu-mp", lambda d: schema(d, "EndedSubscriptionState")["enum"].pop()
    ),
    Case("enum value removed", "metering", lambda d: schema(d, "ConsentState")["enum"].pop()),
    Case("enum value removed", "marketplace", lambda d: schema(d, "AuditedKind")["enum"].pop()),
    Case(
        "enum value added",
        "notifications",
        lambda d: schema(d, "ServiceStatus")["enum"].append("LOST"),
        "of what is sent",
    ),
    Case(
        "enum value added",
        "notifications",
        lambda d: schema(d, "AcknowledgementOutcome")["enum"].append("LATER"),
        "of what is answered",
    ),
    Case(
        "enum introduced",
        "eu-mp",
        lambda d: properties(d, "ConfirmedService")["name"].update(enum=["Readings"]),
    ),
    Case(
        "enum lifted",
        "marketplace",
        lambda d: schema(d, "MarketPlayerState").pop("enum"),
        "of what is answered",
    ),
    Case(
        "type changed",
        "eu-mp",
        lambda d: properties(d, "ConfirmedService")["version"].update(type="string"),
    ),
    Case(
        "type changed", "metering", lambda d: parameter(d, "Limit")["schema"].update(type="number")
    ),
    Case(
        "format changed",
        "eu-mp",
        lambda d: properties(d, "Acknowledgement")["eventId"].pop("format"),
    ),
    Case(
        "format changed",
        "marketplace",
        lambda d: properties(d, "Platform")["updatedAt"].update(format="date"),
    ),
    Case(
        "nullable added",
        "eu-mp",
        lambda d: properties(d, "HeldEvent")["receivedAt"].update(nullable=True),
    ),
    Case(
        "pattern added",
        "marketplace",
        lambda d: schema(d, "Reason").update(pattern="^[A-Z]"),
        "of what is sent",
    ),
    Case("pattern changed", "metering", lambda d: schema(d, "PodId").update(pattern="^[a-z]+$")),
    Case(
        "pattern removed",
        "eu-mp",
        lambda d: properties(d, "NotificationReplay")["apiKeyHash"].pop("pattern"),
        "of what is answered",
    ),
    Case(
        "limit changed",
        "marketplace",
        lambda d: parameter(d, "Limit")["schema"].update(maximum=100),
    ),
    Case(
        "limit added",
        "marketplace",
        lambda d: properties(d, "PlatformDraft")["baseUrl"].update(minLength=30),
    ),
    Case("limit changed", "notifications", lambda d: schema(d, "Reason").update(minLength=5)),
    Case(
        "limit removed",
        "eu-mp",
        lambda d: properties(d, "NotificationReplay")["queued"].pop("minimum"),
        "of what is answered",
    ),
    Case(
        "limit changed",
        "marketplace",
        lambda d: properties(d, "Problem")["status"].update(maximum=699),
        "of what is answered",
    ),
    Case(
        "limit changed",
        "eu-mp",
        lambda d: properties(d, "PointsOfDeliveryRequested")["podIds"].update(maxItems=5000),
        "an old platform takes fewer",
    ),
    Case(
        "limit removed",
        "metering",
        lambda d: properties(d, "PointsOfDeliveryRequest")["podIds"].pop("uniqueItems"),
        "an old platform refuses what is there twice",
    ),
    Case(
        "default changed",
        "marketplace",
        lambda d: parameter(d, "Limit")["schema"].update(default=10),
    ),
    # Objects
    Case(
        "required added",
        "eu-mp",
        lambda d: schema(d, "ServiceOfferCanceled")["required"].append("supersededBy"),
    ),
    Case(
        "required added",
        "marketplace",
        lambda d: schema(d, "MarketPlayerDraft")["required"].append("eicCode"),
    ),
    Case(
        "required added",
        "eu-mp",
        lambda d: schema(d, "HeldEventPage")["required"].append("nextCursor"),
        "an old platform leaves it out",
    ),
    Case(
        "required removed",
        "eu-mp",
        lambda d: schema(d, "Acknowledgement")["required"].remove("outcome"),
    ),
    Case(
        "required removed",
        "marketplace",
        lambda d: schema(d, "Platform")["required"].remove("baseUrl"),
    ),
    Case(
        "required removed",
        "eu-mp",
        lambda d: schema(d, "ServiceOfferCanceled")["required"].remove("reason"),
        "an old platform asks for it",
    ),
    Case(
        "property removed",
        "eu-mp",
        lambda d: properties(d, "ServiceOfferCanceled").pop("supersededBy"),
    ),
    Case(
        "property removed",
        "marketplace",
        lambda d: properties(d, "MarketPlayerDraft").pop("website"),
    ),
    Case(
        "property removed",
        "metering",
        lambda d: rename(properties(d, "PointOfDeliveryStatus"), "updatedAt", "at"),
    ),
    Case(
        "property added",
        "metering",
        lambda d: properties(d, "PointsOfDeliveryRequest").update(colour={"type": "string"}),
        "an old platform refuses what it does not know",
    ),
    Case(
        "additionalProperties changed",
        "notifications",
        lambda d: close(d, "InterimNotification"),
        "what callers add is refused",
    ),
    Case(
        "items changed",
        "eu-mp",
        lambda d: properties(d, "CompanyReference")["roles"].pop("items"),
        "of what is answered",
    ),
    Case(
        "oneOf changed",
        "eu-mp",
        lambda d: schema(d, "Price").update(oneOf=[{"required": ["amount"]}]),
    ),
    Case(
        "not changed",
        "eu-mp",
        lambda d: schema(d, "Price").update({"not": {"required": ["amount"]}}),
    ),
    Case(
        "discriminator changed",
        "eu-mp",
        lambda d: schema(d, "Price").update(discriminator={"propertyName": "model"}),
        "which no rule knows",
    ),
    # Operations
    Case("operation removed", "eu-mp", lambda d: d["paths"].pop("/events")),
    Case("operation removed", "marketplace", lambda d: d["paths"][PLAYERS].pop("get")),
    Case(
        "operation removed",
        "metering",
        lambda d: rename(d["paths"], PODS, PODS.replace("{subscriptionId}", "{id}")),
    ),
    Case(
        "operationId changed",
        "notifications",
        lambda d: operation(d, "/test", "get").update(operationId="ping"),
    ),
    Case(
        "x-optional changed",
        "eu-mp",
        lambda d: operation(d, "/test", "get").update({"x-optional": True}),
    ),
    Case("status removed", "eu-mp", lambda d: answers(d, CONFIRMED, "post").pop("409")),
    Case(
        "status added",
        "metering",
        lambda d: answers(d, READINGS, "get").update({"206": {"description": "A part."}}),
        "a success",
    ),
    Case(
        "header removed",
        "marketplace",
        lambda d: d["components"]["responses"]["TooManyRequests"]["headers"].pop("Retry-After"),
    ),
    Case(
        "media type removed",
        "metering",
        lambda d: answers(d, READINGS, "get")["200"]["content"].pop("application/xml"),
    ),
    Case(
        "media type removed",
        "eu-mp",
        lambda d: rename(body(d, CONFIRMED)["content"], "application/json", "text/json"),
    ),
    Case(
        "body added",
        "notifications",
        lambda d: operation(d, "/apikey", "post").update(
            requestBody={"required": True, "content": {}}
        ),
    ),
    Case("body removed", "eu-mp", lambda d: operation(d, CONFIRMED, "post").pop("requestBody")),
    Case(
        "body became optional",
        "eu-mp",
        lambda d: body(d, CONFIRMED).update(required=False),
        "an old platform asks for it",
    ),
    Case(
        "encoding changed",
        "marketplace",
        lambda d: body(d, "/oauth/token")["content"]["application/x-www-form-urlencoded"].update(
            encoding={"scope": {"style": "form"}}
        ),
    ),
    # Parameters
    Case(
        "required parameter added",
        "marketplace",
        lambda d: give_parameter(d, PLAYERS, "get", required=True),
    ),
    Case(
        "parameter became required",
        "notifications",
        lambda d: parameter(d, "IdempotencyKey").update(required=True),
    ),
    Case(
        "parameter became optional",
        "eu-mp",
        lambda d: operation(d, "/events", "get")["parameters"][0].pop("required"),
        "an old platform asks for it",
    ),
    Case(
        "parameter removed",
        "marketplace",
        lambda d: operation(d, PLAYERS, "get")["parameters"].pop(),
    ),
    Case(
        "style of parameter changed",
        "metering",
        lambda d: parameter(d, "Cursor").update(style="pipeDelimited"),
    ),
    Case(
        "explode of parameter changed",
        "marketplace",
        lambda d: parameter(d, "Limit").update(explode=False),
    ),
    # Access
    Case(
        "security changed", "eu-mp", lambda d: operation(d, CONFIRMED, "post").update(security=[])
    ),
    Case("security changed", "marketplace", lambda d: d["security"].pop()),
    Case(
        "security changed",
        "marketplace",
        lambda d: operation(d, PLAYERS, "post").update(security=[{"apiKey": []}]),
        "anybody could",
    ),
    Case(
        "security scheme changed",
        "metering",
        lambda d: d["components"]["securitySchemes"]["apiKey"].update(name="X-Key"),
    ),
    Case("base path changed", "metering", lambda d: d["servers"][0].update(url="/metering/v2")),
]


@pytest.mark.parametrize("case", BREAKING, ids=str)
def test_a_breaking_change_is_found(case: Case) -> None:
    found = changes(case.contract, case.mutate)

    breaking = [one.rule for one in found if one.level is Level.BREAKING]
    assert case.rule in breaking, found


HARMLESS = [
    Case("operation added", "eu-mp", lambda d: d["paths"].update({"/more": d["paths"]["/test"]})),
    Case("parameter added", "marketplace", lambda d: give_parameter(d, PLAYERS, "get")),
    Case(
        "property added",
        "eu-mp",
        lambda d: properties(d, "ServiceOfferCanceled").update(by={"type": "string"}),
        "of an open object",
    ),
    Case(
        "property added",
        "marketplace",
        lambda d: properties(d, "MarketPlayerDraft").update(phone={"type": "string"}),
        "the one server knows it",
    ),
    Case(
        "property added",
        "marketplace",
        lambda d: properties(d, "Platform").update(colour={"type": "string"}),
    ),
    Case(
        "status added",
        "notifications",
        lambda d: answers(d, "/test", "get").update({"410": {"description": "Gone."}}),
        "a failure",
    ),
    Case(
        "media type added",
        "metering",
        lambda d: answers(d, READINGS, "get")["200"]["content"].update({"text/csv": {}}),
    ),
    Case(
        "header added",
        "eu-mp",
        lambda d: answers(d, "/test", "get")["200"].update(
            headers={"X-Age": {"schema": {"type": "integer"}}}
        ),
    ),
    Case(
        "enum value added",
        "eu-mp",
        lambda d: schema(d, "HeldEventKind")["enum"].append("service-offer.renamed"),
        "others may be added",
    ),
    Case(
        "limit changed",
        "marketplace",
        lambda d: parameter(d, "Limit")["schema"].update(maximum=500),
        "the one server takes more",
    ),
    Case(
        "limit removed",
        "marketplace",
        lambda d: properties(d, "PlatformDraft")["apiKey"].pop("minLength"),
        "the one server takes more",
    ),
    Case(
        "limit added",
        "marketplace",
        lambda d: properties(d, "Platform")["baseUrl"].update(maxLength=500),
        "of what is answered",
    ),
    Case(
        "required removed",
        "marketplace",
        lambda d: schema(d, "MarketPlayerDraft")["required"].remove("country"),
        "the one server asks for less",
    ),
    Case(
        "required added",
        "marketplace",
        lambda d: schema(d, "Platform")["required"].append("lastTestAt"),
        "of what is answered",
    ),
    Case(
        "nullable added",
        "marketplace",
        lambda d: properties(d, "MarketPlayerDraft")["website"].update(nullable=True),
        "the one server takes it",
    ),
    Case(
        "security added", "eu-mp", lambda d: d["security"].append({"basic": []}), "a second way in"
    ),
    Case(
        "arrangement changed",
        "eu-mp",
        lambda d: body(d, CONFIRMED)["content"]["application/json"].update(
            schema=copy.deepcopy(schema(d, "ServiceOfferConfirmed"))
        ),
        "written out instead of named",
    ),
]


@pytest.mark.parametrize("case", HARMLESS, ids=str)
def test_a_harmless_change_is_an_addition(case: Case) -> None:
    found = changes(case.contract, case.mutate)

    assert {one.rule for one in found} == {case.rule}, found
    assert {one.level for one in found} == {Level.ADDITION}, found


WORDS = [
    Case(
        "words changed",
        "eu-mp",
        lambda d: operation(d, CONFIRMED, "post").update(description="Otherwise."),
    ),
    Case("words changed", "eu-mp", lambda d: schema(d, "Reason").update(example="Otherwise.")),
    Case("words changed", "eu-mp", lambda d: d["info"].update(description="Otherwise.")),
    Case("words changed", "marketplace", lambda d: d["tags"].pop()),
    Case(
        "words changed",
        "marketplace",
        lambda d: operation(d, PLAYERS, "get").update(deprecated=True),
    ),
    Case("words changed", "metering", lambda d: schema(d, "Reason").update({"x-order": 3})),
]


@pytest.mark.parametrize("case", WORDS, ids=lambda case: f"{case}")
def test_other_words_are_only_words(case: Case) -> None:
    (found,) = changes(case.contract, case.mutate)

    assert (found.rule, found.level) == ("words changed", Level.WORDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_contract_is_compatible_with_itself(name: str) -> None:
    assert compare(document(name), document(name), both_ways=True) == []


def test_a_higher_version_is_no_change() -> None:
    new = document("metering")
    new["info"]["version"] = "9.0.0"

    assert compare(document("metering"), new, both_ways=True) == []


def test_a_shared_schema_is_told_of_once_with_all_that_use_it() -> None:
    (found,) = changes("notifications", lambda d: schema(d, "PodId").update(maxLength=10))

    assert found.place == "#/components/schemas/PodId/maxLength"
    assert (found.was, found.now) == (60, 10)
    assert {str(use) for use in found.uses} == {
        "request of POST /service/consent",
        "request of POST /service/activation",
    }


def test_where_no_server_is_old_less_may_be_asked_for() -> None:
    new = document("eu-mp")
    operation(new, "/events", "get")["parameters"][0].pop("required")

    (found,) = compare(document("eu-mp"), new, both_ways=False)
    assert (found.rule, found.level) == ("parameter became optional", Level.ADDITION)


def test_a_name_of_a_property_is_no_keyword() -> None:
    """A property may be called as what is words elsewhere."""
    old, new = document("metering"), document("metering")
    for one, kind in ((old, "string"), (new, "integer")):
        properties(one, "PointOfDeliveryStatus")["description"] = {"type": kind}

    (found,) = compare(old, new, both_ways=False)
    assert found.rule == "type changed"

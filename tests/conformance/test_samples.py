"""Right calls are right, and each wrong one breaks the rule that it says it breaks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mpp_sdk.conformance import Credentials, Target
from mpp_sdk.conformance.features import schema_of_one
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.samples import (
    bad_values,
    breaks,
    filled,
    sample_of,
    with_unknown_properties,
)
from mpp_sdk.ids import new_id
from mpp_sdk.transport import AddressPolicy
from mpp_sdk.web.contract import Contract, Operation
from mpp_sdk.web.validation import Validators

JSON = "application/json"
CONTRACTS = {
    name: Contract.load(name) for name in ("eu_mp", "notifications", "metering", "flexoffer")
}
OPERATIONS = [
    pytest.param(contract, operation, id=operation.operation_id)
    for contract in CONTRACTS.values()
    for operation in contract.operations
]
WITH_BODY = [
    pytest.param(contract, operation, id=operation.operation_id)
    for contract in CONTRACTS.values()
    for operation in contract.operations
    if JSON in operation.body_media_types
]


def target(contract: Contract) -> Target:
    return Target(
        "http://127.0.0.1:9",
        contract.name,
        Credentials("fxk_of_nobody"),
        AddressPolicy(allow_private=True, allow_http=True),
        subscription_id=new_id(),
        pod_ids=("METER-1",),
    )


def errors(contract: Contract, operation: Operation, body: object) -> list[str]:
    # What is one or many is checked by the handler, by the schema that one is replaced by.
    checked = {"offer": "replace_flex_offer"}.get(operation.name, operation.operation_id)
    found = Validators(contract).body_errors(checked, body)
    return [one.pointer for one in found]


@pytest.mark.parametrize(("contract", "operation"), WITH_BODY)
def test_a_sample_is_right_whole_and_with_what_is_unknown(
    contract: Contract, operation: Operation
) -> None:
    schema = schema_of_one(contract, operation)
    body = sample_of(contract, operation, target(contract)).body
    whole = filled(contract, schema, body)
    more = with_unknown_properties(contract, schema, whole, "conformanceKit")
    assert [errors(contract, operation, one) for one in (body, whole, more)] == [[], [], []]


@pytest.mark.parametrize(("contract", "operation"), WITH_BODY)
def test_every_broken_body_breaks_the_rule_of_its_field_alone(
    contract: Contract, operation: Operation
) -> None:
    schema = schema_of_one(contract, operation)
    body = sample_of(contract, operation, target(contract)).body
    made = list(breaks(contract, schema, body))
    wrong = [
        (one.pointer, one.what)
        for one in made
        if {found[: len(one.pointer)] for found in errors(contract, operation, one.body)}
        != {one.pointer}
    ]
    assert wrong == []
    assert {one.kind for one in made} >= {"missing", "type", "value"}


@pytest.mark.parametrize(("contract", "operation"), WITH_BODY)
def test_every_required_field_is_left_out_once(contract: Contract, operation: Operation) -> None:
    schema = schema_of_one(contract, operation)
    body = sample_of(contract, operation, target(contract)).body
    missing = {one.pointer for one in breaks(contract, schema, body) if one.kind == "missing"}
    assert missing >= {f"/{name}" for name in schema["required"]}


@pytest.mark.parametrize(("contract", "operation"), OPERATIONS)
def test_every_bad_parameter_breaks_its_schema(contract: Contract, operation: Operation) -> None:
    validators = Validators(contract)
    taken = [
        (bad.parameter.name, bad.value)
        for bad in bad_values(operation)
        if bad.value is not None
        and bad.parameter.type == "string"
        and validators.compile(bad.parameter.schema).is_valid(bad.value)
    ]
    assert taken == []


def test_a_list_is_tried_below_and_above_its_limits() -> None:
    [listing] = [
        one for one in CONTRACTS["metering"].operations if one.name == "list_points_of_delivery"
    ]
    tried = {bad.value for bad in bad_values(listing) if bad.parameter.name == "limit"}
    assert tried == {"many", "0", "201"}


def test_an_event_is_news_whenever_it_is_made() -> None:
    contract = CONTRACTS["eu_mp"]
    operation = contract.by_id["suspend_service_offer"]
    first, second = (sample_of(contract, operation, target(contract)).body for _ in range(2))
    assert first["eventId"] != second["eventId"]
    assert first["subscriptionId"] != second["subscriptionId"]
    age = datetime.now(UTC) - datetime.fromisoformat(first["occurredAt"])
    assert abs(age) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("contract", "operation", "left_out", "option"),
    [
        ("notifications", "consents.notify_consent", {"subscription_id": None}, "--subscription"),
        ("metering", "list_points_of_delivery", {"subscription_id": None}, "--subscription"),
        ("metering", "read_validated_measure_data", {"pod_ids": ()}, "--pod"),
    ],
)
def test_what_a_sample_needs_is_asked_for(
    contract: str, operation: str, left_out: dict[str, object], option: str
) -> None:
    document = CONTRACTS[contract]
    lacking = replace(target(document), **left_out)  # type: ignore[arg-type]
    with pytest.raises(NotShown, match=option):
        sample_of(document, document.by_id[operation], lacking)

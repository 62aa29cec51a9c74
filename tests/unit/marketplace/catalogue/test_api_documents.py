import json
from typing import Any
from uuid import UUID

import pytest

from marketplace.catalogue import api_documents, service
from marketplace.catalogue.openapi_check import NotUsableError, check
from mpp_sdk.errors import Forbidden, IllegalTransition, InvalidInput, NotFound, PreconditionFailed
from tests.unit.marketplace.market import OPERATOR, Caller, Company, Market

YAML = """
openapi: 3.0.3
info: {title: Readings, version: "1.0", x-since: 2026-01-01}
paths:
  /readings:
    get:
      responses: {200: {description: The readings.}}
"""
HEAD = 'openapi: 3.1.0\ninfo: {title: A, version: "1"}\npaths: {}\n'


def write(market: Market, caller: Caller, service_id: UUID, text: str, number: int = 1) -> Any:
    def work() -> tuple[str, str, str]:
        made = api_documents.write_api_document(service_id, number, text, "*").document
        return made.title, made.openapi, made.format.value

    return market.call(caller, work)


def read(market: Market, caller: Caller, service_id: UUID) -> tuple[str, Any]:
    def work() -> tuple[str, Any]:
        found = api_documents.read_api_document(service_id, 1).document
        return found.text, json.loads(found.document)

    return market.call(caller, work)


def test_what_a_provider_writes_is_read_by_whoever_sees_the_version(
    market: Market, provider: Company, stranger: Company
) -> None:
    service_id = market.draft(provider)
    assert write(market, provider, service_id, YAML) == ("Readings", "3.0.3", "YAML")
    with pytest.raises(NotFound):
        read(market, stranger, service_id)
    market.call(provider, service.publish, service_id, 1, None)
    text, document = read(market, stranger, service_id)
    assert text == YAML
    assert document["paths"]["/readings"]["get"]["responses"] == {
        "200": {"description": "The readings."}
    }
    assert document["info"]["x-since"] == "2026-01-01"


def test_a_published_version_keeps_its_document(market: Market, provider: Company) -> None:
    service_id = market.published(provider)
    with pytest.raises(IllegalTransition):
        write(market, provider, service_id, YAML)
    with pytest.raises(IllegalTransition):
        market.call(provider, api_documents.delete_api_document, service_id, 1, "*")


def test_a_document_is_replaced_taken_away_and_goes_with_its_draft(
    market: Market, provider: Company
) -> None:
    service_id = market.draft(provider)
    write(market, provider, service_id, YAML)
    assert write(
        market,
        provider,
        service_id,
        json.dumps({"openapi": "3.1.0", "info": {"title": "B", "version": "2"}, "paths": {}}),
    ) == ("B", "3.1.0", "JSON")
    market.call(provider, api_documents.delete_api_document, service_id, 1, "*")
    with pytest.raises(NotFound):
        read(market, provider, service_id)
    with pytest.raises(NotFound):
        market.call(provider, api_documents.delete_api_document, service_id, 1, "*")
    write(market, provider, service_id, YAML)
    market.call(provider, service.delete_version, service_id, 1, "*")
    with pytest.raises(NotFound):
        read(market, provider, service_id)


def test_writing_changes_the_version_and_needs_the_present_one(
    market: Market, provider: Company
) -> None:
    service_id = market.draft(provider)
    before = market.call(provider, lambda: service.read_version(service_id, 1).version)
    write(market, provider, service_id, YAML)
    after = market.call(provider, lambda: service.read_version(service_id, 1).version)
    assert after > before
    with pytest.raises(PreconditionFailed):
        market.call(provider, api_documents.write_api_document, service_id, 1, YAML, f'"{before}"')
    assert [action for action, _, _ in market.trail("ServiceVersion")] == ["draft", "edit"]


def test_only_its_provider_writes_it(market: Market, provider: Company, stranger: Company) -> None:
    service_id = market.draft(provider)
    with pytest.raises(NotFound):
        write(market, stranger, service_id, YAML)
    with pytest.raises(Forbidden):
        write(market, OPERATOR, service_id, YAML)


def test_it_says_where_a_document_is_wrong(market: Market, provider: Company) -> None:
    service_id = market.draft(provider)
    with pytest.raises(InvalidInput) as refused:
        write(market, provider, service_id, "openapi: 3.0.3\ninfo: {title: A}\npaths: {}\n")
    assert refused.value.errors[0].pointer == "/text"
    assert refused.value.detail == 'At /info: "version" is a required property'


def test_one_that_takes_for_ever_is_given_up(
    market: Market, provider: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_documents, "CHECK_SECONDS", 3.0)
    bomb = f"{HEAD}components: {{schemas: {{A: {{type: string, pattern: '^(a+)+$', default: "
    bomb += "'" + "a" * 40 + "!'}}}\n"
    service_id = market.draft(provider)
    with pytest.raises(InvalidInput, match="too"):
        write(market, provider, service_id, bomb)
    assert write(market, provider, service_id, YAML)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no object"),
        ("- a\n", "no object"),
        ("a: [", "not YAML.*line 1, column 5"),
        ("openapi: 2.0.0\n", "At /openapi"),
        ("openapi: 3.2.0\n", "At /openapi"),
        ("swagger: '2.0'\n", "At /openapi"),
        ("a: 1\na: 2\n", "Line 2: 'a' is there twice"),
        ('{"a": 1, "a": 2}', "twice"),
        ("[" * 100_000, "nested deeper than 64"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested deeper than 64"),
        ("a: &a [*a]\n", "refers to itself"),
        ("a: *b\n", "refers to itself or to nothing"),
        ("a: !!python/name:os.system x\n", "not YAML"),
        ("? [a, b]\n: c\n", "a key must be a text"),
        (HEAD + "x-a: .nan\n", "JSON has not"),
        (HEAD + "x-a: !!binary aGFsbG8=\n", "JSON has not"),
        (HEAD + 'x-a: "\\uD800"\n', "JSON has not|not YAML"),
        (HEAD + "components: {schemas: {A: {$ref: 'http://127.0.0.1/a'}}}", "A/\\$ref.*leads out"),
        (HEAD + "components: {schemas: {A: {$ref: 'a.yaml#/A'}}}", "leads out"),
        (HEAD + "components: {schemas: {A: {$ref: '#/nowhere'}}}", "no valid OpenAPI"),
        (HEAD + "components: {schemas: {A: {$id: 'http://127.0.0.1/'}}}", "A/\\$id: leave it out"),
        (HEAD + "jsonSchemaDialect: http://127.0.0.1/\n", "leave it out"),
        (
            HEAD + "components: {schemas: {A: {allOf: [{$ref: '#/components/schemas/A'}]}}}",
            "without an end",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(NotUsableError, match=why):
        check(text)


def test_aliases_are_resolved_and_bounded() -> None:
    found = check(HEAD + "x-a: &a [1, 2]\nx-b: *a\nx-c: {<<: {d: 1}}\n")
    document = json.loads(found["document"])
    assert (document["x-b"], document["x-c"]) == ([1, 2], {"d": 1})
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(NotUsableError, match="aliases counted"):
        check("\n".join(lines))

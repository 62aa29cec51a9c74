"""What cannot be served right is refused at the start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
import requests

from mpp_sdk.errors import Unavailable
from mpp_sdk.web.binding import BoundContract, bind, methods_of
from mpp_sdk.web.call import Call, Principal, Proceed, Reply, current_call, no_edge
from mpp_sdk.web.contract import Contract, ContractError, snake
from mpp_sdk.web.server import BackgroundServer, compose, serve
from mpp_sdk.web.validation import Validators

from . import probe


def bound(
    handlers: object, document: dict[str, Any] | None = None, **options: Any
) -> BoundContract:
    return bind(
        Contract.from_document("probe", document or probe.document()),
        methods_of(handlers),
        **{"edge": no_edge, "authenticator": probe.Keys(), **options},
    )


def test_a_missing_handler_stops_the_start() -> None:
    class Incomplete(probe.Handlers):
        tick = None  # type: ignore[assignment]  # as good as none

    with pytest.raises(ContractError, match=r"ticks\.tick"):
        bound(Incomplete())
    with pytest.raises(ContractError, match=r"nothing handles items\.list_items"):
        bound(object())


class _LacksParameter(probe.Handlers):
    def read_item(self) -> probe.Item:  # type: ignore[override]
        return probe.an_item()


class _TakesTooMuch(probe.Handlers):
    def read_item(self, item_id: UUID, colour: str) -> probe.Item:  # type: ignore[override]
        return probe.an_item()


class _HasNoTypes(probe.Handlers):
    def read_item(self, item_id) -> probe.Item:  # type: ignore[no-untyped-def]
        return probe.an_item()


class _IsAsynchronous(probe.Handlers):
    async def read_item(self, item_id: UUID) -> probe.Item:  # type: ignore[override]
        return probe.an_item()


@pytest.mark.parametrize(
    ("handlers", "message"),
    [
        (_LacksParameter, "lacks item_id"),
        (_TakesTooMuch, "has colour, which the contract does not give"),
        (_HasNoTypes, "has item_id without a type"),
        (_IsAsynchronous, "must be a plain function"),
    ],
)
def test_a_handler_that_does_not_fit_stops_the_start(
    handlers: type[probe.Handlers], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        bound(handlers())


def test_an_operation_id_that_is_there_twice_is_refused() -> None:
    document = probe.document()
    document["paths"]["/ticks"]["post"]["operationId"] = "items.list_items"

    with pytest.raises(ContractError, match=r"twice: items\.list_items"):
        Contract.from_document("probe", document)


def test_a_format_that_nothing_checks_is_refused() -> None:
    document = probe.document()
    document["components"]["schemas"]["Item"]["properties"]["day"]["format"] = "iban"

    with pytest.raises(ContractError, match="iban"):
        bound(probe.Handlers(), document)


@pytest.mark.parametrize(
    ("security", "message"),
    [
        ([{"apiKey": [], "oauth2": []}], "one scheme"),
        ([{}], "one scheme"),
        ([{"nothing": []}], "no security scheme nothing"),
        ([{"oauth2": ["emperor"]}], "unknown scopes emperor"),
    ],
)
def test_security_that_would_not_be_checked_is_refused(
    security: list[dict[str, list[str]]], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        Contract.from_document("probe", {**probe.document(), "security": security})


def test_an_operation_without_id_is_refused() -> None:
    document = probe.document()
    del document["paths"]["/ticks"]["post"]["operationId"]

    with pytest.raises(ContractError, match="post /ticks has no operationId"):
        Contract.from_document("probe", document)


@pytest.mark.parametrize(
    ("name", "argument"),
    [("podId", "pod_id"), ("from", "from_"), ("Last-Event-ID", "last_event_id")],
)
def test_a_parameter_has_a_name_that_python_takes(name: str, argument: str) -> None:
    assert snake(name) == argument


def test_a_schema_may_refer_to_itself() -> None:
    nested: dict[str, Any] = {
        "itemId": str(probe.ITEM_ID),
        "occurredAt": "2026-12-01T10:00:00Z",
        "children": [{"itemId": "x", "occurredAt": "2026-12-01T10:00:00Z"}],
    }
    with BackgroundServer(compose([bound(probe.Handlers())])) as url:
        response = requests.post(
            url + "/probe/v1/items", json=nested, headers={"X-API-Key": "writer"}, timeout=10
        )

    assert [e["pointer"] for e in response.json()["errors"]] == ["/children/0/itemId"]


def test_what_a_handler_checks_itself_is_let_through() -> None:
    document = probe.document()
    item = document["components"]["schemas"]["Item"]
    document["components"]["schemas"]["Anything"] = {"x-checked-by-handler": True, "oneOf": [item]}
    validators = Validators(Contract.from_document("probe", document))

    lenient = validators.compile_errors({"$ref": "#/components/schemas/Anything"})
    strict = validators.compile_errors({"$ref": "#/components/schemas/Item"})

    assert lenient({}) == []
    assert {error.rule for error in strict({})} == {"required"}


def test_the_edge_surrounds_the_handler_and_knows_the_call() -> None:
    calls: list[Call] = []

    def edge(call: Call, proceed: Proceed) -> Reply:
        assert current_call() is call
        calls.append(call)
        reply = proceed()
        assert isinstance(reply.body, bytes)
        assert reply.status == 201
        return Reply(reply.body, 202, {"X-Edge": "seen"}, reply.media_type)

    app = compose([bound(probe.Handlers(), edge=edge, base_path="/elsewhere")])
    body = '{"itemId": "%s", "occurredAt": "2026-12-01T10:00:00Z"}' % probe.ITEM_ID  # noqa: UP031
    headers = {
        "Authorization": "Bearer writer",
        "Content-Type": "application/json",
        "Idempotency-Key": "k-1",
        "webhook-id": "e-1",
    }
    with BackgroundServer(app) as url:
        for text in (body, body.replace(" ", "\n"), body.replace("10:00:00", "10:00:01")):
            answer = requests.post(url + "/elsewhere/items", text, headers=headers, timeout=10)
            assert answer.status_code == 202
            assert answer.headers["X-Edge"] == "seen"
            assert answer.headers["Content-Type"] == "application/json"

    first, same, other = calls
    assert first.principal == Principal("company-1", "Levante Aggregation", frozenset({"writer"}))
    assert (first.operation.operation_id, first.method) == ("items.create_item", "POST")
    assert (first.idempotency_key, first.if_match, first.event_id) == ("k-1", None, "e-1")
    assert first.body == body.encode()
    assert first.path == "/elsewhere/items"
    assert first.fingerprint == same.fingerprint  # laid out differently, but the same request
    assert first.fingerprint != other.fingerprint


def test_a_handler_that_forgets_its_answer_fails_openly() -> None:
    class Forgetful(probe.Handlers):
        def read_item(self, item_id: UUID) -> probe.Item:
            return None  # type: ignore[return-value]

        def latest_item(self) -> probe.Item:
            return {"itemId": 1}  # type: ignore[return-value]

    with BackgroundServer(compose([bound(Forgetful())])) as url:
        for path in (f"/items/{probe.ITEM_ID}", "/items/latest"):
            answer = requests.get(
                url + "/probe/v1" + path, headers={"X-API-Key": "writer"}, timeout=10
            )
            assert answer.status_code == 500


def test_an_address_that_is_taken_is_refused() -> None:
    with BackgroundServer(compose([])) as url, pytest.raises(OSError, match="in use"):
        BackgroundServer(compose([]), port=int(url.rpartition(":")[2])).start()


def test_a_start_up_that_fails_is_told() -> None:
    @asynccontextmanager
    async def failing(_: object) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    app = compose([], lifespan=failing)
    with pytest.raises(Unavailable, match="could not start"):
        BackgroundServer(app).start()
    with pytest.raises(Unavailable, match="could not start"):
        serve(app, port=0)


def test_the_lifespan_surrounds_the_serving() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        steps.append("start")
        yield
        steps.append("stop")

    with BackgroundServer(compose([], lifespan=lifespan)):
        assert steps == ["start"]
    assert steps == ["start", "stop"]

"""Which operation a request is for."""

import pytest

from mpp_sdk.errors import NotFound
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.problems import MethodNotAllowed
from mpp_sdk.web.routing import Routes


def routes() -> Routes:
    def operation(name: str) -> dict[str, object]:
        return {"operationId": name, "responses": {"200": {"description": "It."}}}

    item = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    document = {
        "info": {"title": "Probe", "version": "1.0.0"},
        "paths": {
            "/items/{id}": {
                "parameters": [item],
                "get": operation("read"),
                "delete": operation("remove"),
            },
            "/items/newest": {"get": operation("read_newest")},
        },
    }
    return Routes(Contract.from_document("probe", document), "/probe")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/probe/items/newest", "read_newest"),
        ("HEAD", "/probe/items/newest", "read_newest"),
        ("GET", "/probe/items/1", "read"),
        ("DELETE", "/probe/items/1", "remove"),
    ],
)
def test_a_path_written_out_goes_before_a_template(method: str, path: str, name: str) -> None:
    assert routes().find(method, path)[0].name == name


def test_a_path_written_out_takes_its_own_methods_alone() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        routes().find("DELETE", "/probe/items/newest")
    assert caught.value.allowed == ("GET", "HEAD", "OPTIONS")


def test_no_path_is_not_found() -> None:
    with pytest.raises(NotFound):
        routes().find("GET", "/probe/items")

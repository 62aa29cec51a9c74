"""Routing, authentication, problem documents, headers and the access log, over real HTTP."""

import http.client
import json
import logging
import re
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from . import probe
from .conftest import Probe
from .test_bad_input import GOOD, problem

ITEM = f"/items/{GOOD['itemId']}"


@pytest.mark.parametrize("path", ["/nothing", "/items/", "//items", "/names/a/b", "", "/Items"])
def test_an_unknown_path_below_a_contract_is_a_problem(server: Probe, path: str) -> None:
    response = server.call("GET", path)

    assert problem(response, 404)["instance"] == "/probe/v1" + path


@pytest.mark.parametrize(
    "path", ["/", "/probe", "/probe/v11/items", "/healthz/", "/%00", "/docs/x"]
)
def test_an_unknown_path_elsewhere_is_a_problem(server: Probe, path: str) -> None:
    response = requests.get(server.url + path, timeout=10)

    assert problem(response, 404)["detail"] == "Nothing is served at this path."


def test_a_path_written_out_goes_before_one_with_a_parameter(server: Probe) -> None:
    assert server.call("GET", "/items/latest").json()["name"] == "latest"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/items", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/items", "GET, HEAD, OPTIONS, POST"),
        ("POST", ITEM, "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("TRACE", "/ticks", "OPTIONS, POST"),
        ("QUERY", "/ticks", "OPTIONS, POST"),
        ("HEAD", "/ticks", "OPTIONS, POST"),
    ],
)
def test_a_wrong_method_is_told_every_right_one(
    server: Probe, method: str, path: str, allow: str
) -> None:
    response = server.call(method, path)

    assert response.status_code == 405
    assert response.headers["Allow"] == allow
    if method != "HEAD":
        problem(response, 405)


def test_options_names_the_methods_to_anybody(server: Probe) -> None:
    response = requests.options(server.url + "/probe/v1/items", timeout=10)

    assert response.status_code == 204
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert response.content == b""


def test_head_is_get_without_its_body(server: Probe) -> None:
    got, head = server.call("GET", "/items"), server.call("HEAD", "/items")

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert server.call("HEAD", "/items?limit=99").status_code == 400


def test_a_wrong_method_on_another_route_is_a_problem(server: Probe) -> None:
    response = requests.post(server.url + "/healthz", timeout=10)

    assert problem(response, 405)
    assert "GET" in response.headers["Allow"]


def test_no_content_is_204_without_a_media_type(server: Probe) -> None:
    response = server.call("DELETE", ITEM)

    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response.headers


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="flexagora", ApiKey realm="flexagora"'),
        ({"X-API-Key": "wrong"}, 'Bearer realm="flexagora", ApiKey realm="flexagora"'),
        ({"X-API-Key": ""}, 'Bearer realm="flexagora", ApiKey realm="flexagora"'),
        (
            {"Authorization": "Bearer wrong"},
            'Bearer realm="flexagora", error="invalid_token", ApiKey realm="flexagora"',
        ),
        ({"Authorization": "Bearer"}, 'Bearer realm="flexagora", ApiKey realm="flexagora"'),
        ({"Authorization": "Basic d3JpdGVy"}, 'Bearer realm="flexagora", ApiKey realm="flexagora"'),
        ({"Authorization": "writer"}, 'Bearer realm="flexagora", ApiKey realm="flexagora"'),
    ],
)
def test_without_a_good_credential_nothing_else_is_looked_at(
    server: Probe, headers: dict[str, str], challenge: str
) -> None:
    response = requests.post(
        server.url + "/probe/v1/items?unknown=1", data=b"\xff", headers=headers, timeout=10
    )

    assert problem(response, 401)
    assert response.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-API-Key": "writer"}, 200),
        ({"X-API-Key": "reader"}, 403),
        ({"X-API-Key": "none"}, 403),
        ({"Authorization": "Bearer writer"}, 200),
        ({"Authorization": "bearer writer"}, 200),
        ({"Authorization": "Bearer reader"}, 403),
        ({"Authorization": "Bearer reader+auditor"}, 200),
    ],
)
def test_one_alternative_must_be_held_in_full(
    server: Probe, headers: dict[str, str], status: int
) -> None:
    response = requests.get(server.url + "/probe/v1/items", headers=headers, timeout=10)

    assert response.status_code == status
    if status == 403:
        assert "auditor or reader or writer" in problem(response, 403)["detail"]


def test_the_role_is_checked_before_the_input(server: Probe) -> None:
    server_with_little = Probe(server.url, server.handlers, key="none")

    assert problem(server_with_little.call("POST", "/items", data=b"\xff"), 403)


def test_a_key_is_enough_where_no_role_is_named(server: Probe) -> None:
    for key in ("none", "reader"):
        assert Probe(server.url, server.handlers, key).call("GET", "/renderings").status_code == 200


def test_a_scheme_that_the_operation_does_not_take_is_no_credential(server: Probe) -> None:
    token = {"Authorization": "Bearer writer"}
    only_key = requests.get(server.url + "/probe/v1/renderings", headers=token, timeout=10)
    only_token = requests.post(
        server.url + "/probe/v1/ticks", headers={"X-API-Key": "writer"}, timeout=10
    )

    assert problem(only_key, 401)
    assert only_key.headers["WWW-Authenticate"] == 'ApiKey realm="flexagora"'
    assert problem(only_token, 401)
    assert only_token.headers["WWW-Authenticate"] == 'Bearer realm="flexagora"'


@pytest.mark.parametrize("name", ["X-API-Key", "Authorization"])
def test_two_credentials_of_a_kind_are_none(server: Probe, name: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.putrequest("GET", "/probe/v1/items")
    connection.putheader(name, "writer")
    connection.putheader(name, "writer")
    connection.endheaders()

    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
        ("application/xml", "application/xml"),
        ("application/json;q=0.5, application/xml", "application/xml"),
        ("application/*;q=0.5, application/xml;q=0.4", "application/json"),
        ("application/xml;q=0, */*", "application/json"),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "application/xml"),
        ("APPLICATION/XML", "application/xml"),
    ],
)
def test_accept_chooses_the_rendering(server: Probe, accept: str | None, media_type: str) -> None:
    response = server.call("GET", "/renderings", headers={"Accept": accept})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == media_type


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0, application/xml;q=0.0"])
def test_no_acceptable_rendering_is_406(server: Probe, accept: str) -> None:
    response = server.call("GET", "/renderings", headers={"Accept": accept})

    assert "application/json and application/xml" in problem(response, 406)["detail"]


def test_accept_does_not_matter_where_there_is_one_rendering(server: Probe) -> None:
    assert server.call("GET", "/items", headers={"Accept": "text/html"}).status_code == 200


@pytest.mark.parametrize("status", [s for s in probe.FAILURES if s.isdigit() and s != "500"])
def test_every_error_has_its_status(server: Probe, status: str) -> None:
    document = problem(server.call("GET", f"/failures/{status}"), int(status))

    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["instance"] == f"/probe/v1/failures/{status}"


def test_an_illegal_transition_names_the_state_and_what_it_allows(server: Probe) -> None:
    document = problem(server.call("GET", "/failures/409"), 409)

    assert (document["state"], document["allowed"]) == ("ENDED", [])


def test_a_broken_rule_of_the_domain_looks_like_one_of_the_contract(server: Probe) -> None:
    assert problem(server.call("GET", "/failures/400"), 400)["errors"] == [
        {"pointer": "/validity/end", "rule": "endAfterStart", "detail": "The end is too early."}
    ]


@pytest.mark.parametrize(("kind", "status"), [("500", 500), ("database", 503)])
def test_an_unforeseen_error_is_logged_and_not_told(
    server: Probe, caplog: pytest.LogCaptureFixture, kind: str, status: int
) -> None:
    with caplog.at_level(logging.ERROR):
        response = server.call("GET", f"/failures/{kind}")

    assert "secret" not in response.text
    assert "Traceback" not in response.text
    correlation_id = problem(response, status)["correlationId"]
    [record] = [r for r in caplog.records if r.name == "mpp_sdk.web.problems"]
    assert correlation_id in record.getMessage()
    assert record.exc_info is not None
    assert "secret" in str(record.exc_info[1])


def test_a_correlation_id_is_taken_over_or_made(server: Probe) -> None:
    def sent(given: str) -> str:
        response = server.call("GET", "/items", headers={"X-Correlation-ID": given})
        return response.headers["X-Correlation-ID"]

    assert sent("order-7:a_b.c") == "order-7:a_b.c"
    for bad in ("", "a b", "x" * 129, "a\tb"):
        assert re.fullmatch(r"[0-9a-f-]{36}", sent(bad))


def test_answers_are_neither_sniffed_nor_stored(server: Probe) -> None:
    for response in (server.call("GET", "/items"), server.call("GET", "/nothing")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "Server" not in response.headers


def test_each_call_leaves_one_line_without_secrets(
    server: Probe, access_lines: list[dict[str, Any]]
) -> None:
    event_id = "0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d99"
    headers = {"X-Correlation-ID": "c-1"}
    server.call("POST", "/items", json=GOOD | {"eventId": event_id}, headers=headers)
    server.call("GET", "/items?tags=hunter2", headers={"webhook-id": "e-2"})
    requests.get(server.url + "/probe/v1/items", headers={"X-API-Key": "hunter2"}, timeout=10)
    server.call("GET", "/nothing")
    deadline = time.monotonic() + 5
    while len(access_lines) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)

    written, listed, refused, unknown = access_lines
    assert written.pop("durationMs") > 0
    assert written.pop("time").endswith("+00:00")
    assert written == {
        "contract": "probe",
        "operationId": "items.create_item",
        "method": "POST",
        "path": "/probe/v1/items",
        "status": 201,
        "callerId": "company-1",
        "caller": "Levante Aggregation",
        "correlationId": "c-1",
        "eventId": event_id,
    }
    assert (listed["status"], listed["path"], listed["eventId"]) == (200, "/probe/v1/items", "e-2")
    assert (refused["status"], refused.get("caller")) == (401, None)
    assert (unknown["status"], unknown.get("operationId")) == (404, None)
    assert "hunter2" not in json.dumps(access_lines)


def test_a_slow_handler_holds_up_nobody_else(server: Probe) -> None:
    release, arrived = threading.Event(), threading.Event()

    def during() -> None:
        arrived.set()
        assert release.wait(10)

    server.handlers.during = during
    results: list[int] = []
    slow = threading.Thread(
        target=lambda: results.append(server.post_json(json.dumps(GOOD)).status_code)
    )
    slow.start()
    assert arrived.wait(5)
    quick = requests.get(server.url + "/probe/v1/items", headers={"X-API-Key": "writer"}, timeout=5)
    assert quick.status_code == 200
    assert results == []
    release.set()
    slow.join(10)

    assert results == [201]
    assert "flexagora-web" not in server.handlers.threads  # the thread of the event loop


def test_a_caller_that_hangs_up_leaves_the_server_well(server: Probe) -> None:
    parts = urlsplit(server.url)
    for _ in range(5):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as raw:
            raw.sendall(
                b"POST /probe/v1/items HTTP/1.1\r\nHost: x\r\nX-API-Key: writer\r\n"
                b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            )
    assert server.call("GET", "/items").status_code == 200
    assert server.handlers.seen == [(5, None, None, None, None)]


def test_the_reference_is_served_whole_from_here(server: Probe) -> None:
    index = requests.get(server.url + "/docs", timeout=10)
    page = requests.get(server.url + "/docs/probe", timeout=10)

    assert index.status_code == page.status_code == 200
    assert 'href="/docs/probe"' in index.text
    assert "Probe {{ 7 * 6 }}" in index.text  # connexion would have rendered it as Jinja
    for response in (index, page):
        policy = response.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        assert "http" not in re.sub(r'"/[^"]*"', "", response.text)
        assert "<script>" not in response.text
        for link in re.findall(r'(?:src|href|data-url)="([^"]+)"', response.text):
            assert link.startswith("/docs")
            assert requests.get(server.url + link, timeout=10).status_code == 200, link


def test_the_document_says_where_it_is_served(server: Probe) -> None:
    served = requests.get(server.url + "/docs/probe/openapi.json", timeout=10).json()

    assert served == {**probe.DOCUMENT, "servers": [{"url": "/probe/v1"}]}


@pytest.mark.parametrize("name", ["secrets.json", "..%2f..%2fserver.py", "swagger-ui.js.map"])
def test_only_the_assets_of_the_pages_are_served(server: Probe, name: str) -> None:
    response = requests.get(f"{server.url}/docs/assets/{name}", timeout=10)

    assert problem(response, 404)

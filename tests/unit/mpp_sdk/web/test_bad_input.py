"""Everything that is wrong with a request is said, as a problem, and reaches no handler."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from .conftest import LIMIT, Probe

GOOD = {"itemId": "0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90", "occurredAt": "2026-12-01T10:00:00Z"}
PREFIX = json.dumps(GOOD)[:-1]


def problem(response: requests.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["detail"]
    assert None not in document.values()
    assert document["correlationId"] == response.headers["X-Correlation-ID"]
    return document


def rules(response: requests.Response, status: int = 400) -> list[tuple[str, str]]:
    return [(e["pointer"], e["rule"]) for e in problem(response, status)["errors"]]


def test_a_good_body_arrives_as_the_model(server: Probe) -> None:
    response = server.post_json(json.dumps(GOOD | {"note": None, "share": 0.5}))

    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["ETag"] == '"1"'
    assert response.json() == GOOD | {"share": 0.5}
    assert server.handlers.seen[0].note is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (PREFIX + ', "name": "a", "name": "b"}', "uniqueKeys"),
        (PREFIX + ', "extra": {"a": 1, "a": 1}}', "uniqueKeys"),
        (PREFIX + ', "share": NaN}', "number"),
        (PREFIX + ', "share": Infinity}', "number"),
        (PREFIX + ', "share": -Infinity}', "number"),
        (PREFIX + ', "share": 1e400}', "number"),
        (PREFIX + ', "extra": -1.8e308}', "number"),
        (PREFIX + ', "count": 9223372036854775808}', "number"),
        (PREFIX + ', "extra": ' + "9" * 5000 + "}", "number"),
        (PREFIX + ', "extra": 0.' + "1" * 5000 + "}", "number"),
        (PREFIX + ', "extra": ' + "[" * 64 + "]" * 64 + "}", "depth"),
        (PREFIX + ', "extra": ' + "[" * 90_000 + "]" * 90_000 + "}", "depth"),
        ("[" * 90_000, "depth"),
        ('{"a":' * 30_000, "depth"),
        (PREFIX, "json"),
        (PREFIX + "} {}", "json"),
        ("\ufeff" + PREFIX + "}", "json"),
        ("'nothing'", "json"),
        (PREFIX.encode() + b', "name": "\xff"}', "utf-8"),
        (PREFIX.encode() + b', "name": "\xed\xa0\x80"}', "utf-8"),
        ((PREFIX + "}").encode("utf-16"), "utf-8"),
        ("", "required"),
        ("null", "type"),
        ("[]", "type"),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(
    server: Probe, text: str | bytes, rule: str
) -> None:
    assert rules(server.post_json(text)) == [("", rule)]
    assert server.handlers.seen == []


def test_nesting_just_within_the_limit_is_read(server: Probe) -> None:
    text = PREFIX + ', "extra": ' + "[" * 63 + "]" * 63 + "}"

    assert server.post_json(text).status_code == 201


@pytest.mark.parametrize("text", [r"\u0000", r"a\ud800", r"\udc00\ud800"])
def test_characters_that_no_database_takes_are_refused_wherever_they_are(
    server: Probe, text: str
) -> None:
    body = f'{PREFIX}, "name": "{text}", "extra": ["{text}"]}}'

    assert sorted(rules(server.post_json(body))) == [
        ("/extra/0", "characters"),
        ("/name", "characters"),
    ]
    assert rules(server.post_json(f'{PREFIX}, "extra": {{"{text}": 1}}}}')) == [
        ("/extra", "characters")
    ]


def test_the_largest_numbers_are_read(server: Probe) -> None:
    text = f'{PREFIX}, "extra": [1.7976931348623157e+308, {2**63 - 1}, {1 - 2**63}]}}'

    assert server.post_json(text).status_code == 201


def test_a_key_of_any_length_makes_no_answer_of_that_length(server: Probe) -> None:
    response = server.post_json(f'{PREFIX}, "extra": {{"{"k" * 100_000}": "\\u0000"}}}}')

    assert len(rules(response)) == 1
    assert len(response.content) < 2000


def test_a_surrogate_pair_is_one_good_character(server: Probe) -> None:
    assert server.post_json(PREFIX + r', "name": "\ud83d\ude00"}').json()["name"] == "😀"


def test_every_broken_rule_is_reported_with_its_place(server: Probe) -> None:
    body = {
        "occurredAt": "2026-12-01T10:00:00",
        "name": "x" * 11,
        "count": -1,
        "a/b~c": 1,
        "children": [{"itemId": "no", "occurredAt": "2026-12-01T10:00:00Z"}],
    }
    response = server.call("POST", "/items?limit=3", json=body)

    assert sorted(rules(response)) == [
        ("/a~1b~0c", "additionalProperties"),
        ("/children/0/itemId", "format"),
        ("/count", "minimum"),
        ("/itemId", "required"),
        ("/name", "maxLength"),
        ("/occurredAt", "format"),
        ("limit", "unknown"),
    ]


def test_a_problem_does_not_repeat_what_was_sent(server: Probe) -> None:
    response = server.post_json(json.dumps(GOOD | {"name": "hunter2" * 9, "mail": "hunter2"}))

    assert len(rules(response)) == 2
    assert "hunter2" not in response.text


def test_as_many_errors_as_anybody_reads_are_reported(server: Probe) -> None:
    response = server.post_json(json.dumps(GOOD | {"children": [{}] * 5000}))

    assert len(rules(response)) == 200


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("itemId", "0197c2d46b1e7c3a9d5e2f1a4b6c8d90"),
        ("itemId", "{0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90}"),
        ("itemId", "urn:uuid:0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90"),
        ("occurredAt", "2026-12-01T10:00:00"),
        ("occurredAt", "2026-12-01 10:00:00Z"),
        ("occurredAt", "2026-12-01"),
        ("occurredAt", "2026-12-01T10:00Z"),
        ("occurredAt", "2026-13-01T10:00:00Z"),
        ("occurredAt", "2026-02-29T10:00:00Z"),
        ("occurredAt", "2026-12-01T24:00:00Z"),
        ("occurredAt", "2026-12-01T10:00:60Z"),
        ("occurredAt", "2026-12-01T10:00:00+0100"),
        ("occurredAt", "2026-12-01T10:00:00+24:00"),
        ("occurredAt", "0001-01-01T00:00:00+01:00"),
        ("occurredAt", "9999-12-31T23:59:59-01:00"),
        ("occurredAt", "0000-01-01T00:00:00Z"),
        ("occurredAt", "٢٠٢٦-12-01T10:00:00Z"),
        ("home", "example"),
        ("home", "/relative"),
        ("home", "http://"),
        ("home", "https://exa mple"),
        ("home", "https://host:port/"),
        ("home", "https://[::1"),
        ("mail", "nobody"),
        ("mail", "a@b@c"),
        ("day", "2026-02-30"),
        ("day", "20260201"),
    ],
)
def test_formats_are_checked(server: Probe, member: str, value: str) -> None:
    response = server.post_json(json.dumps(GOOD | {member: value}))

    assert rules(response) == [(f"/{member}", "format")]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("itemId", "0197C2D4-6B1E-7C3A-9D5E-2F1A4B6C8D90"),
        ("occurredAt", "2026-12-01T10:00:00+01:00"),
        ("occurredAt", "2026-12-01T10:00:00.123456789-23:59"),
        ("occurredAt", "2026-12-01t10:00:00z"),
        ("home", "https://mpp.example:8443/base?x=1"),
        ("home", "http://[::1]:80"),
        ("mail", "a.b+c@d.example"),
        ("day", "2028-02-29"),
    ],
)
def test_good_values_pass_their_format(server: Probe, member: str, value: str) -> None:
    assert server.post_json(json.dumps(GOOD | {member: value})).status_code == 201


def test_a_property_may_be_named_like_a_keyword(server: Probe) -> None:
    assert server.post_json(json.dumps(GOOD | {"example": "abc"})).status_code == 201
    assert rules(server.post_json(json.dumps(GOOD | {"example": "abcd"}))) == [
        ("/example", "maxLength")
    ]


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        ";",
        "",
    ],
)
def test_other_media_types_are_refused(server: Probe, media_type: str) -> None:
    response = server.call(
        "POST", "/items", data=json.dumps(GOOD), headers={"Content-Type": media_type}
    )

    assert problem(response, 415)["detail"]
    assert server.handlers.seen == []


def test_a_body_without_media_type_is_refused(server: Probe) -> None:
    assert problem(server.call("POST", "/items", data=b"{}"), 415)


@pytest.mark.parametrize("media_type", ["Application/JSON", 'application/json;charset="UTF-8"'])
def test_the_media_type_is_compared_without_case(server: Probe, media_type: str) -> None:
    headers = {"Content-Type": media_type}

    good = server.call("POST", "/items", data=json.dumps(GOOD), headers=headers)
    bad = server.call("POST", "/items", data=b'{"itemId": 1}', headers=headers)

    assert good.status_code == 201
    assert len(rules(bad)) == 2  # validated all the same


def test_a_body_within_the_limit_is_read(server: Probe) -> None:
    text = PREFIX + ', "extra": "' + "x" * (LIMIT - len(PREFIX) - 14) + '"}'

    assert len(text) == LIMIT
    assert server.post_json(text).status_code == 201
    assert problem(server.post_json(text + " "), 413)


@pytest.mark.parametrize("path", ["/items", "/ticks"])
def test_a_body_in_chunks_is_counted_while_it_is_read(server: Probe, path: str) -> None:
    headers = {
        "Content-Type": "application/json",
        "X-API-Key": "",
        "Authorization": "Bearer writer",
    }
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.putrequest("POST", "/probe/v1" + path)
    for name, value in headers.items():
        if value:
            connection.putheader(name, value)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    chunk = b"x" * 100_000
    for _ in range(3):  # the last chunk that ends the body is never sent
        connection.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
    answer = connection.getresponse()

    assert answer.status == 413
    assert json.loads(answer.read())["status"] == 413
    connection.close()


def test_a_body_that_does_not_come_is_waited_for_no_longer(
    server: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpp_sdk.web.validation._BODY_SECONDS", 0.2)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.putrequest("POST", "/probe/v1/items")
    connection.putheader("X-API-Key", "writer")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    answer = connection.getresponse()

    assert answer.status == 400
    assert json.loads(answer.read())["errors"][0]["rule"] == "incomplete"
    connection.close()


def test_a_chunked_empty_body_is_missing(server: Probe) -> None:
    response = server.call(
        "POST", "/items", data=iter([]), headers={"Content-Type": "application/json"}
    )

    assert rules(response) == [("", "required")]


def test_an_optional_body_may_be_left_out(server: Probe) -> None:
    response = server.call("PUT", f"/items/{GOOD['itemId']}", headers={"If-Match": '"1"'})

    assert response.status_code == 200
    assert server.handlers.seen[0][1:] == (None, '"1"')


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=11", ("limit", "maximum")),
        ("limit=0", ("limit", "minimum")),
        ("limit=1.0", ("limit", "type")),
        ("limit=1e1", ("limit", "type")),
        ("limit=+1", ("limit", "type")),
        ("limit=%D9%A1", ("limit", "type")),
        ("limit=", ("limit", "type")),
        ("limit=" + "1" * 5000, ("limit", "type")),
        ("limit=1&limit=2", ("limit", "repeated")),
        ("limit=1&limit=1", ("limit", "repeated")),
        ("flag=TRUE", ("flag", "type")),
        ("flag=1", ("flag", "type")),
        ("share=NaN", ("share", "type")),
        ("share=1e999", ("share", "type")),
        ("occurredAt=2026-12-01T10:00:00", ("occurredAt", "format")),
        ("occurredAt=2026-12-01T10:00:00+01:00", ("occurredAt", "format")),
        ("occurredAt=0001-01-01T00:00:00%2B01:00", ("occurredAt", "format")),
        ("Limit=1", ("Limit", "unknown")),
        ("limit[]=1", ("limit[]", "unknown")),
        ("x=1", ("x", "unknown")),
        ("x", ("x", "unknown")),
        ("tags=%00", ("tags", "characters")),
        ("tags=%FF", ("tags", "characters")),
        ("tags=%ED%A0%80", ("tags", "characters")),
    ],
)
def test_query_parameters_are_strict(server: Probe, query: str, expected: tuple[str, str]) -> None:
    assert rules(server.call("GET", "/items?" + query)) == [expected]
    assert server.handlers.seen == []


def test_query_parameters_arrive_with_their_types_and_defaults(server: Probe) -> None:
    response = server.call(
        "GET",
        "/items?flag=true&share=-1.5e2&tags=a&tags=b%2Cc&occurredAt=2026-12-01T10:00:00%2B01:00",
    )

    assert response.status_code == 200
    limit, occurred_at, tags, flag, share = server.handlers.seen[0]
    assert (limit, tags, flag, share) == (5, ["a", "b,c"], True, -150.0)
    assert occurred_at.isoformat() == "2026-12-01T10:00:00+01:00"


@pytest.mark.parametrize("item_id", ["1", "x" * 3000, "%20", GOOD["itemId"] + "%0A", "..%2f.."])
def test_a_malformed_id_in_the_path_is_400(server: Probe, item_id: str) -> None:
    assert rules(server.call("GET", f"/items/{item_id}")) == [("itemId", "format")]


@pytest.mark.parametrize("name", ["%00", "a%00b", "%FF", "%ED%A0%80"])
def test_a_path_that_is_not_text_is_400(server: Probe, name: str) -> None:
    assert rules(server.call("GET", f"/names/{name}")) == [("name", "characters")]


@pytest.mark.parametrize(
    ("sent", "read"),
    [("a%2Fb", "a/b"), ("a+b", "a+b"), ("%C3%A9", "é"), ("%252F", "%2F"), ("a%3Fb", "a?b")],
)
def test_a_path_parameter_is_decoded_once(server: Probe, sent: str, read: str) -> None:
    assert server.call("GET", f"/names/{sent}").status_code == 200
    assert server.handlers.seen == [read]


def test_a_header_is_validated(server: Probe) -> None:
    headers = {"Idempotency-Key": "x" * 21}

    response = server.call("POST", "/items", json=GOOD, headers=headers)

    assert rules(response) == [("Idempotency-Key", "maxLength")]


def test_a_header_that_is_there_twice_is_refused(server: Probe) -> None:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    body = json.dumps(GOOD).encode()
    connection.putrequest("POST", "/probe/v1/items")
    for name, value in (
        ("X-API-Key", "writer"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Idempotency-Key", "a"),
        ("Idempotency-Key", "b"),
    ):
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()

    assert answer.status == 400
    assert json.loads(answer.read())["errors"][0]["rule"] == "repeated"
    connection.close()


def test_a_form_is_read_as_strictly(server: Probe) -> None:
    form = "application/x-www-form-urlencoded"

    def post(text: str) -> requests.Response:
        return server.call("POST", "/token", data=text, headers={"Content-Type": form})

    assert post("grant_type=client_credentials&client_id=a+b%26&lifetime=3").status_code == 200
    assert server.handlers.seen[0].client_id == "a b&"
    assert server.handlers.seen[0].lifetime == 3
    assert rules(post("grant_type=a&grant_type=a")) == [("/grant_type", "repeated")]
    assert rules(post("client_id=a")) == [("/grant_type", "required")]
    assert rules(post("grant_type=%00")) == [("", "characters")]
    assert rules(post("grant_type=a&lifetime=x")) == [("lifetime", "type")]
    assert rules(post("")) == [("", "required")]
    assert problem(server.call("POST", "/token", json={}), 415)

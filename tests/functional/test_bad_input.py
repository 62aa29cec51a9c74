"""Bad input at a running marketplace: refused, with the field and the rule, and nothing broken."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests

from mpp_sdk.contracts.marketplace.models import MarketPlayerRole
from mpp_sdk.errors import InvalidInput
from mpp_sdk.ids import new_id
from mpp_sdk.metering.cim import parse_json, parse_xml
from tests.functional.conftest import Prepared
from tests.functional.marketplace import Marketplace
from tests.world import people
from tests.world.people import Company, Register

LIMIT = 1_048_576
NOW = datetime.now(UTC)
SERVICE: dict[str, Any] = people.description("A service").model_dump(
    mode="json", by_alias=True, exclude_none=True
)
OFFER: dict[str, Any] = {
    "terms": "By noon.",
    "price": {"model": "FREE"},
    "validity": {"start": NOW.isoformat()},
    "interimStatusInterval": "PT1H",
    "validUntil": (NOW + timedelta(days=9)).isoformat(),
}


@dataclass
class World:
    """A running marketplace with two companies that have a confirmed and an open request."""

    marketplace: Marketplace
    register: Register
    provider: Company
    requester: Company

    def __post_init__(self) -> None:
        self.service = people.publish(self.provider, "Meter data")
        self.open_request = people.request(self.requester, self.service)
        self.subscription = people.subscribe(self.provider, self.requester, self.service)

    def call(
        self, method: str, path: str, company: Company | None = None, **options: Any
    ) -> requests.Response:
        """Call the marketplace as a company's people, by default the provider's."""
        headers = {**(company or self.provider).headers, **options.pop("headers", {})}
        base = "" if path.startswith("/notifications") else "/api/v1"
        return requests.request(
            method, self.marketplace.url + base + path, headers=headers, timeout=30, **options
        )

    def post(self, text: str | bytes, path: str = "/services") -> requests.Response:
        """Send a body as it is."""
        data = text.encode() if isinstance(text, str) else text
        headers = {"Content-Type": "application/json"}
        return self.call("POST", path, data=data, headers=headers)

    def draft(self) -> str:
        """Return the path of a new draft."""
        return f"/services/{people.draft(self.provider, 'Draft').service_id}/versions/1"


@pytest.fixture(scope="module", params=["prepared_sqlite", "prepared_postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    prepared: Prepared = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("bad_input")
    marketplace = Marketplace(folder, prepared.copy(folder), prepared.account)
    marketplace.start()
    try:
        register = _register(marketplace, prepared)
        yield World(
            marketplace,
            register,
            register.company("Crevillent Distribution", [MarketPlayerRole.DSO]),
            register.company("Levante Aggregation", [MarketPlayerRole.AGGREGATOR]),
        )
        # Whatever was sent, it still stands, and no error was unforeseen.
        assert requests.get(f"{marketplace.url}/healthz", timeout=30).status_code == 200
        assert "Unforeseen error" not in (folder / "marketplace.log").read_text()
    finally:
        marketplace.close()


@pytest.fixture(scope="module")
def strict(
    prepared_sqlite: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Register]:
    """A marketplace that calls public addresses only, and whose credentials end soon."""
    folder = tmp_path_factory.mktemp("strict")
    marketplace = Marketplace(folder, prepared_sqlite.copy(folder), prepared_sqlite.account)
    marketplace.start(
        FLEXAGORA_ALLOW_PRIVATE_ADDRESSES="false",
        FLEXAGORA_ALLOW_HTTP="true",
        FLEXAGORA_ACCESS_TOKEN_LIFETIME="PT3S",
        FLEXAGORA_API_KEY_VALIDITY="PT1S",
    )
    try:
        yield _register(marketplace, prepared_sqlite)
    finally:
        marketplace.close()


def _register(marketplace: Marketplace, prepared: Prepared) -> Register:
    register = Register(marketplace.url)
    register.sign_in_operator(prepared.account.client_id, prepared.account.client_secret)
    return register


def problem(response: requests.Response, status: int) -> dict[str, Any]:
    """Return the problem document of an answer that must be one."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["correlationId"] == response.headers["X-Correlation-ID"]
    return document


def rules(response: requests.Response, status: int = 400) -> list[tuple[str, str]]:
    """Return pointer and rule of each field that a problem names."""
    errors = problem(response, status)["errors"]
    assert all(error["detail"] for error in errors)
    return [(error["pointer"], error["rule"]) for error in errors]


# ---- ids


@pytest.mark.parametrize(
    "path",
    [
        "/services/{}",
        "/services/{}/versions/1",
        "/service-requests/{}",
        "/service-requests/{}/offers",
        "/subscriptions/{}",
        "/subscriptions/{}/points-of-delivery",
        "/deliveries/{}",
        "/market-players/{}",
        "/market-players/{}/platform",
    ],
)
def test_ids_that_are_unknown_or_malformed(world: World, path: str) -> None:
    assert "errors" not in problem(world.call("GET", path.format(uuid4())), 404)
    name = {"market-players": "marketPlayerId", "service-requests": "serviceRequestId"}.get(
        path.split("/")[1], {"services": "serviceId", "deliveries": "eventId"}.get(
            path.split("/")[1], "subscriptionId"
        )
    )  # fmt: skip
    for malformed in (
        "1",
        "null",
        "%27%20OR%201=1--",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f",
        "{id}",
        "x" * 4000,
        str(uuid4())[:-1],
        str(uuid4()) + "%0A",
        str(uuid4()) + "%00",
        "%FF%FE",
        "%ED%A0%80",
        "%zz",
        "%",
        "\u0661" * 8,
    ):
        response = world.call("GET", path.format(malformed))
        assert rules(response)[0][0] == name, malformed


@pytest.mark.parametrize("version", ["0", "-1", "1.0", "1e0", "abc", "99999999999999999999", "+1"])
def test_a_version_that_is_no_version(world: World, version: str) -> None:
    versions = f"/services/{world.service.service_id}/versions"

    assert rules(world.call("GET", f"{versions}/{version}"))[0][0] == "version"
    assert problem(world.call("GET", f"{versions}/77"), 404)


def test_a_path_that_nothing_serves(world: World) -> None:
    for path in ("/", "/services/", "//services", "/../services", "/services/%2F/versions"):
        assert _raw(world, "GET", f"/api/v1{path}")[0] in (400, 404)
    response = world.call("DELETE", "/services")
    assert problem(response, 405)
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


# ---- states and roles


def test_an_illegal_transition_names_the_state_and_what_it_allows(world: World) -> None:
    request_id = world.subscription.service_request_id
    reason = {"reason": "No longer wanted."}
    confirmed = problem(
        world.call(
            "POST", f"/service-requests/{request_id}/withdraw", world.requester, json=reason
        ),
        409,
    )
    assert (confirmed["state"], confirmed["allowed"]) == ("CONFIRMED", [])
    published = f"/services/{world.service.service_id}/versions/1"
    again = problem(world.call("POST", f"{published}/publish"), 409)
    assert again["state"] == "PUBLISHED"
    assert set(again["allowed"]) >= {"deprecate", "withdraw"}
    assert "publish" not in again["allowed"]
    edit = world.call("PUT", published, json=SERVICE, headers={"If-Match": "*"})
    assert problem(edit, 409)["state"] == "PUBLISHED"
    resumed = world.call(
        "POST", f"/subscriptions/{world.subscription.subscription_id}/resume", json=reason
    )
    assert problem(resumed, 409)["state"] == world.subscription.state
    operator = world.register.operator
    active = requests.post(
        f"{world.register.api}/market-players/{world.provider.player_id}/activate",
        json=reason,
        headers=operator.headers,
        timeout=30,
    )
    assert set(problem(active, 409)["allowed"]) >= {"deregister", "suspend"}
    assert "activate" not in active.json()["allowed"]


def test_the_wrong_role_is_forbidden(world: World) -> None:
    player = f"/market-players/{world.provider.player_id}"
    reason = {"reason": "Because."}
    assert problem(world.call("POST", f"{player}/suspend", json=reason), 403)
    request_id = world.open_request.service_request_id
    offered = world.call(
        "POST", f"/service-requests/{request_id}/offers", world.requester, json=OFFER
    )
    assert problem(offered, 403)["detail"]
    body = {"serviceId": str(world.service.service_id)}
    operator = requests.post(
        f"{world.register.api}/service-requests",
        json=body,
        headers=world.register.operator.headers,
        timeout=30,
    )
    assert problem(operator, 403)["detail"]


# ---- credentials


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "fxk_nobody-was-ever-given-this-key"},
        {"X-API-Key": ""},
        {"X-API-Key": "x" * 5000},
        {"X-API-Key": "k\u00e9y".encode("latin-1")},
        {"Authorization": "Bearer fxt_nobody-was-ever-given-this-token"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Digest x"},
    ],
)
def test_a_credential_that_is_missing_or_unknown(world: World, headers: dict[str, Any]) -> None:
    response = requests.get(f"{world.register.api}/services", headers=headers, timeout=30)

    assert problem(response, 401)["detail"]
    assert "Bearer" in response.headers["WWW-Authenticate"]
    assert "ApiKey" in response.headers["WWW-Authenticate"]


def test_an_expired_or_revoked_credential(strict: Register) -> None:
    anonymous = requests.post(
        f"{strict.api}/market-players",
        json={"name": "A", "roles": ["DSO"], "country": "ES", "contactEmail": "a@b.example"},
        timeout=30,
    ).json()
    credential = anonymous["credential"]
    player = f"{strict.api}/market-players/{anonymous['marketPlayer']['marketPlayerId']}"

    def token() -> dict[str, str]:
        return strict.sign_in(credential["clientId"], credential["clientSecret"]).headers

    draft = {"kind": "API_KEY", "label": "a", "roles": ["provider"]}
    issued = requests.post(f"{player}/credentials", json=draft, headers=token(), timeout=30).json()
    old = token()
    time.sleep(3.2)
    for headers in (old, {"X-API-Key": issued["apiKey"]}):
        response = requests.get(f"{strict.api}/services", headers=headers, timeout=30)
        assert problem(response, 401)["detail"]
        assert response.headers["WWW-Authenticate"]
    fresh = token()
    assert requests.get(f"{strict.api}/services", headers=fresh, timeout=30).status_code == 200
    revoked = requests.post(
        f"{player}/credentials/{credential['credentialId']}/revoke",
        json={"reason": "Lost."},
        headers=fresh,
        timeout=30,
    )
    assert revoked.status_code == 200
    after = requests.get(f"{strict.api}/services", headers=fresh, timeout=30)
    assert problem(after, 401)["detail"]


# ---- bodies


def test_an_oversized_body(world: World) -> None:
    big = json.dumps(SERVICE | {"details": "x" * LIMIT})
    assert problem(world.post(big), 413)
    assert problem(world.post(big, "/market-players"), 413)
    assert problem(world.call("POST", world.draft() + "/publish", data=b"x" * (LIMIT + 1)), 413)


def test_an_oversized_body_in_chunks_is_refused_before_its_end(world: World) -> None:
    parts = urlsplit(world.marketplace.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.putrequest("POST", "/api/v1/services")
    for name, value in {
        **world.provider.headers,
        "Content-Type": "application/json",
        "Transfer-Encoding": "chunked",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    chunk = b" " * 262_144
    for _ in range(LIMIT // len(chunk) + 1):  # the last chunk that ends the body is never sent
        connection.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert json.loads(answer.read())["status"] == 413
    connection.close()


_PREFIX = json.dumps(SERVICE)[:-1]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (_PREFIX + ', "name": "again"}', "uniqueKeys"),
        (_PREFIX + ', "price": {"model": "FREE", "model": "FREE"}}', "uniqueKeys"),
        (_PREFIX + ', "x": NaN}', "number"),
        (_PREFIX + ', "x": -Infinity}', "number"),
        (_PREFIX + ', "x": 1e999}', "number"),
        (_PREFIX + ', "x": 123456789012345678901234567890}', "number"),
        (_PREFIX + ', "x": ' + "9" * 100_000 + "}", "number"),
        ("[" * 100_000, "depth"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "depth"),
        (_PREFIX + ', "x": ' + "[" * 65 + "]" * 65 + "}", "depth"),
        (_PREFIX.encode() + b', "details": "\xff"}', "utf-8"),
        (_PREFIX.encode() + b', "details": "\xed\xa0\x80"}', "utf-8"),
        ((_PREFIX + "}").encode("utf-16"), "utf-8"),
        (_PREFIX, "json"),
        (_PREFIX + "}{}", "json"),
        ("<service/>", "json"),
        ("", "required"),
        ("null", "type"),
        ('"text"', "type"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_a_body_that_is_not_strict_json(world: World, text: str | bytes, rule: str) -> None:
    assert rules(world.post(text)) == [("", rule)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"details": "a\x00b"}, ("/details", "characters")),
        ({"details": "\ud800"}, ("/details", "characters")),
        ({"name": "x" * 201}, ("/name", "maxLength")),
        ({"name": " \t "}, ("/name", "pattern")),
        ({"name": None}, ("/name", "type")),
        ({"countries": ["es"]}, ("/countries/0", "pattern")),
        ({"countries": ["ES", "ES"]}, ("/countries", "uniqueItems")),
        ({"countries": []}, ("/countries", "minItems")),
        ({"category": "NO_SUCH"}, ("/category", "enum")),
        ({"consentRequired": "yes"}, ("/consentRequired", "type")),
        ({"surplus/~": 1}, ("/surplus~1~0", "additionalProperties")),
        ({"price": {"model": "FREE", "amount": "1"}}, ("/price/amount", "freeWithoutAmount")),
        ({"price": {"model": "PER_POD", "amount": "1e3"}}, ("/price/amount", "pattern")),
        ({"price": {"model": "PER_POD", "amount": 1}}, ("/price/amount", "type")),
        ({"interimStatusInterval": "P1M"}, ("/interimStatusInterval", "pattern")),
        ({"interimStatusInterval": "PT0S"}, ("/interimStatusInterval", "duration")),
        ({"providerRole": "TSO"}, ("/providerRole", "roleHeld")),
        (
            {"integration": {**SERVICE["integration"], "baseUrl": "not a url"}},
            ("/integration/baseUrl", "format"),
        ),
    ],
    ids=str,
)
def test_a_field_that_breaks_a_rule(
    world: World, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert rules(world.post(json.dumps(SERVICE | change))) == [expected]


def test_every_field_that_breaks_a_rule_is_named_at_once(world: World) -> None:
    found = rules(world.post(json.dumps({"name": "", "countries": "ES", "x": 1})))

    assert {("/name", "minLength"), ("/countries", "type"), ("/x", "additionalProperties")} < set(
        found
    )
    assert ("/terms", "required") in found


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "application/json; charset=utf-16", "json", ""]
)
def test_a_media_type_that_is_not_read(world: World, media_type: str) -> None:
    headers = {"Content-Type": media_type}

    response = world.call("POST", "/services", data=json.dumps(SERVICE), headers=headers)

    assert "application/json" in problem(response, 415)["detail"] or "UTF-8" in response.text


# ---- moments and periods


@pytest.mark.parametrize(
    "moment",
    [
        "2026-12-01T10:00:00",
        "2026-12-01",
        "2026-12-01 10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-12-01T25:00:00Z",
        "0000-01-01T00:00:00Z",
        "yesterday",
        "",
        1780000000,
    ],
)
def test_a_moment_without_offset_or_that_does_not_exist(world: World, moment: object) -> None:
    path = f"/service-requests/{world.open_request.service_request_id}/offers"
    body = OFFER | {"validity": {"start": moment}, "validUntil": moment}

    found = rules(world.call("POST", path, json=body))

    assert {pointer for pointer, _ in found} == {"/validity/start", "/validUntil"}
    assert {rule for _, rule in found} <= {"format", "type"}
    query = {"since": str(moment)}
    assert rules(world.call("GET", "/audit-trail", params=query))[0][0] == "since"


@pytest.mark.parametrize("length", [timedelta(0), timedelta(seconds=-1), timedelta(days=-400)])
def test_a_period_that_does_not_end_after_its_start(world: World, length: timedelta) -> None:
    period = {"start": NOW.isoformat(), "end": (NOW + length).isoformat()}
    request_path = f"/service-requests/{world.open_request.service_request_id}"

    offered = world.call("POST", f"{request_path}/offers", json=OFFER | {"validity": period})
    assert rules(offered) == [("/validity/end", "endAfterStart")]
    query = {"since": period["start"], "until": period["end"]}
    assert rules(world.call("GET", "/audit-trail", params=query)) == [("until", "endAfterStart")]
    consent = {
        "eventId": str(new_id()),
        "occurredAt": NOW.isoformat(),
        "subscriptionId": str(world.subscription.subscription_id),
        "podId": "POD",
        "state": "GRANTED",
        "validity": period,
    }
    told = world.call("POST", "/notifications/v1/service/consent", json=consent)
    assert rules(told) == [("/validity/end", "endAfterStart")]


def test_moments_that_are_over_or_still_to_come(world: World) -> None:
    path = f"/service-requests/{world.open_request.service_request_id}/offers"
    over = OFFER | {"validUntil": (NOW - timedelta(days=1)).isoformat()}
    assert rules(world.call("POST", path, json=over)) == [("/validUntil", "inTheFuture")]
    consent = {
        "eventId": str(new_id()),
        "occurredAt": (NOW + timedelta(days=1)).isoformat(),
        "subscriptionId": str(world.subscription.subscription_id),
        "podId": "POD",
        "state": "GRANTED",
    }
    told = world.call("POST", "/notifications/v1/service/consent", json=consent)
    assert rules(told, 409) == [("/occurredAt", "notInTheFuture")]  # it can be taken later


# ---- addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://0.0.0.0",
        "http://localhost",
        "http://10.1.2.3",
        "http://172.16.0.1",
        "http://192.168.1.1",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1",
        "http://[::1]",
        "http://[::ffff:127.0.0.1]",
        "http://[64:ff9b::7f00:1]",
        "http://[fe80::1]",
        "http://[fc00::1]",
        "http://[::]",
        "http://224.0.0.1",
        "http://user:secret@10.0.0.1",
        "ftp://platform.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "//platform.example",
        "platform.example",
    ],
)
def test_the_address_of_a_platform_must_be_public(strict: Register, url: str) -> None:
    registered = requests.post(
        f"{strict.api}/market-players",
        json={"name": "A", "roles": ["DSO"], "country": "ES", "contactEmail": "a@b.example"},
        timeout=30,
    ).json()
    credential = registered["credential"]
    person = strict.sign_in(credential["clientId"], credential["clientSecret"])

    response = requests.put(
        f"{strict.api}/market-players/{registered['marketPlayer']['marketPlayerId']}/platform",
        json={"baseUrl": url, "apiKey": "a-key-that-is-long-enough"},
        headers=person.headers,
        timeout=30,
    )

    assert {pointer for pointer, _ in rules(response)} == {"/baseUrl"}


# ---- versions and repeated calls


def test_an_edit_needs_the_version_that_it_edits(world: World) -> None:
    path = world.draft()
    current = world.call("GET", path).headers["ETag"]

    assert problem(world.call("PUT", path, json=SERVICE), 428)
    assert problem(world.call("DELETE", path), 428)
    for wrong in ('"999"', current.strip('"'), f"W/{current}", "nonsense", '""'):
        response = world.call("PUT", path, json=SERVICE, headers={"If-Match": wrong})
        assert problem(response, 412), wrong
    assert rules(world.call("PUT", path, json=SERVICE, headers={"If-Match": "x" * 65})) == [
        ("If-Match", "maxLength")
    ]
    edited = world.call("PUT", path, json=SERVICE, headers={"If-Match": current})
    assert edited.status_code == 200
    assert edited.headers["ETag"] != current
    assert problem(world.call("DELETE", path, headers={"If-Match": current}), 412)
    assert problem(world.call("POST", f"{path}/publish", headers={"If-Match": current}), 412)


def test_of_edits_at_once_one_is_made(world: World) -> None:
    for _ in range(3):
        path = world.draft()
        current = world.call("GET", path).headers["ETag"]
        barrier = threading.Barrier(4)

        def edit(name: str, path: str = path, current: str = current) -> requests.Response:
            barrier.wait()  # noqa: B023 - each round waits for its own threads
            return world.call(
                "PUT", path, json=SERVICE | {"name": name}, headers={"If-Match": current}
            )

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(edit, ["a", "b", "c", "d"]))

        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
        [made] = [answer for answer in answers if answer.status_code == 200]
        assert world.call("GET", path).json() == made.json()
        for answer in answers:
            if answer is not made:
                problem(answer, 412)


def test_a_repeated_call_gets_its_first_answer_and_changes_nothing(world: World) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = world.call("POST", "/services", json=SERVICE, headers=headers)
    again = world.call("POST", "/services", json=SERVICE, headers=headers)
    different = world.call("POST", "/services", json=SERVICE | {"name": "B"}, headers=headers)
    elsewhere = [world.call("POST", f"{world.draft()}/publish", headers=headers) for _ in range(2)]

    assert first.status_code == again.status_code == 201
    assert (first.json(), first.headers["ETag"]) == (again.json(), again.headers["ETag"])
    assert problem(different, 422)
    assert elsewhere[0].status_code == 200
    assert problem(elsewhere[1], 422)
    other = world.call("POST", "/market-players", world.requester, headers=headers, json={
        "name": "A", "roles": ["DSO"], "country": "ES", "contactEmail": "a@b.example",
    })  # fmt: skip
    assert other.status_code == 201  # a key belongs to its caller


def test_the_same_call_many_times_at_once_is_made_once(world: World) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    name = f"Once {uuid4()}"

    def create(_: int) -> requests.Response:
        return world.call("POST", "/services", json=SERVICE | {"name": name}, headers=headers)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(create, range(6)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["serviceId"] for answer in answers}) == 1


@pytest.mark.parametrize("key", ["", "x" * 129, "two words", "caf\u00e9".encode("latin-1")])
def test_an_idempotency_key_that_breaks_its_rule(world: World, key: str | bytes) -> None:
    response = world.call("POST", "/services", json=SERVICE, headers={"Idempotency-Key": key})

    assert rules(response)[0][0] == "Idempotency-Key"


# ---- queries


@pytest.mark.parametrize(
    "cursor",
    ["a", "====", "AAAA", "x" * 513, "bm9uc2Vuc2U=", "eyJhIjoxfQ==", "W10=", "-", "%00", "'"],
)
@pytest.mark.parametrize(
    "path", ["/services", "/service-requests", "/subscriptions", "/deliveries", "/audit-trail"]
)
def test_a_cursor_that_is_none(world: World, path: str, cursor: str) -> None:
    assert rules(world.call("GET", f"{path}?cursor={cursor}"))[0][0] == "cursor"


def test_a_cursor_of_another_list_or_filter(world: World) -> None:
    for _ in range(2):
        people.draft(world.provider, "One more")
    page = world.call("GET", "/services", params={"limit": 1}).json()
    cursor = page["nextCursor"]

    for path in ("/service-requests", "/subscriptions", "/audit-trail", "/services?state=DRAFT"):
        join = "&" if "?" in path else "?"
        found = rules(world.call("GET", f"{path}{join}cursor={cursor}"))
        assert found[0][0] == "cursor", path
    damaged = cursor[:-3] + ("A" if cursor[-3] != "A" else "B") + cursor[-2:]
    assert world.call("GET", f"/services?cursor={damaged}").status_code in (200, 400)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("no=1", "no"),
        ("Limit=1", "Limit"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1.5", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=1&limit=1", "limit"),
        ("limit", "limit"),
        ("category=NO_SUCH", "category"),
        ("consentRequired=1", "consentRequired"),
        ("providerId=me", "providerId"),
        ("q=", "q"),
        ("q=" + "x" * 201, "q"),
        ("q=%00", "q"),
        ("q=%FF", "q"),
        ("%00=1", "query"),
        ("country=spain", "country"),
        ("&".join(f"p{number}=1" for number in range(1000)), "p0"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_query_that_breaks_a_rule(world: World, query: str, pointer: str) -> None:
    assert rules(world.call("GET", f"/services?{query}"))[0][0] == pointer


@pytest.mark.parametrize(
    "q", [*"_'\"*-()^\\", "%25", "a*", "AND", "NOT", "NEAR(", "a:b", "%F0%9F%98%80"]
)
def test_words_that_mean_something_to_a_search_engine_are_only_words(world: World, q: str) -> None:
    assert world.call("GET", f"/services?q={q}").status_code == 200


def test_very_long_requests_do_no_harm(world: World) -> None:
    for path in ("/api/v1/services?q=" + "x" * 100_000, "/api/v1/services/" + "x" * 100_000):
        status, _ = _raw(world, "GET", path)
        assert 400 <= status < 500
    status, _ = _raw(world, "GET", "/api/v1/services", {"X-Long": "x" * 100_000})
    assert status in (200, 400, 431)


def _raw(
    world: World, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Return the answer to a request whose path nobody has tidied up."""
    connection = http.client.HTTPConnection(urlsplit(world.marketplace.url).netloc, timeout=30)
    try:
        connection.putrequest(method, path)
        for name, value in {**world.provider.headers, **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_no_detail_repeats_a_secret(world: World) -> None:
    secret = "hunter2-" * 40
    body = {"baseUrl": "http://127.0.0.1:9", "apiKey": secret}
    path = f"/market-players/{world.provider.player_id}/platform"

    response = world.call("PUT", path, json=body, headers={"If-Match": "*"})

    assert rules(response) == [("/apiKey", "maxLength")]
    assert "hunter2" not in response.text


# ---- XML, which only market documents are in

_DOCUMENT = b"<NotifyValidatedMeasureData_MarketDocument/>"
_BOMB = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
    + b"".join(
        b'<!ENTITY b%d "' % n + (b"&b%d;" % (n - 1) if n else b"&b;") * 10 + b'">' for n in range(9)
    )
    + b"]><a>&b8;</a>"
)


@pytest.mark.parametrize(
    "data",
    [
        _BOMB,
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">' + _DOCUMENT,
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:9/"> %b;]><a/>',
        b"<a>&unknown;</a>",
        b"<a>" * 100_000,
        b"<a" + b" b" * 100_000,
        b"<a b='1' b='2'/>",
        b"<a>\x00</a>",
        b"<a>\xff</a>",
        '<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        _DOCUMENT + _DOCUMENT,
        b"{}",
        b"",
        _DOCUMENT,
        b'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd"/></a>',
    ],
    ids=lambda data: data[:24].decode("latin-1"),
)
def test_xml_that_is_bad_or_does_more_than_hold_data(data: bytes) -> None:
    started = time.monotonic()

    with pytest.raises(InvalidInput) as refused:
        parse_xml(data)

    assert time.monotonic() - started < 2
    assert refused.value.errors[0].rule
    assert "root:" not in str(refused.value)


@pytest.mark.parametrize("data", [b"\xff", b'{"a": NaN}', b'{"a":1,"a":1}', b"[" * 100_000, b"{}"])
def test_market_documents_in_json_are_read_as_strictly(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_json(data)

    assert refused.value.errors[0].rule

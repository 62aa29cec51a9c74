"""Identity as its callers meet it: over HTTP, on a real database."""

import base64
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from sqlalchemy import text

from marketplace.core import audit
from marketplace.core.environment import Environment
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import authentication, service
from mpp_sdk import clock
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.testing import ServedPlatform

from .conftest import AtWork, PlatformServer

DRAFT = {
    "name": "Levante Aggregation",
    "roles": ["AGGREGATOR"],
    "country": "ES",
    "contactEmail": "integration@levante.example",
}
KEY = "6f3b1c9e-6a41-4a9d-8a7c-0d6f7f5f7c11"
EIC = "22XWATTPLUS----G"


class Caller:
    """Calls with a credential."""

    def __init__(self, base_url: str, headers: dict[str, str] | None = None) -> None:
        self.base_url = base_url
        self.headers = headers or {}

    def __call__(
        self, method: str, path: str, body: Any = None, *, expect: int, **headers: str
    ) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        base = path if path.startswith("/notifications") else f"/api/v1{path}"
        response = requests.request(
            method, self.base_url + base, json=body, headers={**self.headers, **named}, timeout=30
        )
        assert response.status_code == expect, response.text
        return response


def token(base_url: str, client_id: str, secret: str, **form: str) -> requests.Response:
    return requests.post(
        f"{base_url}/api/v1/oauth/token",
        data={"grant_type": "client_credentials", **form},
        auth=(client_id, secret),
        timeout=30,
    )


def bearer(base_url: str, credential: dict[str, Any]) -> Caller:
    answer = token(base_url, credential["clientId"], credential["clientSecret"])
    assert answer.status_code == 200, answer.text
    return Caller(base_url, {"Authorization": f"Bearer {answer.json()['access_token']}"})


def register(base_url: str, **changes: Any) -> dict[str, Any]:
    answer = Caller(base_url)("POST", "/market-players", {**DRAFT, **changes}, expect=201)
    registration: dict[str, Any] = answer.json()
    return registration


@pytest.fixture
def operator(base_url: str, at_work: AtWork) -> Caller:
    with at_work():
        issued = service.create_operator("The operator")
    return bearer(
        base_url, {"clientId": issued.credential.client_id, "clientSecret": issued.secret}
    )


def test_sign_up_gives_a_pending_player_and_a_client_that_works(base_url: str) -> None:
    registration = register(base_url, eicCode=EIC)
    player = registration["marketPlayer"]
    assert player["state"] == "PENDING"
    own = bearer(base_url, registration["credential"])
    read = own("GET", f"/market-players/{player['marketPlayerId']}", expect=200)
    assert read.json() == player
    assert read.headers["ETag"]
    page = own("GET", "/market-players", expect=200).json()
    assert [one["marketPlayerId"] for one in page["items"]] == [player["marketPlayerId"]]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"eicCode": "22XWATTPLUS----X"}, "/eicCode"),
        ({"website": "javascript:alert(1)"}, "/website"),
        ({"country": "Spain"}, "/country"),
        ({"roles": []}, "/roles"),
        ({"extra": 1}, "/extra"),
    ],
)
def test_a_wrong_statement_is_refused(base_url: str, changes: dict[str, Any], pointer: str) -> None:
    answer = Caller(base_url)("POST", "/market-players", {**DRAFT, **changes}, expect=400).json()
    assert pointer in [error["pointer"] for error in answer["errors"]]


def test_an_eic_code_belongs_to_one_company_at_a_time(base_url: str, operator: Caller) -> None:
    first = register(base_url, eicCode=EIC)["marketPlayer"]["marketPlayerId"]
    Caller(base_url)("POST", "/market-players", {**DRAFT, "eicCode": EIC}, expect=409)
    operator("POST", f"/market-players/{first}/deregister", {"reason": "gone"}, expect=200)
    register(base_url, eicCode=EIC)


def test_an_edit_needs_the_version_that_was_read(base_url: str) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}"
    etag = own("GET", path, expect=200).headers["ETag"]
    changed = {**DRAFT, "roles": ["RETAILER", "AGGREGATOR"]}
    own("PUT", path, changed, expect=428)
    answer = own("PUT", path, changed, expect=200, If_Match=etag)
    assert answer.json()["roles"] == ["AGGREGATOR", "RETAILER"]
    assert answer.headers["ETag"] != etag
    own("PUT", path, changed, expect=412, If_Match=etag)
    own("PUT", path, DRAFT, expect=200, If_Match=answer.headers["ETag"])


def test_an_operator_moves_a_player_and_nobody_else_does(
    base_url: str, operator: Caller, environment: Environment
) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    player_id = registration["marketPlayer"]["marketPlayerId"]
    path = f"/market-players/{player_id}"
    own("POST", f"{path}/activate", {"reason": "me"}, expect=403)
    refused = operator("POST", f"{path}/suspend", {"reason": "x"}, expect=409).json()
    assert refused["state"] == "PENDING"
    assert "activate" in refused["allowed"]
    operator("POST", f"{path}/activate", {"reason": "x"}, expect=412, If_Match='"99"')
    for action, state in (
        ("activate", "ACTIVE"),
        ("suspend", "SUSPENDED"),
        ("reinstate", "ACTIVE"),
        ("deregister", "DEREGISTERED"),
    ):
        answer = operator("POST", f"{path}/{action}", {"reason": f"why {action}"}, expect=200)
        assert (answer.json()["state"], answer.json()["stateReason"]) == (state, f"why {action}")
    own("GET", path, expect=401)
    assert token(base_url, *_client(registration)).status_code == 401
    with unit_of_work(environment.engine, read_only=True) as session:
        wanted = audit.AuditFilter(entity_kind="MarketPlayer", entity_id=player_id)
        trail = audit.entries(session, wanted, 10, None).items
    assert [entry.action for entry in trail] == [
        "deregister",
        "reinstate",
        "suspend",
        "activate",
        "register",
    ]
    assert {entry.actor_name for entry in trail} == {"The operator", "Anonymous"}


def _client(registration: dict[str, Any]) -> tuple[str, str]:
    credential = registration["credential"]
    return credential["clientId"], credential["clientSecret"]


def test_another_company_s_things_do_not_exist(base_url: str, platform: PlatformServer) -> None:
    first, second = register(base_url), register(base_url, name="Other")
    own, other = bearer(base_url, first["credential"]), bearer(base_url, second["credential"])
    path = f"/market-players/{first['marketPlayer']['marketPlayerId']}"
    own("PUT", f"{path}/platform", _platform(platform), expect=200)
    unknown = f"/market-players/{uuid4()}"
    for method, suffix, body in (
        ("GET", "", None),
        ("PUT", "", DRAFT),
        ("GET", "/platform", None),
        ("PUT", "/platform", _platform(platform)),
        ("POST", "/platform/tests", None),
        ("GET", "/platform/tests", None),
        ("GET", "/credentials", None),
        ("POST", "/credentials", {"kind": "API_KEY", "label": "x", "roles": ["provider"]}),
        (
            "POST",
            f"/credentials/{first['credential']['credentialId']}/revoke",
            {"reason": "x"},
        ),
    ):
        theirs = other(method, path + suffix, body, expect=404, If_Match="*").json()
        nobody_s = other(method, unknown + suffix, body, expect=404, If_Match="*").json()
        assert theirs["title"] == nobody_s["title"]
    page = other("GET", "/market-players", expect=200).json()
    assert [one["name"] for one in page["items"]] == ["Other"]
    mine = f"/market-players/{second['marketPlayer']['marketPlayerId']}"
    foreign = f"{mine}/credentials/{first['credential']['credentialId']}/revoke"
    other("POST", foreign, {"reason": "x"}, expect=404)


def _platform(platform: PlatformServer) -> dict[str, Any]:
    return {"baseUrl": platform.base_url, "apiKey": "the-right-key-0123456789"}


def test_tokens_follow_rfc_6749(base_url: str) -> None:
    client_id, secret = _client(register(base_url))
    whole = token(base_url, client_id, secret)
    assert whole.json()["scope"].split() == ["provider", "requester"]
    assert whole.headers["Cache-Control"] == "no-store"
    assert whole.json()["token_type"] == "Bearer"
    assert whole.json()["expires_in"] == 3600
    part = token(base_url, client_id, secret, scope="requester")
    assert part.json()["scope"] == "requester"
    for answer, status, error in (
        (token(base_url, client_id, secret, scope="operator"), 400, "invalid_scope"),
        (token(base_url, client_id, secret, scope="root"), 400, "invalid_scope"),
        (token(base_url, client_id, "wrong"), 401, "invalid_client"),
        (token(base_url, "fxc_" + "0" * 24, secret), 401, "invalid_client"),
        (token(base_url, "nobody\x00", secret), 401, "invalid_client"),
        (token(base_url, client_id, secret, grant_type="password"), 400, "unsupported_grant_type"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
        if status == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    url = f"{base_url}/api/v1/oauth/token"
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert requests.post(url, data=form, timeout=30).status_code == 200
    garbage = {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()}
    answer = requests.post(
        url, data={"grant_type": "client_credentials"}, headers=garbage, timeout=30
    )
    assert answer.status_code == 401


def test_a_token_carries_no_more_than_was_asked_for(base_url: str, operator: Caller) -> None:
    registration = register(base_url)
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}"
    answer = token(base_url, *_client(registration), scope="requester").json()
    narrow = Caller(base_url, {"Authorization": f"Bearer {answer['access_token']}"})
    draft = {"kind": "API_KEY", "label": "x", "roles": ["provider"]}
    narrow("POST", f"{path}/credentials", draft, expect=403)
    narrow("POST", f"{path}/credentials", {**draft, "roles": ["requester"]}, expect=201)
    operator("POST", f"{path}/credentials", draft, expect=201)


def test_a_revoked_credential_stops_at_once_with_its_tokens(base_url: str) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}"
    draft = {"kind": "OAUTH2_CLIENT", "label": "script", "roles": ["requester"]}
    issued = own("POST", f"{path}/credentials", draft, expect=201).json()
    script = bearer(base_url, issued)
    script("GET", path, expect=200)
    revoke = f"{path}/credentials/{issued['credentialId']}/revoke"
    assert own("POST", revoke, {"reason": "x"}, expect=200).json()["revokedAt"]
    own("POST", revoke, {"reason": "x"}, expect=409)
    script("GET", path, expect=401)
    assert token(base_url, issued["clientId"], issued["clientSecret"]).status_code == 401
    listed = own("GET", f"{path}/credentials", expect=200).json()["items"]
    assert [one["label"] for one in listed] == ["script", "sign-up"]
    assert all("Secret" not in key and key != "apiKey" for one in listed for key in one)


def issue_key(base_url: str) -> tuple[Caller, str, str, Caller]:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}"
    draft = {"kind": "API_KEY", "label": "platform", "roles": ["provider", "requester"]}
    issued = own("POST", f"{path}/credentials", draft, expect=201).json()
    assert issued["validUntil"]
    return Caller(base_url, {"X-API-Key": issued["apiKey"]}), path, issued["credentialId"], own


def test_a_lost_answer_of_apikey_locks_nobody_out(base_url: str) -> None:
    caller, *_ = issue_key(base_url)
    caller("GET", "/notifications/v1/test", expect=200)
    first = caller("POST", "/notifications/v1/apikey", expect=200, Idempotency_Key="one").json()
    again = caller("POST", "/notifications/v1/apikey", expect=200, Idempotency_Key="one").json()
    assert again == first
    other = caller("POST", "/notifications/v1/apikey", expect=200, Idempotency_Key="two").json()
    assert other["apiKey"] != first["apiKey"]
    for key in (first["apiKey"], other["apiKey"]):
        Caller(base_url, {"X-API-Key": key})("GET", "/notifications/v1/test", expect=200)


def test_the_previous_key_ends_a_little_after_the_first_use_of_the_new_one(
    base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, *_ = issue_key(base_url)
    issued = old("POST", "/notifications/v1/apikey", expect=200).json()
    new = Caller(base_url, {"X-API-Key": issued["apiKey"]})
    new("GET", "/notifications/v1/test", expect=200)
    old("GET", "/notifications/v1/test", expect=200)  # a call that was under way
    real = clock.now
    monkeypatch.setattr(authentication, "now", lambda: real() + timedelta(seconds=61))
    refused = old("GET", "/notifications/v1/test", expect=401)
    assert "replaced" in refused.json()["detail"]
    assert refused.headers["WWW-Authenticate"]
    new("GET", "/notifications/v1/test", expect=200)
    monkeypatch.setattr(authentication, "now", lambda: real() + timedelta(days=91))
    assert "expired" in new("GET", "/notifications/v1/test", expect=401).json()["detail"]


def test_the_previous_key_ends_with_the_overlap_when_the_new_one_is_never_used(
    base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, *_ = issue_key(base_url)
    old("POST", "/notifications/v1/apikey", expect=200)
    real = clock.now
    monkeypatch.setattr(authentication, "now", lambda: real() + timedelta(hours=23))
    old("GET", "/notifications/v1/test", expect=200)
    monkeypatch.setattr(authentication, "now", lambda: real() + timedelta(hours=25))
    old("GET", "/notifications/v1/test", expect=401)


def test_a_revoked_key_takes_its_successors_with_it(base_url: str) -> None:
    old, path, credential_id, own = issue_key(base_url)
    issued = old("POST", "/notifications/v1/apikey", expect=200).json()
    own("POST", f"{path}/credentials/{credential_id}/revoke", {"reason": "leaked"}, expect=200)
    for key in (old.headers["X-API-Key"], issued["apiKey"]):
        Caller(base_url, {"X-API-Key": key})("GET", "/notifications/v1/test", expect=401)


def test_secrets_are_never_stored_in_clear(
    base_url: str, environment: Environment, platform: PlatformServer
) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}"
    draft = {"kind": "API_KEY", "label": "platform", "roles": ["provider"]}
    key = own("POST", f"{path}/credentials", draft, expect=201, Idempotency_Key="k").json()
    stated = own("PUT", f"{path}/platform", _platform(platform), expect=200, Idempotency_Key="p")
    clear = [
        registration["credential"]["clientSecret"],
        key["apiKey"],
        stated.json()["signingSecret"],
        "the-right-key-0123456789",
        own.headers["Authorization"].split()[1],
    ]
    with unit_of_work(environment.engine, read_only=True) as session:
        names = ["credential", "api_key", "access_token", "platform_key", "signing_secret"]
        stored = [
            str(row)
            for name in [*names, "idempotent_reply", "audit_entry"]
            for row in session.execute(text(f"SELECT * FROM {name}"))
        ]
    assert len(stored) > len(names)
    for secret in clear:
        assert not [row for row in stored if secret in row]


def test_a_repeated_registration_is_done_once(base_url: str, operator: Caller) -> None:
    caller = Caller(base_url)
    first = caller("POST", "/market-players", DRAFT, expect=201, Idempotency_Key=KEY).json()
    again = caller("POST", "/market-players", DRAFT, expect=201, Idempotency_Key=KEY).json()
    assert again == first
    other = {**DRAFT, "name": "Other"}
    caller("POST", "/market-players", other, expect=422, Idempotency_Key=KEY)
    assert len(operator("GET", "/market-players", expect=200).json()["items"]) == 1


def test_a_registration_is_not_had_again_with_a_key_that_somebody_may_guess(base_url: str) -> None:
    caller = Caller(base_url)
    for guessable in ("1", "sign-up", "x" * 31):
        refused = caller("POST", "/market-players", DRAFT, expect=400, Idempotency_Key=guessable)
        assert refused.json()["errors"][0]["pointer"] == "Idempotency-Key"


def test_the_key_of_one_host_is_not_presented_to_another(
    base_url: str, platform: PlatformServer
) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}/platform"
    stated = own("PUT", path, _platform(platform), expect=200)
    tag = stated.headers["ETag"]
    elsewhere = platform.base_url.replace("127.0.0.1", "localhost")
    refused = own("PUT", path, {"baseUrl": elsewhere}, expect=400, If_Match=tag).json()
    assert [(e["pointer"], e["rule"]) for e in refused["errors"]] == [("/apiKey", "required")]
    below = {"baseUrl": platform.base_url + "/mpp"}
    tag = own("PUT", path, below, expect=200, If_Match=tag).headers["ETag"]
    moved = {"baseUrl": elsewhere, "apiKey": "the-key-of-the-other-host"}
    own("PUT", path, moved, expect=200, If_Match=tag)


def test_the_same_call_at_the_same_time_is_done_once(base_url: str, operator: Caller) -> None:
    answers: list[dict[str, Any]] = []

    def call() -> None:
        caller = Caller(base_url)
        answers.append(
            caller("POST", "/market-players", DRAFT, expect=201, Idempotency_Key=KEY).json()
        )

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)
    assert len(operator("GET", "/market-players", expect=200).json()["items"]) == 1


def test_operators_filter_the_register(base_url: str, operator: Caller) -> None:
    register(base_url, name="Alpha 100%", roles=["DSO", "BRP"])
    register(base_url, name="Beta")
    for query, names in (
        ("role=BRP", ["Alpha 100%"]),
        ("q=0%25", ["Alpha 100%"]),
        ("q=beta", ["Beta"]),
        ("state=ACTIVE", []),
        ("state=PENDING", ["Beta", "Alpha 100%"]),
    ):
        page = operator("GET", f"/market-players?{query}", expect=200).json()
        assert [one["name"] for one in page["items"]] == names, query
    first = operator("GET", "/market-players?limit=1", expect=200).json()
    rest = operator("GET", f"/market-players?limit=1&cursor={first['nextCursor']}", expect=200)
    assert [one["name"] for one in rest.json()["items"]] == ["Alpha 100%"]
    operator("GET", f"/market-players?q=x&cursor={first['nextCursor']}", expect=400)


def test_the_platform_s_settings(base_url: str, platform: PlatformServer) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}/platform"
    own("GET", path, expect=404)
    own("POST", f"{path}/tests", expect=409)
    missing = own("PUT", path, {"baseUrl": platform.base_url}, expect=400).json()
    assert missing["errors"][0]["pointer"] == "/apiKey"
    stated = own("PUT", path, _platform(platform), expect=200)
    assert stated.json()["signingSecret"].startswith("whsec_")
    read = own("GET", path, expect=200)
    assert "signingSecret" not in read.json()
    assert read.json()["apiKeyPresent"] is True
    draft = {"baseUrl": platform.base_url + "/"}
    own("PUT", path, draft, expect=428)
    again = own("PUT", path, draft, expect=200, If_Match=read.headers["ETag"])
    assert "signingSecret" not in again.json()
    own("PUT", path, draft, expect=412, If_Match=read.headers["ETag"])
    rotated = own(
        "PUT",
        path,
        {**draft, "rotateSigningSecret": True},
        expect=200,
        If_Match=again.headers["ETag"],
    )
    assert rotated.json()["signingSecret"] not in (None, stated.json()["signingSecret"])


def test_the_integration_test_says_step_by_step_what_happened(
    base_url: str, platform: PlatformServer
) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}/platform"
    own("PUT", path, _platform(platform), expect=200)

    def run() -> dict[str, str]:
        answer = own("POST", f"{path}/tests", expect=201, Idempotency_Key=str(uuid4())).json()
        for step in answer["steps"]:
            assert ("advice" in step) == (step["outcome"] == "FAILED")
            assert ("title" in step) == (step["name"] not in names)
        outcomes = {step["name"]: step["outcome"] for step in answer["steps"]}
        assert answer["passed"] == ("FAILED" not in outcomes.values())
        return outcomes

    names = ["resolve", "connect", "key accepted", "test answered", "wrong key refused"]
    tried = run()  # the little platform can be reached, and keeps none of the other rules
    assert {name: tried[name] for name in names} == dict.fromkeys(names, "PASSED")
    assert tried["HEADER-CACHE-01"] == "FAILED"
    assert own("GET", path, expect=200).json()["lastTestPassed"] is False

    platform.checks_keys = False
    assert run()["wrong key refused"] == "FAILED"
    platform.checks_keys = True
    platform.keys = {"another"}
    assert run()["key accepted"] == "FAILED"
    platform.keys = {"the-right-key-0123456789"}
    platform.serve_test(b"<html>")
    assert run()["test answered"] == "FAILED"
    platform.serve_test(b"{}", status=500)
    assert run()["test answered"] == "FAILED"
    platform.close()
    outcomes = run()
    assert outcomes["connect"] == "FAILED"
    assert outcomes["wrong key refused"] == "SKIPPED"
    assert own("GET", path, expect=200).json()["lastTestPassed"] is False
    tests = own("GET", f"{path}/tests?limit=2", expect=200).json()
    assert [test["passed"] for test in tests["items"]] == [False, False]
    assert tests["nextCursor"]
    passed = own("GET", f"{path}/tests?passed=true", expect=200).json()["items"]
    failed = own("GET", f"{path}/tests?passed=false", expect=200).json()["items"]
    assert passed == []
    assert [test["passed"] for test in failed] == [False] * 6


def test_a_sound_platform_passes_the_integration_test(base_url: str, tmp_path: Path) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}/platform"
    with ServedPlatform(MarketPlayerPlatform, tmp_path, signing_secrets=()) as platform:
        draft = {"baseUrl": platform.url, "apiKey": platform.credentials.api_key}
        own("PUT", path, draft, expect=200)
        answer = own("POST", f"{path}/tests", expect=201).json()

    assert answer["passed"], [step for step in answer["steps"] if step["outcome"] == "FAILED"]
    assert [step["name"] for step in answer["steps"] if "title" in step]
    assert own("GET", path, expect=200).json()["lastTestPassed"] is True
    passed = own("GET", f"{path}/tests?passed=true", expect=200).json()["items"]
    assert [test["testId"] for test in passed] == [answer["testId"]]


def test_a_repeated_integration_test_is_done_once(base_url: str, platform: PlatformServer) -> None:
    registration = register(base_url)
    own = bearer(base_url, registration["credential"])
    path = f"/market-players/{registration['marketPlayer']['marketPlayerId']}/platform"
    own("PUT", path, _platform(platform), expect=200)
    first = own("POST", f"{path}/tests", expect=201, Idempotency_Key="t").json()
    calls = len(platform.calls)
    assert own("POST", f"{path}/tests", expect=201, Idempotency_Key="t").json() == first
    assert len(platform.calls) == calls


@pytest.mark.parametrize("path", ["/api/v1/market-players", "/notifications/v1/test"])
@pytest.mark.parametrize(
    "headers", [{}, {"X-API-Key": "fxk_unknown"}, {"Authorization": "Bearer fxt_unknown"}]
)
def test_nobody_gets_in_without_a_known_credential(
    base_url: str, path: str, headers: dict[str, str]
) -> None:
    answer = requests.get(base_url + path, headers=headers, timeout=30)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_no_call_fails_while_a_key_is_refreshed_again_and_again(base_url: str) -> None:
    first, *_ = issue_key(base_url)
    newest = [first.headers["X-API-Key"]]
    statuses: list[int] = []
    done = threading.Event()

    def call() -> None:
        with requests.Session() as session:
            while not done.wait(0.02):
                answer = session.get(
                    f"{base_url}/notifications/v1/test",
                    headers={"X-API-Key": newest[-1]},
                    timeout=30,
                )
                statuses.append(answer.status_code)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(10):
            caller = Caller(base_url, {"X-API-Key": newest[-1]})
            answer = caller(
                "POST", "/notifications/v1/apikey", expect=200, Idempotency_Key=str(number)
            )
            newest.append(answer.json()["apiKey"])
            done.wait(0.1)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert len(statuses) > 10
    assert set(statuses) == {200}

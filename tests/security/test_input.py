"""Input that means something to whatever it may get into: SQL, logs, patterns, models."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from mpp_sdk.contracts.marketplace.models import MarketPlayerRole
from tests.functional.marketplace import Marketplace

INJECTIONS = (
    "'; DROP TABLE market_player; --",
    "' OR '1'='1",
    '" OR ""="',
    "1); DELETE FROM credential; --",
    "%' UNION SELECT key_hash FROM api_key --",
    "\\'; SELECT pg_sleep(10); --",
    "$$; COMMIT; $$",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "%s%n%(name)s{0}",
    "a\r\n2026-11-21 INFO forged",
    '"}\n{"level": "INFO", "message": "forged"}',
    "\x1b[2J\x1b]0;forged\x07",
    "\u2028forged\u2029\x85forged",
)


def sign_up(url: str, **changes: Any) -> requests.Response:
    draft = {
        "name": "Ponent Energia",
        "roles": ["RETAILER"],
        "country": "ES",
        "contactEmail": "integration@ponent.example",
    } | changes
    return requests.post(f"{url}/api/v1/market-players", json=draft, timeout=20)


def test_what_is_typed_in_is_data_in_the_database_and_in_the_log(on_sqlite: Marketplace) -> None:
    on_sqlite.start()
    company = on_sqlite.company("Ponent Energia", MarketPlayerRole.RETAILER)
    headers = {"X-Correlation-ID": "a b", **company_headers(on_sqlite)}
    for text in INJECTIONS:
        made = sign_up(on_sqlite.url, name=text)
        assert made.status_code in (201, 400), text
        if made.status_code == 201:
            assert made.json()["marketPlayer"]["name"] == text.strip()
        for path in ("services", "market-players", "deliveries", "audit-trail"):
            found = requests.get(
                f"{on_sqlite.url}/api/v1/{path}",
                params={"q": text, "cursor": text},
                headers=headers,
                timeout=20,
            )
            assert found.status_code in (200, 400), (path, text)
        found = requests.get(f"{on_sqlite.url}/api/v1/market-players/{text}", headers=headers)
        assert found.status_code in (400, 404), text
    assert company.client.read_market_player(company.player_id).body.name == "Ponent Energia"
    lines = Path(on_sqlite.environment["FLEXAGORA_ACCESS_LOG"]).read_text("utf-8").split("\n")
    logged = [json.loads(line) for line in lines if line]
    assert len(logged) > 5 * len(INJECTIONS)
    assert all(one.get("message") != "forged" for one in logged)
    assert not any(character in "".join(lines) for character in "\r\x1b\u2028\u2029\x85")


def company_headers(marketplace: Marketplace) -> dict[str, str]:
    registered = sign_up(marketplace.url, name=f"Company {uuid4()}").json()["credential"]
    token = requests.post(
        f"{marketplace.url}/api/v1/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(registered["clientId"], registered["clientSecret"]),
        timeout=20,
    ).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "surplus",
    [
        {"state": "ACTIVE"},
        {"marketPlayerId": str(uuid4())},
        {"createdAt": "2020-01-01T00:00:00Z"},
        {"scope": "operator"},
        {"accessRoles": ["operator"]},
        {"__class__": "x"},
        {"_sa_instance_state": {}},
    ],
)
def test_nobody_states_what_is_not_theirs_to_state(
    on_sqlite: Marketplace, surplus: dict[str, Any]
) -> None:
    on_sqlite.start()
    refused = sign_up(on_sqlite.url, **surplus)
    assert refused.status_code == 400
    assert {error["rule"] for error in refused.json()["errors"]} == {"additionalProperties"}


_PATTERNS = """
import json, re, sys
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.validation import Validators
from mpp_sdk.transport import AddressPolicy, check_url
from mpp_sdk.errors import InvalidInput

STRINGS = [
    unit * (100_000 // len(unit)) + end
    for unit in ("a", "0", "1D", "P1D", "T1H", "-", ".", "a.", "a-", "=", "A1_", " ", "%", "0.0")
    for end in ("", "!", "\\n")
]

def schemas(node):
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str) or isinstance(node.get("format"), str):
            yield {k: v for k, v in node.items() if k in ("type", "pattern", "format")}
        for name, value in node.items():
            if name != "example":  # what it is an example of may have members of these names
                yield from schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from schemas(value)

tried = set()
for name in ("marketplace", "notifications", "eu_mp", "metering"):
    contract = Contract.load(name)
    validators = Validators(contract)
    for schema in schemas(contract.document):
        key = json.dumps(schema, sort_keys=True)
        if key in tried or schema.get("type") not in (None, "string"):
            continue
        tried.add(key)
        validator = validators.compile(schema)
        for string in STRINGS:
            list(validator.iter_errors(string))
        if "pattern" in schema:
            for string in STRINGS:
                re.search(schema["pattern"], string)
for string in STRINGS:
    for url in (string, "https://" + string, "https://[" + string, "https://a/" + string):
        try:
            check_url(url, AddressPolicy(), resolve=lambda *_: ["8.8.8.8"])
        except InvalidInput:
            pass
print(len(tried))
"""


def test_no_pattern_takes_long_over_any_text() -> None:
    """A pattern that goes back and forth would not be through with these in a lifetime."""
    done = subprocess.run(
        [sys.executable, "-c", _PATTERNS], capture_output=True, text=True, timeout=300, check=True
    )
    assert int(done.stdout) > 10

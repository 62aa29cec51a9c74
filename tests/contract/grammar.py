"""Makes requests from a contract: good ones, ones that are slightly wrong, and ones full of harm.

What it writes is always HTTP; everything above that may be wrong: the method, the path and how it
is encoded, the query, the headers, the JSON and what it says. A seed makes the same requests again.
"""

import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote

from mpp_sdk.ids import new_id
from mpp_sdk.web.contract import Contract, Operation, Parameter

Headers = list[tuple[str, str]]
Sign = Callable[[str, bytes], Mapping[str, str]]
"""Gives the headers that sign a body with an event id."""

_PATH_ID = re.compile(r"\{([^}]+)\}")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
_STRINGS = (
    "",
    " ",
    "\x00",
    "a\r\nX-Injected: 1",
    "\ud800",
    "\U0001f50c\u202e\u0301",
    "' OR '1'='1' --",
    '"; DROP TABLE audit_entry; --',
    "%",
    "_",
    "../../../../etc/passwd",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "<script>alert(1)</script>",
    "\uff11\uff12\uff13",
    "a" * 300,
    "a" * 20_000,
    "null",
    "2026-02-30T00:00:00Z",
    "2026-12-01T10:00:00",
    "9999-12-31T23:59:60Z",
    "P1Y2M10DT2H30M",
    "PT0S",
    "http://169.254.169.254/latest/meta-data/",
    "https://localhost.:0@[::ffff:127.0.0.1]/",
    "urn:uuid:0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90",
    "00000000-0000-0000-0000-000000000000",
)
_OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    0.1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    -0.0,
    [],
    {},
    [[]],
    [None] * 500,
    {"": ""},
    {"$ref": "#"},
    {"__proto__": {"operator": True}},
)
_CONTENT_TYPES = (
    "text/plain",
    "application/xml",
    "application/json; charset=utf-16",
    "application/json;",
    "application/jsonp",
    "application/merge-patch+json",
    "multipart/form-data",
    "multipart/form-data; boundary=a",
    "application/x-www-form-urlencoded",
    "",
    "/",
    "application/json, text/plain",
)
_ODD_HEADERS: tuple[tuple[str, Sequence[str]], ...] = (
    ("If-Match", ("*", '"1"', '"999999999999999999999"', 'W/"1"', "1", '"', "", '"a", "b"')),
    ("Idempotency-Key", ("a", "", "a" * 129, "\x7f", "a b", "\xe9", "00000000")),
    ("Accept", ("text/html", "*/*;q=0", "application/xml", "application/json;q=2", ",", "")),
    ("X-Correlation-ID", ("", "a" * 5000, "\xe9", "a,b", "{{7*7}}")),
    ("Content-Encoding", ("gzip", "br", "identity, gzip")),
    ("X-Forwarded-For", ("127.0.0.1", "::1, 10.0.0.1", "a", "1.2.3.4:99999")),
    ("X-HTTP-Method-Override", ("DELETE",)),
    ("Range", ("bytes=0-1",)),
    ("Expect", ("a",)),
    ("traceparent", ("00-0-0-0", "a", "00-" + "f" * 32 + "-" + "f" * 16 + "-ff")),
    ("webhook-timestamp", ("0", "-1", "99999999999", "a")),
    ("webhook-id", ("", "a" * 500)),
    ("webhook-signature", ("v1,", "v1a,AAAA v1,BBBB", "a" * 5000)),
    ("Cookie", ("a=b; a=c",)),
    ("Transfer-Encoding-X", ("chunked",)),
)


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire. operation is what it was made from."""

    operation: Operation
    method: str
    target: str
    headers: Headers
    body: bytes | None


class Grammar:
    """Makes requests for the operations of one contract, served at one base path.

    vocabulary gives, for a name of the contract (`subscriptionId`), values that mean something.
    """

    def __init__(self, contract: Contract, sign: Sign | None = None) -> None:
        self._contract = contract
        self._sign = sign
        self._examples = {one.operation_id: _example(contract, one) for one in contract.operations}

    def request(
        self,
        random: Random,
        operation: Operation,
        vocabulary: Mapping[str, Sequence[str]],
        credential: Mapping[str, str],
    ) -> Request:
        """Return a request for an operation, from somebody who presents a credential."""
        made = _Making(random, vocabulary)
        method = random.choice(_METHODS) if random.random() < 0.03 else operation.method
        target = self._contract.base_path + made.path(operation.path) + made.query(operation)
        headers: Headers = [("Accept", "application/json"), *credential.items()]
        body = None
        if operation.body_media_types:
            body = made.body(self._examples[operation.operation_id], operation.body_media_types[0])
            headers.append(("Content-Type", made.content_type(operation.body_media_types)))
        elif random.random() < 0.03:
            body = random.choice([b"", b"{}", b"\xff\xfe", b"a" * 100])
        headers += self._given(random, operation, body or b"")
        if random.random() < 0.1:
            name, values = random.choice(_ODD_HEADERS)
            headers = [one for one in headers if one[0].lower() != name.lower()]
            headers.append((name, random.choice(values)))
        if random.random() < 0.01:
            headers.append(random.choice(headers))
        return Request(operation, method, target, headers, body)

    def _given(self, random: Random, operation: Operation, body: bytes) -> Headers:
        """Return the headers that the operation declares, most of them good."""
        names = {parameter.name for parameter in operation.parameters}
        given: Headers = []
        if "If-Match" in names and random.random() < 0.9:
            given.append(("If-Match", random.choice(['"1"', "*", "*", '"2"'])))
        if "Idempotency-Key" in names and random.random() < 0.2:
            given.append(("Idempotency-Key", random.choice([str(new_id()), "the-same-key"])))
        if "webhook-signature" in names and self._sign is not None and random.random() < 0.95:
            event_id = str(_member(body, "eventId") or new_id())
            given += list(self._sign(event_id, body).items())
        return given


class _Making:
    def __init__(self, random: Random, vocabulary: Mapping[str, Sequence[str]]) -> None:
        self._random = random
        self._vocabulary = vocabulary

    def path(self, template: str) -> str:
        """Return a path: mostly the operation's with ids that exist, sometimes bent."""
        random = self._random
        path = _PATH_ID.sub(lambda found: self._path_value(found.group(1)), template)
        if random.random() > 0.06:
            return path
        bends: tuple[Callable[[], str], ...] = (
            lambda: path + "/",
            lambda: path.replace("/", "//", 1),
            lambda: path + "/..",
            lambda: "/." + path,
            lambda: path.upper(),
            lambda: path.replace("/", "%2F", 2),
            lambda: path + "%00",
            lambda: path + ";a=b",
            lambda: path + "/" + quote(random.choice(_STRINGS[:16]), safe="", errors="replace"),
            lambda: path.rpartition("/")[0] or "/",
            lambda: path + "%",
            lambda: path + "%ff%fe",
            lambda: path + "/a" * 500,
        )
        return random.choice(bends)()

    def _path_value(self, name: str) -> str:
        known = self._vocabulary.get(name, ())
        if known and self._random.random() < 0.9:
            return quote(self._random.choice(known), safe="")
        text = self._random.choice([*_STRINGS, str(new_id()), "0", "1", "-1", "999999999999"])
        return quote(text[:2_000], safe="", errors="replace") or "-"

    def query(self, operation: Operation) -> str:
        """Return a query string, with its question mark, or nothing."""
        random = self._random
        parts = []
        for parameter in operation.parameters:
            if parameter.place != "query":
                continue
            if parameter.required or random.random() < 0.25:
                parts += [self._query_part(parameter) for _ in range(random.choice([1, 1, 1, 2]))]
        if random.random() < 0.04:
            parts.append(random.choice(["a=b", "limit", "limit=", "=", "&&", "%ff=%fe", "limit=1"]))
        return "?" + "&".join(parts) if parts else ""

    def _query_part(self, parameter: Parameter) -> str:
        random = self._random
        schema = parameter.schema
        item = schema.get("items", schema)
        if random.random() < 0.25:
            value = random.choice([*_STRINGS, "-1", "0", "1e9", "201", "a,b"])[:3_000]
        elif self._vocabulary.get(parameter.name):
            value = random.choice(self._vocabulary[parameter.name])
        elif "enum" in item:
            value = str(random.choice(item["enum"]))
        elif schema.get("type") == "integer":
            value = str(random.randrange(1, 200))
        elif schema.get("type") == "boolean":
            value = random.choice(["true", "false"])
        elif "date" in str(schema.get("format")):
            moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=random.randrange(70_000))
            value = moment.isoformat()
        else:
            value = random.choice(["a", "ES", "draft", str(new_id())])
        return f"{parameter.name}={quote(value, safe='', errors='replace')}"

    def content_type(self, media_types: Sequence[str]) -> str:
        """Return a content type: mostly one that is taken."""
        if self._random.random() < 0.03:
            return self._random.choice(_CONTENT_TYPES)
        return self._random.choice(media_types)

    def body(self, example: Any, media_type: str) -> bytes:
        """Return a body: the example with live values, with none, some or many mutations."""
        random = self._random
        value = self._alive(example)
        for _ in range(random.choice([0, 0, 1, 1, 2, 5])):
            value = self._mutated(value)
        if media_type == "application/x-www-form-urlencoded" and isinstance(value, dict):
            pairs = (
                f"{quote(str(name), errors='replace')}={quote(str(one)[:500], errors='replace')}"
                for name, one in value.items()
            )
            return "&".join(pairs).encode()
        text = json.dumps(value, ensure_ascii=random.random() < 0.5)
        body = text.encode("utf-8", "surrogatepass")
        return self._garbled(body) if random.random() < 0.06 else body

    def _alive(self, value: Any, name: str = "") -> Any:
        """Return an example with new event ids, present moments, and ids that exist."""
        if isinstance(value, dict):
            return {key: self._alive(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self._alive(one, name.removesuffix("s")) for one in value]
        if name in ("eventId", "auditId"):
            return str(new_id())
        if name in self._vocabulary and self._random.random() < 0.9:
            return self._random.choice(self._vocabulary[name])
        if name == "occurredAt":
            return datetime.now(UTC).isoformat()
        if name == "validUntil":
            return (datetime.now(UTC) + timedelta(days=2)).isoformat()
        return value

    def _mutated(self, value: Any) -> Any:
        random = self._random
        if isinstance(value, dict) and value and random.random() < 0.85:
            name = random.choice(list(value))
            rest = {key: one for key, one in value.items() if key != name}
            match random.randrange(8):
                case 0:
                    return rest
                case 1:
                    return {**value, random.choice(_STRINGS)[:200]: random.choice(_OTHERS)}
                case 2:
                    return {**rest, name.upper(): value[name]}
                case _:
                    return {**value, name: self._mutated(value[name])}
        if isinstance(value, list) and value and random.random() < 0.7:
            place = random.randrange(len(value))
            match random.randrange(4):
                case 0:
                    return value * random.choice([2, 50])
                case 1:
                    return value[:place]
                case _:
                    return [*value[:place], self._mutated(value[place]), *value[place + 1 :]]
        match random.randrange(5):
            case 0:
                return random.choice(_OTHERS)
            case 1 | 2:
                return random.choice(_STRINGS)
            case 3 if isinstance(value, str):
                return value + random.choice(_STRINGS)[:300]
            case _:
                return str(new_id())

    def _garbled(self, body: bytes) -> bytes:
        random = self._random
        place = random.randrange(len(body) + 1)
        garbles: tuple[Callable[[], bytes], ...] = (
            lambda: body[:place],
            lambda: body[:place] + bytes([random.randrange(256)]) + body[place + 1 :],
            lambda: body[:place] + random.randbytes(8) + body[place:],
            lambda: body + body,
            lambda: b"\xef\xbb\xbf" + body,
            lambda: body.decode("utf-8", "replace").encode("utf-16"),
            lambda: gzip.compress(body),
            lambda: b"[" * 50_000,
            lambda: b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
            lambda: body[:-1] + b', "eventId": 1, "eventId": 2}',
            lambda: body.replace(b'"', b"'"),
            lambda: body.replace(b":", b": NaN, ", 1),
            lambda: b"9" * 10_000,
            lambda: b"1e999999",
            lambda: b" " * 100_000 + body,
            lambda: b"",
        )
        return random.choice(garbles)()


def _example(contract: Contract, operation: Operation) -> Any:
    """Return the contract's own example of an operation's body, or None."""
    node = contract.document["paths"][operation.path][operation.method.lower()]
    if not operation.body_media_types:
        return None
    content = contract.resolve(node["requestBody"])["content"][operation.body_media_types[0]]
    if "example" in content:
        return content["example"]
    return next(iter(content.get("examples", {"": {"value": {}}}).values()))["value"]


def _member(body: bytes, name: str) -> object:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, str) and found.isascii() and found.isprintable() else None

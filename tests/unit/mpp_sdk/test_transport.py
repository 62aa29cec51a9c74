"""The guarded client against real sockets on loopback, well-behaved and hostile."""

import gzip
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.clock import now
from mpp_sdk.errors import InvalidInput
from mpp_sdk.transport import (
    AddressPolicy,
    AddressRefused,
    ConnectionFailed,
    GuardedSession,
    ResponseTooLarge,
    TimedOut,
    addresses,
    check_url,
)

STRICT = AddressPolicy()
LOCAL = AddressPolicy(allow_private=True, allow_http=True)

FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "1.1.1.1", "2606:4700::1111"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_forbidden(address: str) -> None:
    assert not STRICT.admits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_admitted(address: str) -> None:
    assert STRICT.admits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fe80::1", "::ffff:127.0.0.1"])
def test_the_setting_admits_private_addresses(address: str) -> None:
    assert LOCAL.admits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"])
def test_no_setting_admits_multicast_unspecified_or_reserved(address: str) -> None:
    assert not LOCAL.admits(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_fares_the_same_however_ipv6_spells_it(
    address: ipaddress.IPv4Address,
) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert STRICT.admits(mapped) == STRICT.admits(address)
    if int(address) > 1:
        assert STRICT.admits(ipaddress.IPv6Address(int(address))) == STRICT.admits(address)


@given(st.ip_addresses())
def test_what_is_admitted_is_global(address: ipaddress.IPv4Address) -> None:
    if STRICT.admits(address):
        canonical = getattr(address, "ipv4_mapped", None) or address
        if canonical.version == 6 and int(canonical) < 2**32:
            canonical = ipaddress.IPv4Address(int(canonical))
        assert canonical.is_global
        assert not canonical.is_multicast


def rule_of(url: str, policy: AddressPolicy = STRICT, resolve: object = None) -> str | None:
    try:
        if resolve is None:
            check_url(url, policy)
        else:
            check_url(url, policy, resolve=resolve)  # type: ignore[arg-type]  # a test's lambda
    except InvalidInput as error:
        (only,) = error.errors
        assert only.pointer == "/baseUrl"
        return only.rule
    return None


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "https"),
        ("http://8.8.8.8/", "https"),
        ("ftp://8.8.8.8/", "https"),
        ("file:///etc/passwd", "https"),
        ("//8.8.8.8/", "https"),
        ("https://", "host"),
        ("https:///path", "host"),
        ("https://user@8.8.8.8/", "userinfo"),
        ("https://user:password@8.8.8.8/", "userinfo"),
        ("https://8.8.8.8:0/", "port"),
        ("https://8.8.8.8:99999/", "uri"),
        ("https://8.8.8.8:port/", "uri"),
        ("https://8.8.8.8/ x", "uri"),
        ("https://8.8.8.8/\r\nX: y", "uri"),
        ("https://[::1", "uri"),
        ("https://8.8.8.8/?x=y", "noQuery"),
        ("https://8.8.8.8/#x", "noQuery"),
        ("https://256.256.256.256/", "host"),
        ("https://1.2.3.4.5/", "host"),
        ("https://0x/", "host"),
        ("https://127.0.0.1/", "publicAddress"),
        ("https://127.0.0.1./", "publicAddress"),
        ("https://127.1/", "publicAddress"),
        ("https://2130706433/", "publicAddress"),
        ("https://0x7f000001/", "publicAddress"),
        ("https://0x7f.1/", "publicAddress"),
        ("https://0177.0.0.1/", "publicAddress"),
        ("https://017700000001/", "publicAddress"),
        ("https://[::1]/", "publicAddress"),
        ("https://[::ffff:127.0.0.1]/", "publicAddress"),
        ("https://[64:ff9b::7f00:1]/", "publicAddress"),
        ("https://[fe80::1%25eth0]/", "publicAddress"),
        ("https://[2606:4700::1111%25eth0]/", "publicAddress"),
        ("https://localhost/", "publicAddress"),
        ("https://localhost./", "publicAddress"),
        ("https://LOCALHOST/", "publicAddress"),
        ("https://8.8.8.8/", None),
        ("https://8.8.8.8:8443/base/path", None),
        ("https://134744072/", None),
        ("https://[2606:4700::1111]/", None),
    ],
)
def test_a_base_url_is_checked_and_the_broken_rule_named(url: str, rule: str | None) -> None:
    assert rule_of(url) == rule


def test_one_forbidden_address_among_many_is_enough() -> None:
    url = "https://platform.example/"
    assert rule_of(url, resolve=lambda *_: ["8.8.8.8"]) is None
    assert rule_of(url, resolve=lambda *_: ["8.8.8.8", "10.0.0.1"]) == "publicAddress"


def test_a_name_that_does_not_resolve_is_said_so() -> None:
    def fails(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert rule_of("https://platform.example/", resolve=fails) == "resolvable"
    assert rule_of("https://platform.example/", resolve=lambda *_: []) == "resolvable"
    assert rule_of(f"https://{'a' * 64}.example/") == "host"


def test_a_resolver_that_hangs_does_not_hang_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "RESOLVE_SECONDS", 0.1)
    release = threading.Event()

    def hangs(host: str, port: int) -> Sequence[str]:
        release.wait(10)
        return ["8.8.8.8"]

    assert rule_of("https://platform.example/", resolve=hangs) == "resolvable"
    release.set()


def test_the_caller_names_the_field() -> None:
    with pytest.raises(InvalidInput) as raised:
        check_url("https://127.0.0.1/", STRICT, pointer="/platform/url")
    assert raised.value.errors[0].pointer == "/platform/url"


def test_the_setting_admits_a_loopback_http_url() -> None:
    assert rule_of("http://127.0.0.1:8080/eu-mp", LOCAL) is None


# ----------------------------------------------------------------------------- real sockets


@dataclass
class Server:
    """A raw TCP server: what `answer` does with each connection, and what it was sent."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


Answer = Callable[[socket.socket], None]


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                piece = connection.recv(65536)
                body += piece
                data += piece
    return data


@contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1])
    stop = threading.Event()

    def serve(connection: socket.socket) -> None:
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            while request := read_request(connection):
                server.requests.append(request)
                answer(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def plain(
    body: bytes = b"hello", status: str = "200 OK", *headers: str
) -> Callable[[socket.socket], None]:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return lambda connection: connection.sendall(data)


def test_an_ordinary_call_gives_status_headers_and_body() -> None:
    with serving(plain(b'{"a": 1}', "201 Created", "X-Test: yes")) as server:
        response = GuardedSession(LOCAL).post(server.url, data=b"x" * 100_000)
    assert (response.status_code, response.json(), response.headers["X-Test"]) == (
        201,
        {"a": 1},
        "yes",
    )
    (request,) = server.requests
    assert request.endswith(b"x" * 100_000)
    assert b"Accept-Encoding: identity" in request
    assert f"Host: 127.0.0.1:{server.port}".encode() in request


def test_connections_are_kept_and_used_again() -> None:
    with serving(plain()) as server, GuardedSession(LOCAL) as session:
        for _ in range(5):
            assert session.get(server.url).content == b"hello"
    assert (server.connections, len(server.requests)) == (1, 5)


def test_many_threads_share_one_session() -> None:
    with (
        serving(plain()) as server,
        GuardedSession(LOCAL) as session,
        ThreadPoolExecutor(8) as pool,
    ):
        bodies = list(pool.map(lambda _: session.get(server.url).content, range(200)))
    assert bodies == [b"hello"] * 200
    assert server.connections <= 8 + 2


def test_chunked_and_compressed_answers_are_read() -> None:
    body = gzip.compress(b"hello" * 10)

    def answer(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
        )
        for byte in body:
            connection.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")

    with serving(answer) as server, GuardedSession(LOCAL) as session:
        assert session.get(server.url).content == b"hello" * 10
        assert session.get(server.url).content == b"hello" * 10
    assert server.connections == 1


def test_a_forbidden_address_is_never_dialled() -> None:
    with serving(plain()) as server:
        policy = AddressPolicy(allow_http=True)
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
            with pytest.raises(AddressRefused):
                GuardedSession(policy).get(f"http://{host}:{server.port}/")
    assert server.connections == 0


def test_a_name_that_turns_inwards_after_registration_is_not_dialled() -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])

    def rebinding(host: str, port: int) -> Sequence[str]:
        return next(answers)

    policy = AddressPolicy(allow_http=True)
    with serving(plain()) as server:
        url = f"http://platform.example:{server.port}/"
        check_url(url, policy, resolve=rebinding)
        with pytest.raises(AddressRefused):
            GuardedSession(policy, resolve=rebinding).get(url)
    assert server.connections == 0


def test_the_checked_address_is_dialled_and_the_name_resolved_once() -> None:
    resolved: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        resolved.append((host, port))
        return ["127.0.0.1"]

    with serving(plain()) as server, GuardedSession(LOCAL, resolve=resolve) as session:
        url = f"http://platform.example:{server.port}/"
        assert session.get(url).content == b"hello"
        assert session.get(url).content == b"hello"
    assert resolved == [("platform.example", server.port)]
    assert f"Host: platform.example:{server.port}".encode() in server.requests[0]


def test_http_userinfo_and_other_schemes_are_refused_at_call_time() -> None:
    for url in ("http://8.8.8.8/", "https://user:password@8.8.8.8/", "ftp://8.8.8.8/"):
        with pytest.raises(AddressRefused):
            GuardedSession(STRICT).get(url)


def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    with serving(plain()) as server:
        session = GuardedSession(LOCAL, resolve=lambda *_: ["127.0.0.2", "127.0.0.1"])
        assert session.get(f"http://platform.example:{server.port}/").content == b"hello"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 T", "308 P"])
def test_redirects_are_not_followed(status: str) -> None:
    with serving(plain()) as inner, serving(plain(b"", status, f"Location: {inner.url}")) as server:
        response = GuardedSession(LOCAL).get(server.url)
        assert response.status_code == int(status[:3])
        assert not response.history
        assert GuardedSession(LOCAL).get(server.url, allow_redirects=True).status_code < 400
    assert inner.connections == 0


def test_a_malformed_redirect_is_only_a_response() -> None:
    with serving(plain(b"", "302 Found", "Location: http://[")) as server:
        assert GuardedSession(LOCAL).get(server.url).status_code == 302


def test_cookies_are_not_kept() -> None:
    with serving(plain(b"", "200 OK", "Set-Cookie: a=b; Path=/")) as server:
        session = GuardedSession(LOCAL)
        session.get(server.url)
        session.get(server.url)
    assert b"cookie" not in server.requests[1].lower()


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(plain()) as server:
        assert GuardedSession(LOCAL).get(server.url).content == b"hello"
        proxies = {"http": "http://127.0.0.1:9"}
        assert GuardedSession(LOCAL).get(server.url, proxies=proxies).content == b"hello"


def drip(first: bytes, piece: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        for _ in range(200):
            connection.sendall(piece)
            time.sleep(0.05)

    return answer


SLOW_ANSWERS = {
    "silence": drip(b"", b""),
    "headers": drip(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "header": drip(b"HTTP/1.1 200 OK\r\nx: ", b"y"),
    "body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"z"),
    "open body": drip(b"HTTP/1.1 200 OK\r\n\r\n", b"z"),
    "chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nz\r\n"),
    "continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
"""What takes its time, whichever client reads it."""


@pytest.mark.parametrize(
    "answer", [*SLOW_ANSWERS.values(), drip(b"HTTP", b"/")], ids=[*SLOW_ANSWERS, "status"]
)
def test_a_slow_answer_ends_in_time(answer: Answer) -> None:
    with serving(answer) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            GuardedSession(LOCAL, total_seconds=0.4).get(server.url)
        assert 0.35 < time.monotonic() - started < 1.5


def test_a_call_may_set_its_own_limit() -> None:
    with serving(drip(b"", b"")) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            GuardedSession(LOCAL).get(server.url, timeout=0.2)
        assert time.monotonic() - started < 1.5


def test_a_request_that_is_not_taken_ends_in_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        started = time.monotonic()
        with pytest.raises(TimedOut):
            GuardedSession(LOCAL, total_seconds=0.4).post(url, data=b"x" * 30_000_000)
        assert time.monotonic() - started < 1.5


def test_a_handshake_that_never_comes_ends_in_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            GuardedSession(LOCAL, total_seconds=0.4).get(
                f"https://127.0.0.1:{listener.getsockname()[1]}/"
            )
        assert time.monotonic() - started < 1.5


def test_a_resolver_that_hangs_ends_in_time() -> None:
    release = threading.Event()

    def hangs(host: str, port: int) -> Sequence[str]:
        release.wait(10)
        return ["127.0.0.1"]

    started = time.monotonic()
    with pytest.raises(TimedOut):
        GuardedSession(LOCAL, total_seconds=0.3, resolve=hangs).get("http://platform.example/")
    assert time.monotonic() - started < 1.5
    release.set()


def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_read() -> None:
    with serving(plain(b"x" * 100_000)) as server:
        session = GuardedSession(LOCAL, max_response_bytes=100_000)
        assert len(session.get(server.url).content) == 100_000
        with pytest.raises(ResponseTooLarge):
            GuardedSession(LOCAL, max_response_bytes=99_999).get(server.url)


def test_a_gzip_bomb_is_refused() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, compresslevel=9)
    assert len(bomb) < 300_000
    with serving(plain(bomb, "200 OK", "Content-Encoding: gzip")) as server:
        started = time.monotonic()
        with pytest.raises(ResponseTooLarge):
            GuardedSession(LOCAL).get(server.url)
        assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 3_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500_000,
        b"HTTP/1.1 200 OK\r\n" + (b"x: " + b"y" * 60_000 + b"\r\n") * 50,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
    ],
    ids=["one header", "many headers", "large headers", "continues"],
)
def test_headers_without_end_are_refused(first: bytes) -> None:
    with (
        serving(lambda connection: connection.sendall(first)) as server,
        pytest.raises((ResponseTooLarge, ConnectionFailed)),
    ):
        GuardedSession(LOCAL, total_seconds=5).get(server.url)


def test_headers_over_the_limit_are_refused() -> None:
    with (
        serving(plain(b"", "200 OK", "x: " + "y" * 30_000)) as server,
        pytest.raises(ResponseTooLarge),
    ):
        GuardedSession(LOCAL, max_header_bytes=10_000).get(server.url)


def test_a_bad_answer_does_not_spoil_the_next_call() -> None:
    answers = iter([plain(b"x" * 100_000), plain(b"fine")])
    with serving(lambda connection: next(answers)(connection)) as server:
        session = GuardedSession(LOCAL, max_response_bytes=1_000)
        with pytest.raises(ResponseTooLarge):
            session.get(server.url)
        assert session.get(server.url).content == b"fine"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["closed", "other protocol", "short", "bad chunk", "bad gzip"],
)
def test_an_answer_that_breaks_off_is_a_failed_connection(data: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    with serving(answer) as server, pytest.raises(ConnectionFailed):
        GuardedSession(LOCAL, total_seconds=5).get(server.url)


def test_a_refused_connection_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionFailed, match="Connection refused"):
        GuardedSession(LOCAL).get(f"http://127.0.0.1:{port}/")


def test_a_connection_that_the_server_closed_is_made_anew() -> None:
    def answer(connection: socket.socket) -> None:
        plain()(connection)
        connection.shutdown(socket.SHUT_RDWR)

    with serving(answer) as server, GuardedSession(LOCAL) as session:
        for _ in range(3):
            assert session.get(server.url).content == b"hello"
            time.sleep(0.05)
    assert server.connections == 3


def certificate(folder: Path, name: str, *, expired: bool = False) -> tuple[ssl.SSLContext, str]:
    """Return a server's context with a self-signed certificate, and the file that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = now() - timedelta(days=20)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made)
        .not_valid_after(made + timedelta(days=10 if expired else 40))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + cert.public_bytes(serialization.Encoding.PEM)
    )
    trusted = folder / "trusted.pem"
    trusted.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, str(trusted)


def test_tls_checks_the_name_and_sends_it(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "platform.example")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with serving(plain(b"x" * 300_000), context) as server:
        session = GuardedSession(LOCAL, resolve=lambda *_: ["127.0.0.1"])
        session.verify = trusted
        url = f"https://platform.example:{server.port}/"
        assert len(session.post(url, data=b"y" * 500_000).content) == 300_000
        assert server.requests[0].endswith(b"y" * 500_000)
        with pytest.raises(ConnectionFailed, match=r"for another name"):
            session.get(f"https://other.example:{server.port}/")
        with pytest.raises(ConnectionFailed, match=r"trusted authority"):
            GuardedSession(LOCAL, resolve=lambda *_: ["127.0.0.1"]).get(url)
    assert names[:2] == ["platform.example", "other.example"]


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "platform.example", expired=True)
    with serving(plain(), context) as server:
        session = GuardedSession(LOCAL, resolve=lambda *_: ["127.0.0.1"])
        session.verify = trusted
        with pytest.raises(ConnectionFailed, match=r"has expired"):
            session.get(f"https://platform.example:{server.port}/")
    assert not server.requests


def test_a_slow_answer_over_tls_ends_in_time(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "platform.example")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with serving(drip(head, b"z"), context) as server:
        session = GuardedSession(LOCAL, total_seconds=0.4, resolve=lambda *_: ["127.0.0.1"])
        session.verify = trusted
        started = time.monotonic()
        with pytest.raises(TimedOut):
            session.get(f"https://platform.example:{server.port}/")
        assert time.monotonic() - started < 1.5

"""What the integration set-up test tells of platforms that fail, each in a way of its own."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from examples.demo.processes import free_port
from marketplace.identity import integration
from marketplace.identity.integration import Outcome, Step
from mpp_sdk.transport import AddressPolicy
from tests.services.certificates import Authority, Certificate

OPEN = AddressPolicy(allow_private=True, allow_http=True)
TIMEOUT = timedelta(seconds=5)


@contextmanager
def answering(
    status: int,
    body: str = "{}",
    headers: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
) -> Iterator[int]:
    """Give the port of a server that answers every call alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # who hangs up is no news
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def failed(base_url: str, policy: AddressPolicy = OPEN) -> Step:
    tested = integration.test_platform(
        base_url, "the-key-of-the-platform", policy, TIMEOUT, signing_secrets=()
    )
    [step] = [one for one in tested.steps if one.outcome is Outcome.FAILED]
    assert step.advice
    return step


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Return an authority that the marketplace trusts."""
    trusted = Authority(tmp_path / "trusted")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.file))
    return trusted


def ended(authority: Authority, folder: Path) -> tuple[str, Certificate]:
    del folder
    return "localhost", authority.issue("localhost", ends=datetime.now(UTC) - timedelta(days=1))


def unknown(authority: Authority, folder: Path) -> tuple[str, Certificate]:
    del authority
    return "localhost", Authority(folder / "unknown").issue("localhost")


def of_another(authority: Authority, folder: Path) -> tuple[str, Certificate]:
    del folder
    return "localhost", authority.issue("platform.example")


def of_another_address(authority: Authority, folder: Path) -> tuple[str, Certificate]:
    del folder
    return "127.0.0.1", authority.issue("localhost")


Made = Callable[[Authority, Path], tuple[str, Certificate]]


@pytest.mark.parametrize(
    ("made", "detail", "advice"),
    [
        (ended, "has expired", "Renew the certificate"),
        (unknown, "not from a trusted authority", "public authority"),
        (of_another, "for another name", "the name that the certificate is for"),
        (of_another_address, "for another name", "the name that the certificate is for"),
    ],
)
def test_each_fault_of_a_certificate_is_told_by_itself(
    authority: Authority, tmp_path: Path, made: Made, detail: str, advice: str
) -> None:
    host, certificate = made(authority, tmp_path)
    with answering(200, certificate=certificate) as port:
        step = failed(f"https://{host}:{port}")
    assert step.name == "connect"
    assert detail in step.detail
    assert advice in str(step.advice)


def test_a_good_certificate_is_no_fault(authority: Authority) -> None:
    with answering(404, certificate=authority.issue("localhost")) as port:
        assert failed(f"https://localhost:{port}").name == "test answered"


def test_a_port_without_tls_is_told(authority: Authority) -> None:
    with answering(200) as port:
        step = failed(f"https://localhost:{port}")
    assert step.name == "connect"
    assert "TLS" in step.detail
    assert "speak TLS" in str(step.advice)


@pytest.mark.parametrize(
    ("url", "policy", "advice"),
    [
        ("http://no-such-host.invalid", OPEN, "spelling of the host name"),
        ("https://127.0.0.1", AddressPolicy(), "public"),
        ("http://platform.example", AddressPolicy(), "begins with https://"),
        ("https://platform.example:22", AddressPolicy(), "port 443"),
        ("https://user:word@platform.example", AddressPolicy(), "without user name"),
    ],
)
def test_an_address_that_is_not_called_is_told_why(
    url: str, policy: AddressPolicy, advice: str
) -> None:
    step = failed(url, policy)
    assert step.name == "resolve"
    assert advice in str(step.advice)


def test_a_platform_that_does_not_run_is_told() -> None:
    step = failed(f"http://127.0.0.1:{free_port()}")
    assert step.name == "connect"
    assert "See that the server runs" in str(step.advice)


HTML = {"Content-Type": "text/html; charset=utf-8"}
ELSEWHERE = {"Location": "https://www.platform.example/"}


@pytest.mark.parametrize(
    ("answers", "step", "advice"),
    [
        (answering(401), "key accepted", "Issue an API key for the marketplace"),
        (answering(403), "key accepted", "Issue an API key for the marketplace"),
        (answering(404), "test answered", "State the base URL without /eu-mp/v1"),
        (answering(301, headers=ELSEWHERE), "test answered", "https://www.platform.example/"),
        (answering(502), "test answered", "look into its log"),
        (answering(429), "test answered", "raise its limit"),
        (answering(200, "<h1>Hello</h1>", HTML), "test answered", "A web page answers there"),
        (answering(200, '{"status": "fine"}'), "test answered", "Answer with status"),
        (answering(200, "x" * 2_000_000), "connect", "Something else answers there"),
    ],
)
def test_each_wrong_answer_is_told_with_what_to_do(
    answers: AbstractContextManager[int], step: str, advice: str
) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(answers)
        found = failed(f"http://127.0.0.1:{port}")
    assert found.name == step
    assert advice in str(found.advice)

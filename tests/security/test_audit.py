"""The dependency audit tells the vulnerable from the sound, and both from what nobody answered."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.audit.__main__ import Report, audit_lock, main

ROOT = Path(__file__).resolve().parents[2]
VULNERABLE = {"jinja2": "PYSEC-1", "urllib3": "PYSEC-2"}


@contextmanager
def advisory_service(known: Mapping[str, str], status: int = 200) -> Iterator[str]:
    """Serve what OSV does, for packages that are vulnerable up to version 2.0."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            package = asked["package"]["name"]
            ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
            affected = {"package": {"name": package, "ecosystem": "PyPI"}, "ranges": ranges}
            found = [
                {
                    "id": known.get(package),
                    "modified": "2026-01-01T00:00:00Z",
                    "published": "2026-01-01T00:00:00Z",
                    "summary": "Bad.",
                    "affected": [affected],
                }
            ] * (package in known)
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audit(pins: Path, url: str, *more: str) -> int:
    return main(["--no-npm", f"--pins={pins}", f"--osv-url={url}", *more])


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    file = tmp_path / "constraints.txt"
    file.write_text("jinja2==1.0\nidna==3.0  # sound\n")
    return file


def test_what_is_vulnerable_fails(pins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with advisory_service(VULNERABLE) as url:
        assert audit(pins, url) == 1
    told = capsys.readouterr().out
    assert "VULNERABLE  jinja2 1.0: PYSEC-1, fixed in 2.0" in told
    assert "idna" not in told
    assert "NOT AUDITED" not in told


def test_what_is_sound_passes(pins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with advisory_service({}) as url:
        assert audit(pins, url, "--all-must-be-audited") == 0
    assert capsys.readouterr().out == "No known vulnerability in 2 of what is pinned.\n"


@pytest.mark.parametrize("status", [None, 404, 500])
def test_a_service_that_does_not_answer_is_not_taken_for_soundness(
    pins: Path, capsys: pytest.CaptureFixture[str], status: int | None
) -> None:
    with advisory_service(VULNERABLE, status or 200) as url:
        if status is not None:
            assert audit(pins, url) == 0
            assert audit(pins, url, "--all-must-be-audited") == 2
    if status is None:  # nothing listens there any more
        assert audit(pins, url) == 0
        assert audit(pins, url, "--all-must-be-audited") == 2
    told = capsys.readouterr().out
    assert told.count("NOT AUDITED: 2 of what is pinned") == 2
    assert "No known vulnerability" not in told


def test_a_lock_file_that_nobody_answers_about_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    report = audit_lock(ROOT / "tools" / "spectral" / "package-lock.json")
    assert report.unanswered == {"npm spectral"}
    assert report.sound == set()
    assert report.reasons


def test_what_one_service_answers_another_need_not() -> None:
    report = Report(unanswered={"a 1", "b 1"})
    report.add(Report(sound={"a 1"}))
    report.add(Report(vulnerable=["b 1: PYSEC-1, fixed in 2"]))
    assert (report.unanswered, report.status(all_must_be_audited=True)) == (set(), 1)


def test_the_check_asks() -> None:
    assert "-m tools.audit\n" in (ROOT / "Makefile").read_text()

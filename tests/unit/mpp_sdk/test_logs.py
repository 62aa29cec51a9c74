"""The log of a process: JSON that machines read, text that people read, and what both tell."""

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mpp_sdk import logs
from mpp_sdk.correlation import correlated
from mpp_sdk.logs import LogFormat, fields

LOG = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, threading.excepthook
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    threading.excepthook = hook
    logging.captureWarnings(False)


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_object_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogFormat.JSON)
    with correlated("c-1", "e-1"):
        LOG.warning("two\nlines and a \x1b[31m %s", object, extra=fields(durationMs=3, status=None))
    LOG.info("nobody's")

    first, second = written(capsys)
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "WARNING",
        "logger": "tests.logs",
        "message": f"two\nlines and a \x1b[31m {object}",
        "correlationId": "c-1",
        "eventId": "e-1",
        "durationMs": 3,
    }
    assert "correlationId" not in second


def test_an_exception_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogFormat.JSON)
    try:
        raise ValueError("broken")
    except ValueError:
        LOG.exception("It failed")
    [line] = written(capsys)
    assert line["message"] == "It failed"
    assert "ValueError: broken" in line["exception"]


def test_text_says_what_a_line_belongs_to(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogFormat.TEXT)
    with correlated("c-1"):
        LOG.info("Hello")
    assert capsys.readouterr().err.endswith("INFO tests.logs: Hello [c-1]\n")


def test_elsewhere_than_at_a_terminal_it_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(None)
    LOG.info("Hello")
    assert written(capsys)[0]["message"] == "Hello"


def test_it_can_be_configured_again(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogFormat.TEXT)
    logs.configure(LogFormat.JSON)
    LOG.info("once")
    assert len(written(capsys)) == 1


def test_what_ends_a_thread_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogFormat.JSON)

    def fail() -> None:
        raise RuntimeError("over")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    [line] = written(capsys)
    assert line["message"] == "The thread worker has ended"
    assert "RuntimeError: over" in line["exception"]

"""The log of a process: an object of JSON in each line, or text for people at a terminal.

Both say when, how grave, from where, and to which request and event a line belongs. Whoever logs
further fields passes them as `extra=fields(...)`. Headers and bodies are never logged.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

from pydantic_core import PydanticSerializationError, to_json

from mpp_sdk import correlation, tracing

_FIELDS = "flexagora_fields"
_QUIET = ("alembic", "pika", "dramatiq")


class LogFormat(StrEnum):
    """How the log is written."""

    JSON = "json"
    TEXT = "text"


def fields(**values: object) -> dict[str, object]:
    """Return the `extra` of a line of the log with fields of its own; those of None are left out.

    Their names are as they stand in the log: camelCase, as everywhere in JSON.
    """
    return {_FIELDS: {name: value for name, value in values.items() if value is not None}}


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """Return the fields that a line was given."""
    given: Mapping[str, object] = getattr(record, _FIELDS, {})
    return given


def configure(form: LogFormat | None) -> None:
    """Write the log of this process to standard error.

    Without a format it is text at a terminal and JSON elsewhere. Warnings of Python, and what
    ends a thread or the process, go to the log too.
    """
    if form is None:
        form = LogFormat.TEXT if sys.stderr.isatty() else LogFormat.JSON
    root = logging.getLogger()
    for before in [one for one in root.handlers if isinstance(one, _StandardError)]:
        root.removeHandler(before)
    handler = _StandardError()
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else TextFormatter())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    # Nothing here shows them, and looking them up costs each line as much as writing it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    threading.excepthook = _log_thread


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # an attribute there
        """The stream."""
        return sys.stderr


class FieldsFormatter(logging.Formatter):
    """Writes the fields of a line and its time as an object of JSON, and nothing else."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return _json({"time": _time(record), **fields_of(record)})


class JsonFormatter(logging.Formatter):
    """Writes an object of JSON in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_belonging(),
            **fields_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return _json(line)


class TextFormatter(logging.Formatter):
    """Writes for people: time, level, logger, message, and in brackets what it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with what went wrong on those below."""
        about = {**_belonging(), **fields_of(record)}
        marks = [str(about[name]) for name in ("correlationId", "eventId") if name in about]
        text = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}"
        if marks:
            text += f" [{' '.join(marks)}]"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _belonging() -> dict[str, object]:
    belonging = correlation.current()
    known: dict[str, object] = {}
    if belonging.correlation_id is not None:
        known["correlationId"] = belonging.correlation_id
    if belonging.event_id is not None:
        known["eventId"] = belonging.event_id
    trace_id = tracing.trace_id()
    if trace_id is not None:
        known["traceId"] = trace_id
    return known


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")


def _json(line: Mapping[str, object]) -> str:
    try:
        return to_json(line, fallback=str).decode()
    except PydanticSerializationError:  # a text that is none in UTF-8, which this one escapes
        return json.dumps(line, default=str)


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or ended.exc_type is SystemExit:
        return
    name = ended.thread.name if ended.thread else "unknown"
    logging.getLogger(__name__).error("The thread %s has ended", name, exc_info=ended.exc_value)

"""A platform that answers as a test says, and remembers what it was asked and when."""

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from uuid import UUID


@dataclass(frozen=True)
class Heard:
    """A call that came in."""

    at: datetime
    path: str
    body: Mapping[str, Any]

    @property
    def subscription_id(self) -> UUID:
        return UUID(self.body["subscriptionId"])

    @property
    def event(self) -> str:
        """What it tells: `confirmed`, `canceled`, ..."""
        return self.path.split("/")[-2]


@dataclass(frozen=True)
class Say:
    """An answer: its status, and its Retry-After header."""

    status: int
    retry_after: str | None = None


class MisbehavingPlatform:
    """Gives the prepared answers to events, one after the other, then good ones."""

    def __init__(self, *answers: Say) -> None:
        self.heard: list[Heard] = []
        self._answers = deque(answers)
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                say = platform._take(self.path, body)
                self.send_response(say.status)
                if say.retry_after is not None:
                    self.send_header("Retry-After", say.retry_after)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def about(self, subscription_id: UUID) -> list[Heard]:
        """Return what it was told of a subscription, in order."""
        return [one for one in self.heard if one.subscription_id == subscription_id]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, body: bytes) -> Say:
        if path.endswith("/apikey"):  # the marketplace asks for another key in the meantime
            return Say(503)
        self.heard.append(Heard(datetime.now(UTC), path, json.loads(body)))
        return self._answers.popleft() if self._answers else Say(200)

"""Pages of the tests' own, on which the checks of pages are checked."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

POLICY = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'"
"""What the website's own policy comes to: nothing inline, nothing of others."""


@dataclass(frozen=True)
class Served:
    """What is answered at a path."""

    body: str
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Security-Policy": POLICY})


def page(body: str, head: str = "", language: str = ' lang="en"') -> str:
    """Return a page with nothing wrong but what the parts have."""
    return (
        f"<!doctype html><html{language}><head><title>A page</title>"
        f"{head}</head><body><main><h1>A page</h1>{body}</main></body></html>"
    )


@contextmanager
def serving(answers: Mapping[str, Served]) -> Iterator[str]:
    """Give the URL of a server with these answers; everything else is not there (404)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path, Served("Not here", 404, "text/plain"))
            content = found.body.encode()
            self.send_response(found.status)
            self.send_header("Content-Type", found.content_type)
            self.send_header("Content-Length", str(len(content)))
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

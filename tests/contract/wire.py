"""Sends requests to the byte as they were made, over connections that are kept."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from .grammar import Request

_SECONDS = 60
_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection to a server, made anew whenever the server has closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> Answer:
        """Return the answer to a request. Raises OSError, TimeoutError and ValueError for none."""
        head = [f"{request.method} {request.target} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        head += [f"{name}: {_on_one_line(value)}" for name, value in request.headers]
        if request.body is not None:
            head.append(f"Content-Length: {len(request.body)}")
        sent = "\r\n".join([*head, "", ""]).encode("latin-1", "replace") + (request.body or b"")
        reused = self._streams is not None
        try:
            async with asyncio.timeout(_SECONDS):
                try:
                    return await self._exchange(sent, request.method)
                except (ConnectionError, asyncio.IncompleteReadError):
                    # A server may close a connection that was idle, just when it is used again.
                    if not reused:
                        raise
                    await self.close()
                    return await self._exchange(sent, request.method)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, sent: bytes, method: str) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=_LIMIT)
        reader, writer = self._streams
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        status = int(first.split(" ", 2)[1])
        body = b""
        if method != "HEAD" and status not in (204, 304):
            body = await _body(reader, headers)
        if headers.get("connection") == "close":
            await self.close()
        return Answer(status, headers, body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _on_one_line(value: str) -> str:
    """Return a header's value without what would end the line: malformed HTTP is not our matter."""
    return "".join(character for character in value if character >= " " and character != "\x7f")

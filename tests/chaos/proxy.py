"""A line between two parties that can be cut, held, or made to say something else."""

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum

_CHUNK = 65_536
_DRIP_S = 0.2


class Mode(StrEnum):
    """What the line does with a connection, or with the call that is on it."""

    PASS = "passes everything on"
    RESET = "resets the connection when a call has come"
    BLACK_HOLE = "takes calls and never answers"
    DRIP = "answers a byte at a time"
    SAY = "answers by itself"
    CUT_ANSWER = "passes the call on, and cuts the line when the answer comes"
    CUT_COMMIT = "passes a COMMIT on, and cuts the line when its acknowledgement comes"


@dataclass
class Line:
    """A TCP proxy on the loopback address. Its mode may be changed at any time.

    reply is what SAY answers; heard notes when a call came in that the line did not pass on, and
    the id of its event. With tls, the line speaks TLS to its callers and plain text to its target.
    """

    target: int
    tls: ssl.SSLContext | None = None
    mode: Mode = Mode.PASS
    reply: bytes = b""
    heard: list[tuple[float, str]] = field(default_factory=list)
    cuts: int = 0
    refusals: int = 0
    cuts_left: int = 0

    def __post_init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._server.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no connections any more, and end those that there are."""
        self._closed = True
        self._server.close()
        self.cut_all()

    def cut_all(self) -> None:
        """Reset every connection."""
        for one in list(self._open):
            _reset(one)

    def become(self, mode: Mode, reply: bytes = b"") -> None:
        """Do something else from now on, also on connections that are open."""
        self.reply = reply
        self.mode = mode

    def cut_next_commits(self, count: int) -> None:
        """Let so many COMMITs reach the database, and their acknowledgements get lost."""
        self.cuts_left = count
        self.mode = Mode.CUT_COMMIT

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server: socket.socket | None = None
        if self.tls is not None:
            try:
                client = self.tls.wrap_socket(client, server_side=True)
            except OSError:  # the caller does not like the certificate
                self.refusals += 1
                client.close()
                return
        self._open.add(client)
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(server)
            state = _Connection()
            back = threading.Thread(target=self._back, args=(server, client, state), daemon=True)
            back.start()
            self._forth(client, server, state)
        except OSError:
            pass
        finally:
            _end(client, self._open)
            if server is not None:
                _end(server, self._open)

    def _forth(self, client: socket.socket, server: socket.socket, state: "_Connection") -> None:
        while data := client.recv(_CHUNK):
            match self.mode:
                case Mode.RESET:
                    self._hear(data)
                    _reset(client)
                    return
                case Mode.BLACK_HOLE:
                    self._hear(data)
                    while self.mode is Mode.BLACK_HOLE and not self._closed:
                        time.sleep(0.1)
                    return
                case Mode.SAY | Mode.DRIP:
                    self._hear(data)
                    _read_rest(client, data)
                    step = 1 if self.mode is Mode.DRIP else len(self.reply)
                    for place in range(0, len(self.reply), step):
                        client.sendall(self.reply[place : place + step])
                        if self.mode is Mode.DRIP:
                            time.sleep(_DRIP_S)
                    return
                case Mode.CUT_ANSWER:
                    self._hear(data)
                    state.cut_when_answered = True
                case Mode.CUT_COMMIT:
                    # The simple query protocol: Q, the length, the text, a zero.
                    if data.startswith(b"Q") and data[5:].upper().startswith(b"COMMIT"):
                        state.cut_when_answered = True
                case _:
                    pass
            server.sendall(data)

    def _hear(self, data: bytes) -> None:
        for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"webhook-id":
                self.heard.append((time.time(), value.strip().decode()))

    def _back(self, server: socket.socket, client: socket.socket, state: "_Connection") -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK):
                if state.cut_when_answered and (self.mode is Mode.CUT_ANSWER or self.cuts_left > 0):
                    self.cuts += 1
                    self.cuts_left -= 1
                    break
                state.cut_when_answered = False
                client.sendall(data)
        _reset(client)
        with contextlib.suppress(OSError):
            server.close()


@dataclass
class _Connection:
    cut_when_answered: bool = False


def answer(status: str, headers: dict[str, str] | None = None, body: bytes = b"{}") -> bytes:
    """Return the bytes of an HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    stated = {"Content-Type": "application/json"} | (headers or {})
    lines += [f"{name}: {value}" for name, value in stated.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def gzip_bomb(megabytes: int = 200) -> bytes:
    """Return an answer that is small on the wire and large when it is unpacked."""
    packed = gzip.compress(bytes(1_048_576) * megabytes, compresslevel=9)
    return answer("200 OK", {"Content-Encoding": "gzip"}, packed)


def _read_rest(client: socket.socket, data: bytes) -> None:
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        more = client.recv(_CHUNK)
        if not more:
            return
        body += more


def _reset(one: socket.socket) -> None:
    """Close at once, so that the other side is told that the connection was reset."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RD)
        one.close()


def _end(one: socket.socket, among: set[socket.socket]) -> None:
    among.discard(one)
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()

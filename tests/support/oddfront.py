"""A front before a registry that changes its answers on the way.

A fake, because a real registry cannot be made to answer so: quotas, immutable tags, limits and
pages belong to registries and proxies that are not packaged, and what is no HTTP no registry sends.
All else, requests and the answers that are not changed, is the registry's behind it.
"""

from __future__ import annotations

import http.client
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

Headers = tuple[tuple[str, str], ...]
_HOP = frozenset({"transfer-encoding", "connection", "content-length", "host"})
_GULP_BYTES = 64 << 10


@dataclass(frozen=True)
class Asked:
    """A request: method and path, and the how manieth of its method it is (from 1)."""

    method: str
    path: str
    number: int

    @property
    def is_manifest(self) -> bool:
        """Whether it is about a manifest."""
        return "/manifests/" in self.path


@dataclass(frozen=True)
class Reply:
    """An answer.

    Args:
        status: Its status.
        headers: Its headers, without those of the line.
        body: Its body.
        raw: What is sent instead of all that, as it is; the line is closed then,
            unless it `stays`.
        drip_s: How long it waits after each byte of `raw`.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    raw: bytes = b""
    stays: bool = False
    drip_s: float = 0.0

    def with_header(self, name: str, value: str | None) -> Reply:
        """Return the same with another value of a header, or without it."""
        others = tuple(one for one in self.headers if one[0].lower() != name.lower())
        return replace(self, headers=others if value is None else (*others, (name, value)))


Twist = Callable[[Asked, Reply], Reply]


@dataclass
class Front:
    """What stands before a registry.

    Args:
        upstream: The registry's `host:port`.
        twist: Changes its answers.
        early: Answers instead of it; None to let it answer.
    """

    upstream: str
    twist: Twist = lambda _asked, reply: reply
    early: Callable[[Asked], Reply | None] = lambda _asked: None
    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def note(self, method: str, path: str) -> Asked:
        """Note a request."""
        with self.lock:
            self.counts[method] += 1
            found = Asked(method, path, self.counts[method])
            self.asked.append(found)
            return found


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients hang up on what is no answer."""


@contextmanager
def odd_front(front: Front, host: str = "127.0.0.1") -> Iterator[Front]:
    """Serve a front on a free port, of loopback or of `host`; its address is in it."""

    class Handler(_Handler):
        serving = front

    with _Server((host, 0), Handler) as server:
        front.address = f"{host}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield front
        finally:
            front.closing.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    serving: ClassVar[Front]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            body = self._body()
            asked = self.serving.note(self.command, self.path)
            reply = self.serving.early(asked) or self._passed_on(body)
            self._send(self.serving.twist(asked, reply))
            return
        self.close_connection = True

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of the protocol

    def _passed_on(self, body: bytes) -> Reply:
        line = http.client.HTTPConnection(self.serving.upstream, timeout=60)
        kept = {name for name in self.headers if name.lower() not in _HOP}
        headers = {name: ", ".join(self.headers.get_all(name, ())) for name in kept}
        try:
            line.request(self.command, self.path, body, {**headers, "Host": self.serving.address})
            answer = line.getresponse()
            data = answer.read()
            told = [one for one in answer.getheaders() if one[0].lower() not in _HOP]
            if self.command == "HEAD":
                told.append(("Content-Length", answer.getheader("Content-Length", "0")))
            return Reply(answer.status, tuple(told), data)
        finally:
            line.close()

    def _send(self, reply: Reply) -> None:
        if reply.raw:
            self._send_raw(reply)
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        told = {name.lower() for name, _ in reply.headers}
        if not told & {"content-length", "transfer-encoding"} and reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _send_raw(self, reply: Reply) -> None:
        self.close_connection = not reply.stays
        if not reply.drip_s:
            self.wfile.write(reply.raw)
            return
        for at in range(len(reply.raw)):
            self.wfile.write(reply.raw[at : at + 1])
            if self.serving.closing.wait(reply.drip_s):
                return

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline(_GULP_BYTES).partition(b";")[0] or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline(_GULP_BYTES)
        self.rfile.readline(_GULP_BYTES)
        return b"".join(pieces)

"""A registry that takes OCI manifests only: a fake in front of a real one.

zot answers so (415), and Debian has no such registry. All but the refusal is the real one's.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP = ("host", "transfer-encoding", "content-length", "connection")
_REFUSAL = b'{"errors":[{"code":"MANIFEST_INVALID","message":"media type not supported"}]}'


@contextmanager
def oci_only(behind: str, status: int = 415) -> Iterator[str]:
    """Serve it on a free loopback port; yields its address.

    Args:
        behind: The address of the real registry.
        status: What it answers to a manifest of Docker's.
    """

    class Handler(_Handler):
        upstream = behind
        refusal = status

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    upstream = ""
    refusal = 415
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def do_GET(self) -> None:
        body = self._body()
        kind = self.headers.get("Content-Type", "")
        if self.command == "PUT" and "/manifests/" in self.path and ".docker." in kind:
            self._answer(self.refusal, _REFUSAL, [("Content-Type", "application/json")])
            return
        line = http.client.HTTPConnection(self.upstream, timeout=60)
        line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for key, value in self.headers.items():  # Accept may come several times
            if key.lower() not in _HOP or key.lower() == "host":
                line.putheader(key, value)
        line.putheader("Content-Length", str(len(body)))
        line.endheaders(body)
        answer = line.getresponse()
        data = answer.read()
        line.close()
        length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else ""
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
        self._answer(answer.status, data, kept, length)

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of the protocol

    def _answer(
        self, status: int, data: bytes, headers: list[tuple[str, str]], length: str = ""
    ) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

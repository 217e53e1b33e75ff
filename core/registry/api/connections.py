"""HTTP connections that another thread can cut, and that tell a slow registry from a silent one."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import termios
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from core.errors import Cancelled
from core.registry.api.limits import BoundedResponse

CANCEL_PATIENCE_S = 2.0
"""So long a registry has to answer what ends an upload in good order; then the line is cut."""
_POLL_S = 0.1


class Lines:
    """The connections of one client, from the moment when they are being opened."""

    def __init__(self) -> None:
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._stops: list[threading.Event] = []

    def go_on(self) -> None:
        """Raise where what goes on is to end.

        Raises:
            Cancelled: so it is.
        """
        with self._lock:
            is_over = any(stop.is_set() for stop in self._stops)
        if is_over:
            raise Cancelled("the run was ended")

    def note(self, line: socket.socket) -> None:
        """Keep an eye on a socket as long as it is used."""
        with self._lock:
            self._sockets.add(line)

    @contextmanager
    def ended_by(self, stop: threading.Event) -> Iterator[None]:
        """Cut all of them when `stop` is set and what goes on inside does not end by itself.

        A thread that waits for a registry that says nothing hears of no cancel; cutting the line
        under it is the only way to wake it up.
        """
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_POLL_S):
                if stop.is_set() and not over.wait(CANCEL_PATIENCE_S):
                    self._cut()

        watcher = threading.Thread(target=watch, name="registry-watch", daemon=True)
        watcher.start()
        with self._lock:
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
            over.set()
            watcher.join()

    def _cut(self) -> None:
        with self._lock:
            lines = list(self._sockets)
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def pools(self) -> dict[str, type[urllib3.HTTPConnectionPool]]:
        """Return pools for urllib3 whose connections are noted here."""

        class Plain(_Watched, HTTPConnection):
            lines = self

        class Secure(_Watched, HTTPSConnection):
            lines = self

        class PlainPool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(urllib3.HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}


class _Watched(HTTPConnection):
    """A connection that is noted, and whose answer may take as long as bytes still move."""

    lines: ClassVar[Lines]
    response_class = BoundedResponse

    def connect(self) -> None:
        super().connect()
        self.lines.note(self.sock)  # with TLS another object than `_new_conn` made

    def _new_conn(self) -> socket.socket:
        """Open the socket, noted before it waits for the other side."""
        failure: OSError | None = None
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NewConnectionError(self, f"{self.host}: {error.strerror}") from error
        except UnicodeError as error:
            raise NewConnectionError(self, f"{self.host}: no name of a machine") from error
        for family, kind, protocol, _, address in found:
            line = socket.socket(family, kind, protocol)
            self.lines.note(line)
            try:
                for option in self.socket_options or ():
                    line.setsockopt(*option)
                line.settimeout(self.timeout)
                line.connect(address)
            except OSError as error:
                line.close()
                failure = error
            else:
                return line
        raise NewConnectionError(self, str(failure)) from failure

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        """Wait for the answer; what was sent may lie in buffers for longer than the time-out."""
        if self.sock is not None and self.timeout:
            self._wait_while_bytes_move(self.sock, self.timeout)
        return super().getresponse()

    def _wait_while_bytes_move(self, line: socket.socket, limit_s: float) -> None:
        waiting = select.poll()
        waiting.register(line, select.POLLIN)
        unsent, since = _unsent_bytes(line), time.monotonic()
        while not waiting.poll(_POLL_S * 1000):
            left = _unsent_bytes(line)
            if left != unsent:
                unsent, since = left, time.monotonic()
            elif time.monotonic() - since > limit_s:
                raise TimeoutError("timed out")


def _unsent_bytes(line: socket.socket) -> int:
    """Return what the kernel has and the other side has not taken (tcp(7), SIOCOUTQ)."""
    answer = fcntl.ioctl(line, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])

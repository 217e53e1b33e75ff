"""What the Docker SDK, and the parts below it, raise when things go wrong, in our words."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import docker
import docker.errors
import pytest

from core.errors import AirferryError, DockerFailed, DockerGone, HostDiskFull, HostLineLost
from core.hosts.docker.engine import translated_sdk

EVENT = json.dumps({"status": "Downloading", "id": "abc"}) + "\n"
VERSION = json.dumps({"ApiVersion": "1.41"}).encode()
FULL = "write /var/lib/docker/overlay2/x: no space left on device"


def _chunk(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


@contextmanager
def engine_that_says(*chunks: bytes, status: int = 200) -> Iterator[docker.APIClient]:
    """A server whose stream breaks off after some chunks, and the SDK's client of it.

    A real engine cannot be made to break off at a chosen byte.
    """

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(VERSION)))
            self.end_headers()
            self.wfile.write(VERSION)

        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in chunks:
                self.wfile.write(chunk)
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with closing(docker.APIClient(f"tcp://127.0.0.1:{server.server_port}")) as client:
            yield client
        server.shutdown()
        thread.join()


def failure_of(client: docker.APIClient) -> AirferryError:
    with pytest.raises(AirferryError) as raised, translated_sdk("worker"):
        list(client.pull("a/b", tag="1", stream=True, decode=True))
    return raised.value


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([], id="at once"),
        pytest.param([_chunk(EVENT)], id="between two chunks"),
        pytest.param([_chunk(EVENT), b"40\r\n{"], id="within a chunk"),
        pytest.param([_chunk(EVENT), b"4"], id="within a chunk's length"),
        pytest.param([_chunk(EVENT[:10]), b"0\r\n\r\n"], id="within an event"),
    ],
)
def test_a_stream_that_breaks_off_is_a_lost_line(chunks: list[bytes]) -> None:
    with engine_that_says(*chunks) as client:
        error = failure_of(client)
    assert (HostLineLost, True) == (type(error), error.transient)


def test_an_engine_that_does_not_answer() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(DockerGone, match="worker: Docker does not answer"),
        translated_sdk("worker"),
    ):
        docker.APIClient(f"tcp://127.0.0.1:{port}", version="auto")


@pytest.mark.parametrize(("said", "kind"), [(FULL, HostDiskFull), ("no such thing", DockerFailed)])
def test_what_an_engine_answers(said: str, kind: type[AirferryError]) -> None:
    body = _chunk(json.dumps({"message": said})) + b"0\r\n\r\n"
    with engine_that_says(body, status=http.client.INTERNAL_SERVER_ERROR) as client:
        error = failure_of(client)
    assert (kind, False) == (type(error), error.transient)
    assert f"worker: Docker says: {said}" == error.what

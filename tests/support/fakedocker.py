"""Docker's HTTP API as far as Airferry asks it, over the two ends of a pipe.

A fake, because hundreds of engines fit on no machine. Pulls take as long as it takes to tell their
progress; nothing is fetched. What is pulled and tagged is there from then on. What a registry has
under a name is asked of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

VERSION = "20.10.24"
API_VERSION = "1.41"
LAYERS = 3
LAYER_BYTES = 5_000_000
STEPS = 10
STEP_S = 0.1


class Reader(Protocol):
    """Where requests come from."""

    async def readline(self) -> bytes:
        """Return the next line."""
        ...

    async def readexactly(self, n: int) -> bytes:
        """Return so many bytes."""
        ...


class Writer(Protocol):
    """Where answers go."""

    def write(self, data: bytes) -> None:
        """Send."""
        ...

    async def drain(self) -> None:
        """Wait until it has been taken."""
        ...


@dataclass(frozen=True)
class Request:
    """One HTTP request, its body thrown away."""

    method: str
    path: str
    query: dict[str, str]
    last: bool


class FakeDocker:
    """The engine of one host.

    Args:
        pullable: The IDs of the images that can be pulled, by name.
        insecure: A registry that it takes without TLS.
    """

    def __init__(self, pullable: dict[str, str], insecure: str) -> None:
        self._pullable = pullable
        self._insecure = insecure
        self._images: dict[str, str] = {}

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """Answer requests until there are no more, or one says that it is the last."""
        while (request := await _read(reader)) is not None:
            if request.path.endswith("/images/create"):
                await self._pull(request, writer)
            else:
                status, answer = self._answer(request)
                body = json.dumps(answer).encode()
                head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            if request.last:
                return

    def _answer(self, request: Request) -> tuple[str, object]:
        path = request.path
        if path.endswith("/version"):
            return "200 OK", {"Version": VERSION, "ApiVersion": API_VERSION}
        if path.endswith("/info"):
            return "200 OK", self._info()
        if path.endswith("/images/json"):
            return "200 OK", self._listing()
        if "/distribution/" in path:
            name = unquote(path.partition("/distribution/")[2].removesuffix("/json"))
            return "200 OK", {"Descriptor": {"digest": _digest(name)}}
        if request.method == "POST" and path.endswith("/tag"):
            name = unquote(path.partition("/images/")[2].removesuffix("/tag"))
            self._images[f"{request.query['repo']}:{request.query['tag']}"] = self._images[name]
            return "201 Created", {}
        return "404 Not Found", {"message": f"a fake engine has no {path}"}

    def _info(self) -> dict[str, object]:
        return {
            "ServerVersion": VERSION,
            "Driver": "overlay2",
            "DriverStatus": [["Backing Filesystem", "extfs"]],
            "RegistryConfig": {
                "InsecureRegistryCIDRs": ["127.0.0.0/8"],
                "IndexConfigs": {self._insecure: {"Secure": False}},
            },
        }

    def _listing(self) -> list[dict[str, object]]:
        names: dict[str, list[str]] = {}
        for name, image_id in self._images.items():
            names.setdefault(image_id, []).append(name)
        return [{"Id": image_id, "RepoTags": tags} for image_id, tags in names.items()]

    async def _pull(self, request: Request, writer: Writer) -> None:
        name = f"{request.query['fromImage']}:{request.query['tag']}"
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        image_id = self._pullable.get(name)
        if image_id is None:
            _chunk(writer, {"error": f"no such image: {name}"})
        else:
            await self._progress(name, writer)
            self._images[name] = image_id
        writer.write(b"0\r\n\r\n")

    async def _progress(self, name: str, writer: Writer) -> None:
        layers = [hashlib.sha256(f"{name} {n}".encode()).hexdigest()[:12] for n in range(LAYERS)]
        for step in range(1, STEPS + 1):
            current = LAYER_BYTES * step // STEPS
            detail = {"current": current, "total": LAYER_BYTES}
            for layer in layers:
                event = {"status": "Downloading", "id": layer, "progressDetail": detail}
                _chunk(writer, event)
            await writer.drain()
            await asyncio.sleep(STEP_S)
        for layer in layers:
            _chunk(writer, {"status": "Pull complete", "id": layer})


@lru_cache
def _digest(name: str) -> str:
    """Return what a registry has under a name; asked once for all engines."""
    registry, _, rest = name.partition("/")
    repository, _, tag = rest.rpartition(":")
    request = urllib.request.Request(
        f"http://{registry}/v2/{repository}/manifests/{tag}",
        method="HEAD",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return str(answer.headers["Docker-Content-Digest"])


def _chunk(writer: Writer, event: Mapping[str, object]) -> None:
    data = json.dumps(event).encode() + b"\r\n"
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _read(reader: Reader) -> Request | None:
    first = (await reader.readline()).decode("latin-1").split()
    if len(first) < 2:
        return None
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    await reader.readexactly(int(headers.get("content-length", "0")))
    target = urlsplit(first[1])
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    last = headers.get("connection", "").lower() == "close"
    return Request(first[0], target.path, query, last)

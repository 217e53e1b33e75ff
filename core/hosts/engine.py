"""The Docker engine of a host, through the SDK, over `docker system dial-stdio` on the SSH line.

dial-stdio works for root and for sudo alike and needs no socket forwarding in sshd's config. The
SDK is synchronous: its calls run in threads, and it talks to a local socket that leads into SSH.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import docker
import docker.errors
import requests.exceptions

from core.errors import DockerFailed, HostError, HostLineLost, PullFailed
from core.hosts.connection import HostLink

API_TIMEOUT_S = 120
PULLS_AT_ONCE = 4
SESSIONS = 8  # sshd's MaxSessions is 10; a command or two may run beside
_COPY_BYTES = 64 << 10
T = TypeVar("T")


@dataclass(frozen=True)
class EngineImage:
    """An image in a host's cache."""

    image_id: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class EngineFacts:
    """What an engine says of itself."""

    version: str
    store: str
    insecure_loopback: bool
    insecure_registries: tuple[str, ...]

    @property
    def ids_are_config_digests(self) -> bool:
        """False for the containerd store, whose IDs are digests of manifests or indexes."""
        return self.store == "classic"


class HostEngine:
    """The engine of one host; made by `host_engine`."""

    def __init__(self, host_name: str, client: docker.APIClient, pool: ThreadPoolExecutor) -> None:
        self._host_name = host_name
        self._client = client
        self._pool = pool

    async def _call(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with _translated(self._host_name):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._pool, guarded)

    async def facts(self) -> EngineFacts:
        """Ask for version, image store and insecure registries."""
        info = await self._call(self._client.info)
        return engine_facts(info)

    async def images(self) -> list[EngineImage]:
        """Return the images in the cache with their names."""
        found = await self._call(self._client.images)
        return [EngineImage(i["Id"], tuple(i.get("RepoTags") or ())) for i in found]

    async def diff_ids(self, name: str) -> tuple[str, ...]:
        """Return the diff IDs of an image's layers, the same in both of Docker's stores."""
        inspect: Callable[[str], dict[str, Any]] = self._client.inspect_image
        found = await self._call(lambda: inspect(name))
        return tuple((found.get("RootFS") or {}).get("Layers") or ())

    async def tag(self, image: str, name: str) -> None:
        """Give an image one more name."""
        repository, _, tag = name.rpartition(":")
        await self._call(lambda: self._client.tag(image, repository, tag, force=True))

    async def pull(self, name: str, told: Callable[[str, int | None], None]) -> None:
        """Pull an image.

        Args:
            name: `registry/path:tag`.
            told: Called from a thread with a layer's short digest and the bytes received of it so
                far, None when it is complete; never for a layer that was there.

        Raises:
            PullFailed: the stream ended with an error.
        """
        repository, _, tag = name.rpartition(":")

        def work() -> None:
            stream = self._client.pull(repository, tag=tag, stream=True, decode=True)
            for event in stream:
                _take_event(self._host_name, name, event, told)

        await self._call(work)


def engine_facts(info: dict[str, Any]) -> EngineFacts:
    """Read the answer of `docker info`."""
    driver = dict(tuple(pair) for pair in info.get("DriverStatus") or [] if len(pair) == 2)
    containerd = "io.containerd.snapshotter" in driver.get("driver-type", "")
    registries = info.get("RegistryConfig") or {}
    cidrs = registries.get("InsecureRegistryCIDRs") or []
    named = [
        name
        for name, entry in (registries.get("IndexConfigs") or {}).items()
        if not entry.get("Secure", True)
    ]
    return EngineFacts(
        version=str(info.get("ServerVersion", "")),
        store="containerd" if containerd else "classic",
        insecure_loopback="127.0.0.0/8" in cidrs,
        insecure_registries=tuple(named),
    )


def _take_event(
    host_name: str, name: str, event: dict[str, Any], told: Callable[[str, int | None], None]
) -> None:
    failure = event.get("error")
    if failure:
        raise PullFailed(f"{host_name}: pulling {name}: {failure}")
    layer = event.get("id")
    match event:
        case {"status": "Downloading", "progressDetail": {"current": int(current)}}:
            told(str(layer), current)
        case {"status": "Download complete"}:
            told(str(layer), None)


def short_digest(digest: str) -> str:
    """Return the twelve characters by which the engine's progress speaks of a blob."""
    return digest.removeprefix("sha256:")[:12]


@asynccontextmanager
async def host_engine(link: HostLink) -> AsyncIterator[HostEngine]:
    """Open the way to a host's engine.

    Raises:
        DockerFailed: the engine does not answer.
        HostError: the line is down.
    """
    await link.connection()
    directory = Path(tempfile.mkdtemp(prefix="airferry-"))
    pool = ThreadPoolExecutor(PULLS_AT_ONCE + 1, f"docker-{link.host.name}")
    try:
        path = directory / "s"
        async with _SocketBridge(link).listen(path):
            base_url = f"unix://{path}"
            client = await asyncio.get_running_loop().run_in_executor(
                pool, _open_client, link.host.name, base_url
            )
            try:
                yield HostEngine(link.host.name, client, pool)
            finally:
                client.close()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(directory, ignore_errors=True)


def _open_client(host_name: str, base_url: str) -> docker.APIClient:
    with _translated(host_name):
        client = docker.APIClient(base_url=base_url, version="auto", timeout=API_TIMEOUT_S)
    # The SDK keeps a connection open for every URL it has asked, and each is an SSH session here,
    # of which sshd allows ten (MaxSessions).
    client.headers["Connection"] = "close"
    return client


class _SocketBridge:
    """Leads every connection to a local socket into a dial-stdio process on the host."""

    def __init__(self, link: HostLink) -> None:
        self._link = link
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(SESSIONS)

    @asynccontextmanager
    async def listen(self, path: Path) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._accept, path=str(path))
        path.chmod(0o600)
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        try:
            async with self._gate:
                connection = await self._link.connection()
                command = self._link.as_root("docker system dial-stdio")
                async with connection.create_process(command, encoding=None) as process:
                    await _pump_both(reader, writer, process)
        except (asyncssh.Error, OSError, HostError, asyncio.CancelledError):
            pass  # the SDK sees its connection close and says so with its own error
        finally:
            writer.close()
            self._tasks.discard(task)


async def _pump_both(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    process: asyncssh.SSHClientProcess[bytes],
) -> None:
    async def outward() -> None:
        while data := await reader.read(_COPY_BYTES):
            process.stdin.write(data)
            await process.stdin.drain()
        process.stdin.write_eof()

    async def inward() -> None:
        while data := await process.stdout.read(_COPY_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()

    out = asyncio.create_task(outward())
    try:
        await inward()
    finally:
        out.cancel()
        await asyncio.gather(out, return_exceptions=True)


@contextmanager
def _translated(host_name: str) -> Iterator[None]:
    """Turn the SDK's errors into ours."""
    try:
        yield
    except docker.errors.APIError as error:
        raise DockerFailed(f"{host_name}: Docker says: {error.explanation or error}") from error
    except docker.errors.DockerException as error:
        raise DockerFailed(f"{host_name}: Docker does not answer: {error}") from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise HostLineLost(f"{host_name}: the line to Docker was lost: {error}") from error

"""The Docker engine of a host, through the SDK, over `docker system dial-stdio` on the SSH line.

dial-stdio works for root and for sudo alike and needs no socket forwarding in sshd's config. The
SDK is synchronous: its calls run in threads, and it talks to a local socket that leads into SSH.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnectionPool
from requests.adapters import BaseAdapter

from core.errors import (
    DockerFailed,
    DockerGone,
    HostDiskFull,
    HostError,
    HostLineLost,
    PullDenied,
    PullFailed,
)
from core.hosts.daemon import docker_command
from core.hosts.ssh.connection import NO_SPACE, HostConnection
from core.secrets import RegistryLogin

API_TIMEOUT_S = 120
# Docker fetches three layers at a time, whatever is asked of it (max-concurrent-downloads); a pull
# more than that keeps it busy while others unpack.
PULLS_AT_ONCE = 6
SESSIONS = 8  # sshd's MaxSessions is 10; a command or two may run beside
LAST_WORDS_TIMEOUT_S = 2.0
_COPY_BYTES = 64 << 10
_DENIED = re.compile(
    r"unauthorized|no basic auth credentials|denied: requested access|authentication required"
)
_SHORT_PLACE = Path("/tmp")  # noqa: S108 - the directory in it is made for us alone
_LONGEST_PLACE = 79
"""A Unix socket's path has 107 bytes at most; what is made below takes up to 28."""
_SOCKETS = re.compile(r"airferry-(\d+)-\w{8}")
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

    def __init__(self, host_name: str, client: docker.APIClient, threads: _Threads) -> None:
        self._host_name = host_name
        self._client = client
        self._call = threads.call

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

    async def can_run(self, name: str) -> bool:
        """Whether an image says what is to be run of it."""
        inspect: Callable[[str], dict[str, Any]] = self._client.inspect_image
        found = (await self._call(lambda: inspect(name))).get("Config") or {}
        return bool(found.get("Entrypoint") or found.get("Cmd"))

    async def try_run(self, name: str) -> None:
        """Start a container of an image, without a network, and remove it again.

        Raises:
            DockerFailed: it does not start.
        """
        client = self._client

        def work() -> None:
            options = client.create_host_config(network_mode="none")
            container = client.create_container(name, host_config=options)
            try:
                client.start(container)
            finally:
                client.remove_container(container, force=True, v=True)

        await self._call(work)

    async def remove(self, name: str) -> None:
        """Take a name away, and with its last name the image; nothing if it is not there."""

        def work() -> None:
            with suppress(docker.errors.NotFound):
                self._client.remove_image(name)

        await self._call(work)

    async def registry_digest(self, name: str, login: RegistryLogin | None = None) -> str:
        """Return what a registry has under a name, asked by the engine as for a pull.

        Args:
            name: `registry/path:tag`.
            login: What Docker is to log in to the registry with; it keeps it nowhere.

        Raises:
            DockerFailed: the engine does not get an answer.
        """
        auth = _auth_config(login) if login else {}  # as for a pull: never None
        inspect: Callable[..., dict[str, Any]] = self._client.inspect_distribution
        found = await self._call(lambda: inspect(name, auth_config=auth))
        return str(found["Descriptor"]["digest"])

    async def pull(
        self,
        name: str,
        told: Callable[[str, int | None], None],
        login: RegistryLogin | None = None,
    ) -> None:
        """Pull an image.

        Args:
            name: `registry/path:tag`.
            told: Called from a thread with a layer's short digest and the bytes received of it so
                far, None when it is complete; never for a layer that was there.
            login: What Docker is to log in to the registry with; it keeps it nowhere.

        Raises:
            PullDenied: the registry refuses the login, or the login may not pull this.
            PullFailed: the stream ended with an error.
        """
        repository, _, tag = name.rpartition(":")
        # Never None: the SDK would look for a login of this machine's user, and send it.
        auth = _auth_config(login) if login else {}

        def work() -> None:
            stream = self._client.pull(
                repository, tag=tag, stream=True, decode=True, auth_config=auth
            )
            for event in stream:
                _take_event(self._host_name, name, event, told)

        await self._call(work)


def _auth_config(login: RegistryLogin) -> dict[str, str]:
    if login.identity_token:
        return {"identitytoken": login.identity_token}
    return {"username": login.user, "password": login.password}


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
        raise _said_by_docker(f"{host_name}: pulling {name}: {failure}", PullFailed)
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
async def host_engine(link: HostConnection) -> AsyncIterator[HostEngine]:
    """Open the way to a host's engine.

    Raises:
        DockerFailed: the engine does not answer.
        HostError: the line is down.
    """
    await link.connection()
    name = link.host.name
    directory = _socket_directory()
    pool = ThreadPoolExecutor(PULLS_AT_ONCE + 1, f"docker-{name}")
    try:
        path = directory / "s"
        bridge = _SocketBridge(link, await docker_command(link, "system", "dial-stdio"))
        async with bridge.listen(path):
            threads = _Threads(name, pool, bridge)
            client = await threads.call(lambda: open_client(f"unix://{path}"))
            try:
                yield HostEngine(name, client, threads)
            finally:
                client.close()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(directory, ignore_errors=True)


def _socket_directory() -> Path:
    """Make a directory for a socket: a short path, which neither stateDir's nor TMPDIR need be."""
    place = Path(tempfile.gettempdir())
    if len(os.fsencode(place)) > _LONGEST_PLACE:
        place = _SHORT_PLACE
    _clear_left_over(place)
    return Path(tempfile.mkdtemp(prefix=f"airferry-{os.getpid()}-", dir=place))


@functools.cache
def _clear_left_over(directory: Path) -> None:
    """Remove what engines that were killed have left there; once for each process."""
    for path in directory.glob("airferry-*"):
        match = _SOCKETS.fullmatch(path.name)
        with suppress(OSError):
            ours = path.lstat().st_uid == os.geteuid() and not path.is_symlink()
            if match and ours and not Path("/proc", match[1]).exists():
                shutil.rmtree(path, ignore_errors=True)


def open_client(base_url: str) -> docker.APIClient:
    """Open the SDK's client of an engine, whose versions agree.

    Raises:
        DockerException: the engine does not answer.
    """
    return _Client(base_url=base_url, version="auto", timeout=API_TIMEOUT_S)


class _Client(docker.APIClient):
    """The SDK's client, with one pool of connections to its socket."""

    def mount(self, prefix: str | bytes, adapter: BaseAdapter) -> None:
        if isinstance(adapter, UnixHTTPAdapter):
            adapter = _OnePool(adapter.socket_path, adapter.timeout)
        super().mount(prefix, adapter)


class _OnePool(UnixHTTPAdapter):
    """The SDK's way to a socket, with the same connections for all URLs.

    The SDK's own keeps a connection open for every URL that it has asked. Each is an SSH session
    here, of which sshd allows ten (MaxSessions), and a process that the host starts.
    """

    def get_connection(
        self,
        url: str | bytes,  # noqa: ARG002 - the SDK's signature
        proxies: Mapping[str, str] | None = None,
    ) -> UnixHTTPConnectionPool:
        return super().get_connection("http+docker://localhost", proxies)


class _Threads:
    """Runs the SDK's calls, and tells what became of those that failed."""

    def __init__(self, host_name: str, pool: ThreadPoolExecutor, bridge: _SocketBridge) -> None:
        self._host_name = host_name
        self._pool = pool
        self._bridge = bridge

    async def call(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with translated_sdk(self._host_name):
                return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, guarded)
        except (DockerGone, HostLineLost) as error:
            # The SDK only saw its connection close; the bridge knows why.
            raise (self._bridge.failure or error) from error


class _SocketBridge:
    """Leads every connection to a local socket into a dial-stdio process on the host."""

    def __init__(self, link: HostConnection, command: str) -> None:
        self.failure: HostError | None = None
        self._link = link
        self._command = command
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
            async with (
                self._gate,
                self._link.root_process(self._command) as process,
            ):
                await _pump_both(reader, writer, process)
                self.failure = await self._last_words(process) or self.failure
        except HostError as error:
            self.failure = error
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _last_words(self, process: asyncssh.SSHClientProcess[bytes]) -> HostError | None:
        """Return what a dial-stdio process that ended complained about, if it did."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_TIMEOUT_S):
                said = (await process.stderr.read()).decode("utf-8", "replace").strip()
                if said:
                    return self._link.sudo_refusal(said) or DockerGone(
                        f"{self._link.host.name}: Docker does not answer: {said.splitlines()[-1]}"
                    )
        return None


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
            try:
                await writer.drain()
            except ConnectionError:
                return  # the SDK has heard enough

    out = asyncio.create_task(outward())
    try:
        await inward()
    finally:
        out.cancel()
        await asyncio.gather(out, return_exceptions=True)


@contextmanager
def translated_sdk(host_name: str) -> Iterator[None]:
    """Turn the SDK's errors into ours.

    The SDK reads streams past `requests`: when a line is lost in the middle of one, urllib3's own
    errors come through, or a piece of JSON that does not end.
    """
    try:
        yield
    except docker.errors.APIError as error:
        said = str(error.explanation or error)
        raise _said_by_docker(f"{host_name}: Docker says: {said}", DockerFailed) from error
    except (docker.errors.DockerException, requests.exceptions.ConnectionError) as error:
        raise DockerGone(f"{host_name}: Docker does not answer", details=str(error)) from error
    except (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        docker.errors.StreamParseError,
        OSError,
    ) as error:
        raise HostLineLost(f"{host_name}: the line to Docker broke", details=str(error)) from error


def _said_by_docker(what: str, kind: type[DockerFailed]) -> HostError:
    """Return the error that Docker's words mean."""
    if NO_SPACE in what.lower():
        return HostDiskFull(what)
    return PullDenied(what) if _DENIED.search(what) else kind(what)

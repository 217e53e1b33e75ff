"""The Docker engine of a host, through the SDK, over `docker system dial-stdio` on the SSH line.

dial-stdio works for root and for sudo alike and needs no socket forwarding in sshd's config. The
SDK is synchronous: its calls run in threads, and it talks to a local socket that leads into SSH.
"""

from __future__ import annotations

import asyncio
import functools
import os
import queue
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncssh
import docker
import docker.errors
import requests
import requests.exceptions
import urllib3.exceptions
from docker.constants import DEFAULT_MAX_POOL_SIZE
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnectionPool
from requests.adapters import BaseAdapter

from core.errors import (
    DockerFailed,
    DockerGone,
    DockerLineLost,
    HostDiskFull,
    HostError,
    HostLineLost,
    HostOddAnswer,
)
from core.hosts.daemon import docker_command
from core.hosts.docker.bounds import TOO_LONG, AnswerTooLongError, LineMeter, read_whole
from core.hosts.docker.pull_stream import PullTold, asking_a_registry, take_event
from core.hosts.ssh.connection import NO_SPACE, HostConnection
from core.hosts.ssh.sessions import Places
from core.secrets import RegistryLogin

if TYPE_CHECKING:
    from urllib3._base_connection import BaseHTTPConnection

API_TIMEOUT_S = 120
# Docker fetches three layers at a time, whatever is asked of it (max-concurrent-downloads); a pull
# more than that keeps it busy while others unpack.
PULLS_AT_ONCE = 6
LAST_WORDS_TIMEOUT_S = 2.0
_COPY_BYTES = 64 << 10
_DETAILS = 2000
_OTHER_SHAPES = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What comes of an answer that is JSON, but of another shape than Docker's, or too deep."""
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
        return await self._call(lambda: engine_facts(self._client.info()))

    async def images(self) -> list[EngineImage]:
        """Return the images in the cache with their names."""

        def work() -> list[EngineImage]:
            found = self._client.images()
            return [EngineImage(str(i["Id"]), tuple(i.get("RepoTags") or ())) for i in found]

        return await self._call(work)

    async def diff_ids(self, name: str) -> tuple[str, ...]:
        """Return the diff IDs of an image's layers, the same in both of Docker's stores."""
        inspect: Callable[[str], dict[str, Any]] = self._client.inspect_image
        return await self._call(
            lambda: tuple((inspect(name).get("RootFS") or {}).get("Layers") or ())
        )

    async def tag(self, image: str, name: str) -> None:
        """Give an image one more name."""
        repository, _, tag = name.rpartition(":")
        await self._call(lambda: self._client.tag(image, repository, tag, force=True))

    async def can_run(self, name: str) -> bool:
        """Whether an image says what is to be run of it."""
        inspect: Callable[[str], dict[str, Any]] = self._client.inspect_image

        def work() -> bool:
            found = inspect(name).get("Config") or {}
            return bool(found.get("Entrypoint") or found.get("Cmd"))

        return await self._call(work)

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
            DockerLineLost, PullFailed: the engine does not get an answer; it may later.
            ImageUnknown, PullDenied: the registry's answer is no.
            HostError: the engine, or the host, cannot be asked.
        """
        auth = _auth_config(login) if login else {}  # as for a pull: never None
        inspect: Callable[..., dict[str, Any]] = self._client.inspect_distribution

        def work() -> str:
            with asking_a_registry(f"{self._host_name}: asking for {name}", name):
                return str(inspect(name, auth_config=auth)["Descriptor"]["digest"])

        return await self._call(work)

    async def pull(
        self,
        name: str,
        told: PullTold,
        login: RegistryLogin | None = None,
    ) -> None:
        """Pull an image.

        Args:
            name: `registry/path:tag`.
            told: How it goes.
            login: What Docker is to log in to the registry with; it keeps it nowhere.

        Raises:
            DockerLineLost, PullFailed: it got nothing, or not all; it may later.
            PullDenied: the registry refuses the login, or the login may not pull this.
            ImageUnknown: the registry does not have it.
            HostDiskFull: there is no room for it.
            HostError: the engine, or the host, does not answer any more.
        """
        repository, _, tag = name.rpartition(":")
        # Never None: the SDK would look for a login of this machine's user, and send it.
        auth = _auth_config(login) if login else {}

        what = f"{self._host_name}: pulling {name}"

        def work() -> None:
            failure: HostError | None = None
            ended = False
            with asking_a_registry(what, name):
                stream = self._client.pull(
                    repository, tag=tag, stream=True, decode=True, auth_config=auth
                )
                for event in stream:  # to its end: else its session on the host would stay
                    try:
                        ended = take_event(what, name, event, told) or ended
                    except HostError as error:
                        failure = failure or error
            if failure:
                raise failure
            if not ended and not self._has(name):
                raise DockerLineLost(f"{what}: Docker broke it off without a word")

        await self._call(work)

    def _has(self, name: str) -> bool:
        """Whether an image is there: some engines do not say so at the end of a pull."""
        inspect: Callable[[str], dict[str, Any]] = self._client.inspect_image
        try:
            inspect(name)
        except docker.errors.NotFound:
            return False
        return True


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
            threads = _Threads(name, pool, bridge, Places(lambda: link.sessions.limit))
            wanted = link.sessions
            client = await threads.call(
                lambda: open_client(f"unix://{path}", lambda: wanted.are_wanted)
            )
            try:
                with link.sessions.sparing(client.close_idle):
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


def open_client(base_url: str, are_wanted: Callable[[], bool] = lambda: False) -> Client:
    """Open the SDK's client of an engine, whose versions agree.

    Args:
        base_url: Its socket.
        are_wanted: Whether somebody waits for a session; then no connection is kept idle.

    Raises:
        DockerException: the engine does not answer.
    """
    return Client(base_url, are_wanted)


class Client(docker.APIClient):
    """The SDK's client, with one pool of connections to its socket."""

    def __init__(self, base_url: str, are_wanted: Callable[[], bool]) -> None:
        self._are_wanted = are_wanted
        super().__init__(base_url=base_url, version="auto", timeout=API_TIMEOUT_S)

    def mount(self, prefix: str | bytes, adapter: BaseAdapter) -> None:
        if isinstance(adapter, UnixHTTPAdapter):
            adapter = _OnePool(adapter.socket_path, adapter.timeout, self._are_wanted)
        super().mount(prefix, adapter)

    def close_idle(self) -> None:
        """Close the connections over which nothing is being asked."""
        for adapter in self.adapters.values():
            if isinstance(adapter, _OnePool):
                adapter.connections.close_idle()


class _OnePool(UnixHTTPAdapter):
    """The SDK's way to a socket, with the same connections for all URLs.

    The SDK's own keeps a connection open for every URL that it has asked. Each is an SSH session
    here, of which sshd allows ten at most (MaxSessions), and a process that the host starts.
    """

    def __init__(self, socket_url: str, timeout: int, are_wanted: Callable[[], bool]) -> None:
        super().__init__(socket_url, timeout)
        self.connections = _Connections(self.socket_path, timeout, are_wanted)

    def get_connection(
        self,
        url: str | bytes,  # noqa: ARG002 - the SDK's signature
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> UnixHTTPConnectionPool:
        return self.connections

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        *options: Any,  # noqa: ANN401 - as its base's
        **named: Any,  # noqa: ANN401
    ) -> requests.Response:
        response = super().send(request, True, *options, **named)
        if not stream:
            read_whole(response)
        return response

    def close(self) -> None:
        super().close()
        self.connections.close()


class _Connections(UnixHTTPConnectionPool):
    """Connections that are kept for the next question, unless somebody waits for a session."""

    def __init__(self, socket_path: str, timeout: int, are_wanted: Callable[[], bool]) -> None:
        super().__init__("http+docker://localhost", socket_path, timeout, DEFAULT_MAX_POOL_SIZE)
        self._are_wanted = are_wanted

    def close_idle(self) -> None:
        """Close those that are not in use; they are opened again when they are needed."""
        idle = self.pool
        while idle is not None:
            try:
                connection = idle.get(block=False)
            except queue.Empty:
                return
            if connection is not None:
                connection.close()

    def _put_conn(self, conn: BaseHTTPConnection | None) -> None:
        super()._put_conn(conn)
        if self._are_wanted():
            self.close_idle()


class _Threads:
    """Runs the SDK's calls, and tells what became of those that failed."""

    def __init__(
        self, host_name: str, pool: ThreadPoolExecutor, bridge: _SocketBridge, turns: Places
    ) -> None:
        self._host_name = host_name
        self._pool = pool
        self._bridge = bridge
        self._turns = turns

    async def call(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with translated_sdk(self._host_name):
                return work()

        try:
            # A call that waited for its session would be taken for one that is not answered.
            async with self._turns.one():
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
            async with self._link.root_process(f"exec {self._command}") as process:
                if not await _pump_both(reader, writer, process):
                    raise HostOddAnswer(f"{self._link.host.name}: Docker says {TOO_LONG}")
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
                    return DockerGone(
                        f"{self._link.host.name}: Docker does not answer: {said.splitlines()[-1]}"
                    )
        return None


async def _pump_both(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    process: asyncssh.SSHClientProcess[bytes],
) -> bool:
    """Lead bytes both ways until one side ends; return whether they may have been Docker's."""

    async def outward() -> None:
        while data := await reader.read(_COPY_BYTES):
            process.stdin.write(data)
            await process.stdin.drain()
        process.stdin.write_eof()

    async def inward() -> bool:
        meter = LineMeter()
        while data := await process.stdout.read(_COPY_BYTES):
            if not meter.take(data):
                return False
            writer.write(data)
            try:
                await writer.drain()
            except ConnectionError:
                break  # the SDK has heard enough
        return True

    out = asyncio.create_task(outward())
    try:
        return await inward()
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
        kind = HostDiskFull if NO_SPACE in said.lower() else DockerFailed
        raise kind(f"{host_name}: Docker says: {said}") from error
    except (docker.errors.DockerException, requests.exceptions.ConnectionError) as error:
        raise DockerGone(f"{host_name}: Docker does not answer", details=str(error)) from error
    except AnswerTooLongError as error:
        raise HostOddAnswer(f"{host_name}: Docker says {error}") from error
    except (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        docker.errors.StreamParseError,
        OSError,
    ) as error:
        raise HostLineLost(f"{host_name}: the line to Docker broke", details=str(error)) from error
    except _OTHER_SHAPES as error:
        what = f"{host_name}: Docker's answer is not what was asked for"
        raise HostOddAnswer(what, details=f"{type(error).__name__}: {error}"[:_DETAILS]) from error

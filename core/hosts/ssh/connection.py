"""One host over SSH: connecting with its key verified, running commands, sending files.

All of asyncssh is behind this module: its errors become ours here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import cast

import asyncssh

from core.config import HostConfig, SshConfig
from core.errors import (
    AirferryError,
    HostCommandFailed,
    HostDiskFull,
    HostForwardingForbidden,
    HostLineLost,
    HostLoginRefused,
    HostSudoRefused,
    HostTimeout,
    HostTunnelExposed,
)
from core.hosts.ssh import shell
from core.hosts.ssh.connect import Line, dial
from core.hosts.ssh.errors import ChannelRefused, losses, opening_session, translated
from core.hosts.ssh.host_keys import Trust
from core.hosts.ssh.listening import LOOPBACK, is_exposed, who_listens
from core.hosts.ssh.login import Credentials, log_in
from core.hosts.ssh.no_shell import no_end, no_shell, no_streams
from core.hosts.ssh.output import Finished, output_of, run_to_end
from core.hosts.ssh.root_shell import become_root
from core.hosts.ssh.route import Route, jump_host, route_to
from core.hosts.ssh.sessions import Sessions
from core.hosts.ssh.stdin_feed import Emit, StdinFeed
from core.hosts.ssh.sudo import Refused, RootWay, no_way, refusal, rules_without_password
from core.secrets import NO_SECRETS, Secrets
from core.threads import in_thread

COMMAND_TIMEOUT_S = 60.0
LAST_WORDS_TIMEOUT_S = 10.0
LOSS_NOTICED_S = 1.0
MAX_DETAILS = 20_000  # characters of a failed command's output that are kept in the log
CROWD_S = 0.5
NO_SPACE = "no space left on device"
_ROOT_WAYS = """
[ "$(id -u)" != 0 ] || echo root
for way in sudo doas su; do
    if command -v "$way" >/dev/null 2>&1; then echo "$way"; fi
done
"""
Accept = Callable[[], Awaitable[asyncssh.SSHTCPSession[bytes]]]
PortStreams = tuple[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]]


def shown(script: str) -> str:
    """Return a script for messages: a short one; a long one may hold what nobody is to read."""
    script = script.strip()
    return "a script" if "\n" in script else repr(script[:80])


class ConnectionPool:
    """Makes connections to hosts, and shares those to the hosts on the way to them.

    Args:
        ssh: Defaults, time-outs, the OpenSSH config.
        trust: The host keys that are believed.
        secrets: What was typed to log in.
        at_once: How many connections may be being made at a time: each takes a processor for
            milliseconds, and a jump host meets all of them.
        jump_keys: Key files that are offered instead of the login's own, by what the config calls
            the jump host.
    """

    def __init__(
        self,
        ssh: SshConfig,
        trust: Trust,
        secrets: Secrets = NO_SECRETS,
        at_once: int = 8,
        jump_keys: Mapping[str, Path] | None = None,
    ) -> None:
        self.ssh = ssh
        self.trust = trust
        self.secrets = secrets
        self.gate = asyncio.Semaphore(at_once)
        self._jump_keys = jump_keys or {}
        self._jumps: dict[tuple[str, ...], HostConnection] = {}

    def link(self, host: HostConfig, only_key: Path | None = None) -> HostConnection:
        """Return a connection to a host, not yet made."""
        return HostConnection(host, self, only_key)

    def jump(self, specs: tuple[str, ...]) -> HostConnection:
        """Return the one connection to the last of a chain of jump hosts."""
        if specs not in self._jumps:
            jump, only_key = jump_host(specs[-1], self.ssh), self._jump_keys.get(specs[-1])
            self._jumps[specs] = HostConnection(jump, self, only_key, through=specs[:-1])
        return self._jumps[specs]

    async def close(self) -> None:
        """Close the connections to jump hosts."""
        for link in self._jumps.values():
            await link.close()


class HostConnection:
    """A connection to one host that is made when it is needed, and made again when it was lost.

    Args:
        host: The host.
        links: Where it belongs to.
        only_key: A private key file that is offered instead of all that the login has.
        through: Jump hosts to go through; None for those that the configs name.

    Attributes:
        was_open: Whether there ever was a connection: the address and the login are right.
    """

    def __init__(
        self,
        host: HostConfig,
        links: ConnectionPool,
        only_key: Path | None = None,
        through: tuple[str, ...] | None = None,
    ) -> None:
        self.host = host
        self._links = links
        self._only_key = only_key
        self._through = through
        self._login = links.secrets.for_host(host.name)
        self._lock = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._failure: tuple[float, AirferryError] | None = None
        self._refused: AirferryError | None = None
        self._root: RootWay | None = None
        self.sessions = Sessions()
        self.was_open = False
        self._line = ""  # the one that the login's shell can read, once that is known
        self.noise = ""
        """What the login prints before every command of ours, as it was last."""

    @cached_property
    def route(self) -> Route:
        """The way to the host.

        Raises:
            SshConfigWrong: the OpenSSH config cannot be followed.
        """
        route = route_to(self.host, self._links.ssh)
        return route if self._through is None else replace(route, jumps=self._through)

    @property
    def where(self) -> str:
        """The host's name and address, for messages."""
        name, place = self.host.name, self.route.where
        return name if name == place else f"{name} ({place})"

    @property
    def passed_over(self) -> str:
        """What stands in its known_hosts files that nobody can read; empty if nothing does."""
        return self._links.trust.known_hosts(self.route).odd

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None and not self._connection.is_closed()

    @property
    def jumps(self) -> list[tuple[str, HostConnection]]:
        """The hosts on the way, the nearest first: what the config calls each, its connection."""
        specs = self.route.jumps
        return [(spec, self._links.jump(specs[: n + 1])) for n, spec in enumerate(specs)]

    @property
    def can_be_repeated(self) -> bool:
        """Whether a process that was told nothing could log in like this: by a plain key file."""
        return self._credentials.can_be_repeated

    @property
    def _credentials(self) -> Credentials:
        return Credentials(self._login, self.route.keys, self._only_key)

    async def server_version(self) -> str:
        """Return what the host's sshd calls itself.

        Raises:
            HostError: as for `connection`.
        """
        return str((await self.connection()).get_extra_info("server_version", ""))

    async def connection(self) -> asyncssh.SSHClientConnection:
        """Return the open connection, connecting first if there is none.

        Who waited while another's attempt failed gets that failure: a dead jump host is asked once
        and not once for each host behind it. A refused password is never sent again.

        Raises:
            HostError: it cannot be made; the leaf says why.
        """
        asked = time.monotonic()
        async with self._lock:
            if self._connection is not None and self.is_open:
                return self._connection
            if isinstance(self._refused, HostLoginRefused):
                raise self._refused
            if self._failure and self._failure[0] >= asked:
                raise self._failure[1]
            try:
                self._connection = await self._connect()
            except AirferryError as error:
                self._failure = time.monotonic(), error
                refused = isinstance(error, HostLoginRefused) and not error.transient
                if refused and self._login.password:
                    self._refused = error
                raise
            self.was_open = True
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        tunnel = await self._last_jump()
        # Before the gate: a host that does not answer holds up nobody.
        line = None if tunnel else await self._dial()
        try:
            async with self._links.gate:
                # A jump host meets all of them, and sshd drops who comes in crowds (MaxStartups).
                if tunnel and self._links.gate.locked():
                    await asyncio.sleep(random.uniform(0, CROWD_S))  # noqa: S311 - jitter
                return await log_in(
                    *(self.route, self.where, self._credentials, self._links.trust),
                    tunnel=tunnel,
                    line=line,
                    timeout_s=self._links.ssh.connect_timeout_s,
                )
        except BaseException:
            if line:
                line.close()
            raise

    async def _dial(self) -> Line:
        route = self.route
        with translated(self.where, route.user):
            return await dial(route.address, route.port, self._links.ssh.connect_timeout_s)

    async def _last_jump(self) -> asyncssh.SSHClientConnection | None:
        jumps = self.route.jumps
        if not jumps:
            return None
        try:
            return await self._links.jump(jumps).connection()
        except AirferryError as error:
            what = f"{self.host.name} is behind {jumps[-1]}: {error.what}"
            raise type(error)(what, remedy=error.remedy) from error

    async def run(
        self,
        script: str,
        *arguments: str,
        timeout_s: float = COMMAND_TIMEOUT_S,
        check: bool = True,
    ) -> Finished:
        """Run a POSIX shell script as the login user, under plain `sh` with a clean environment.

        Args:
            script: Shell text; the shell reads it from its standard input, and it reads nothing.
            arguments: What the script sees as `$1` and so on.
            timeout_s: Seconds it may take.
            check: Raise if it ends with a status other than 0.

        Raises:
            HostCommandFailed: it failed, and `check` is set.
            HostShellRefused: the login's shell does not run what it is told.
            HostTimeout, HostLineLost: it did not end.
        """
        text = shell.whole(script, arguments, self.route.user)
        done = await self._in_shell(text, script, timeout_s)
        if check:
            self._require_success(script, done)
        return done

    async def run_line(self, line: str) -> Finished:
        """Have the login's own shell run a command line that authorized_keys may replace.

        Raises:
            HostTimeout, HostLineLost: it did not end.
        """
        return await self._run_line(line, "", line, COMMAND_TIMEOUT_S)

    async def _run_line(self, line: str, stdin: str, script: str, timeout_s: float) -> Finished:
        connection = await self.connection()
        with translated(self.where, self.route.user):
            async with self._session(line) as process:
                finished = await run_to_end(
                    process, stdin, self.host.name, shown(script), timeout_s
                )
        if finished.status < 0 and await _is_lost(connection):
            raise HostLineLost(f"{self.where}: the line was lost")
        return finished

    async def _in_shell(self, text: str, script: str, timeout_s: float) -> Finished:
        """Run what `shell.whole` made, by the first line that the login's shell can read."""
        for line in [self._line] if self._line else shell.LINES:
            try:
                done = await self._run_line(line, text, script, timeout_s)
            except HostTimeout as error:
                if self._line or shell.BEGINS in error.details:
                    raise
                raise no_end(self.where, self.route.user, timeout_s, error.details) from error
            except ChannelRefused as error:
                if error.reason_code != asyncssh.OPEN_REQUEST_SESSION_FAILED:
                    raise
                raise no_shell(self.where, self.route.user, None, "", error.what) from error
            if done.status >= 0 and shell.leads_elsewhere(done.out, done.err):
                raise no_streams(self.where, self.route.user)
            ended = shell.ended(done.out, done.err)
            if ended:
                self._line, self.noise = line, ended.noise.strip()
                return self._finished(ended, done.status)
            if done.status < 0 or not shell.was_misread(done.err):
                break
        if done.status < 0:
            raise HostLineLost(f"{self.where}: the line was lost")
        raise no_shell(self.where, self.route.user, done.status, done.out, done.err)

    def _finished(self, ended: shell.Ended, status: int) -> Finished:
        """Return what a script left; the status of its session counts where it was cut off."""
        return Finished(
            (status or -1) if ended.status is None else ended.status, ended.out, ended.err
        )

    def _require_success(self, script: str, done: Finished) -> None:
        if done.status:
            words = (done.err.strip() or done.out.strip() or "no output").splitlines()[-1]
            kind = HostDiskFull if NO_SPACE in done.err.lower() else HostCommandFailed
            raise kind(
                f"{self.host.name}: status {done.status} of {shown(script)}: {words[:300]}",
                details=f"{done.out}\n{done.err}"[-MAX_DETAILS:],
            )

    async def run_root(
        self,
        script: str,
        *arguments: str,
        timeout_s: float = COMMAND_TIMEOUT_S,
        check: bool = True,
    ) -> Finished:
        """Run a shell script as root: directly, or through sudo where the login is another.

        Args:
            script: Shell text; the shell reads it from its standard input, and it reads nothing.
            arguments: What the script sees as `$1` and so on.
            timeout_s: Seconds it may take.
            check: Raise if it ends with a status other than 0.

        Raises:
            HostSudoRefused: sudo does not make this login root.
            HostError: as for `run`.
        """
        text = shell.whole(script, arguments, "root")
        if await self.root_way() is RootWay.DIRECT:
            done = await self._in_shell(text, script, timeout_s)
        else:
            done = await self._in_root_shell(text, script, timeout_s)
        if check:
            self._require_success(script, done)
        return done

    async def _in_root_shell(self, text: str, script: str, timeout_s: float) -> Finished:
        try:
            async with (
                asyncio.timeout(timeout_s),
                self.root_process("exec /bin/sh") as process,
                output_of(process, self.host.name, shown(script)) as output,
            ):
                with suppress(BrokenPipeError):  # it has ended without reading
                    process.stdin.write(text.encode())
                    process.stdin.write_eof()
                said, complaint = await output.end()
        except TimeoutError as error:
            raise HostTimeout(
                f"{self.host.name}: no end after {timeout_s:.0f} s of: {shown(script)}"
            ) from error
        status = -1 if process.exit_status is None else process.exit_status
        ended = shell.ended(said, complaint)
        return self._finished(ended, status) if ended else Finished(status, said, complaint)

    @asynccontextmanager
    async def root_process(self, command: str) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
        """Start a command as root, with its streams as bytes: its own, from their first one on.

        Raises:
            HostError: as for `run_root`.
        """
        way = await self.root_way()
        async with self._process(way, command) as (process, refused):
            if refused:
                self._root = None
                raise self._refusal(refused)
            yield process

    @asynccontextmanager
    async def _process(
        self, way: RootWay, command: str
    ) -> AsyncIterator[tuple[asyncssh.SSHClientProcess[bytes], Refused | None]]:
        """Start a command as root in one way, and say how that was refused, if it was."""
        user, login = self.route.user, self._login
        with translated(self.where, user):
            async with self._session(self._line or shell.LINE) as process, process:
                with suppress(BrokenPipeError):  # it ended early: its own words say why
                    process.stdin.write(shell.as_root(way.words, command, user).encode())
                password = login.sudo_password if way is RootWay.ASKED else ""
                refused = await become_root(process, password, "" if login.sudo else user)
                if refused and not refused.waited_s:
                    await process.wait_closed()
                    if process.exit_status is None:
                        raise HostLineLost(f"{self.where}: the line was lost")
                yield process, refused

    @asynccontextmanager
    async def _session(self, line: str) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
        """Start a command, once sshd allows one more session; all that we run passes here."""
        connection = await self.connection()

        async def start() -> asyncssh.SSHClientProcess[bytes]:
            with opening_session(self.where):
                try:
                    async with asyncio.timeout(COMMAND_TIMEOUT_S):
                        return await connection.create_process(line, encoding=None)
                except TimeoutError as error:
                    raise HostTimeout(f"{self.where}: sshd opens no session") from error

        async with self.sessions.one(start) as process:
            yield process

    async def root_way(self) -> RootWay:
        """Find out, once, how this login becomes root.

        Raises:
            HostSudoRefused: it does not; a wrong password is not sent a second time.
        """
        if self._root is None:
            if isinstance(self._refused, HostSudoRefused):
                raise self._refused
            self._root = await self._find_root_way()
        return self._root

    def _refusal(self, refused: Refused) -> HostSudoRefused:
        error = refusal(self.where, self.route.user, refused)
        if refused.sent:
            self._refused = error
        return error

    async def _find_root_way(self) -> RootWay:
        """Try each way as it will be used."""
        if self.route.user == "root":
            return RootWay.DIRECT
        found = (await self.run(_ROOT_WAYS)).out.split()
        if "root" in found:
            return RootWay.DIRECT
        last: Refused | None = None
        for way in (RootWay.SUDO, RootWay.ASKED, RootWay.DOAS):
            if way is RootWay.ASKED:
                possible = bool(last and last.wants_password and self._login.sudo_password)
            else:
                possible = way.value in found
            if not possible:
                continue
            async with self._process(way, "exec true") as (_, refused):
                if not refused:
                    return way
            if last is None or way is not RootWay.DOAS:
                last = refused
        if last is None:
            raise no_way(self.where, self.route.user, "su" in found)
        listing = await self.run("sudo -n -l", check=False)
        raise self._refusal(replace(last, rules=rules_without_password(listing.out)))

    async def feed_root(
        self, command: str, produce: Callable[[Emit], None], stop: threading.Event | None = None
    ) -> None:
        """Run a command as root and give it what a thread produces on its standard input.

        Args:
            command: Shell text.
            produce: Called in a thread with a function that takes the bytes, and that waits where
                the host takes them more slowly than they are made.
            stop: Set when the task is cancelled; the producer is then thrown out at its next byte.

        Raises:
            HostCommandFailed: the command failed.
            HostLineLost: the line was lost on the way.
        """
        stop = stop or threading.Event()
        async with (
            self.root_process(command) as process,
            output_of(process, self.host.name, shown(command)) as output,
        ):
            feeder = StdinFeed(process, asyncio.get_running_loop(), stop)
            with suppress(BrokenPipeError):  # it ended early: its own words say why
                await in_thread(lambda: produce(feeder.emit), stop)
                process.stdin.write_eof()
            out, err = await output.end()
        if process.exit_status is None:
            raise HostLineLost(f"{self.where}: the line was lost")
        if process.exit_status:
            words = (err or out).strip()
            kind = HostDiskFull if NO_SPACE in words.lower() else HostCommandFailed
            raise kind(
                f"{self.host.name}: {command[:60]!r}: {words[-300:]}", details=words[-MAX_DETAILS:]
            )

    async def listen(self, port: int, accept: Accept) -> asyncssh.SSHListener:
        """Have the host's sshd listen on the host's own loopback, and nowhere beyond it.

        Nothing is let through before it is known where sshd listens.

        Args:
            port: The port on the host; 0 for any that is free.
            accept: Makes what takes a connection.

        Raises:
            HostForwardingForbidden: sshd does not allow it, or the port is taken.
            HostTunnelExposed: sshd would open the port to the network; it is closed again.
        """
        connection, is_safe = await self.connection(), False

        async def take(_host: str, _port: int) -> asyncssh.SSHTCPSession[bytes]:
            if not is_safe:
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "not open yet")
            return await accept()

        try:
            with translated(self.where, self.route.user):
                listener = await connection.create_server(take, LOOPBACK, port)
        except HostForwardingForbidden as error:
            if await _is_lost(connection):  # that looks like a refusal
                raise HostLineLost(f"{self.where}: the line was lost") from error
            raise
        try:
            # A key that may do nothing else runs its own command, whatever is asked, and tells it.
            ask = who_listens(listener.get_port())
            found = await (self.run(ask, check=False) if self._line else self.run_line(ask))
            if is_exposed(found.out, connection.get_extra_info("told", ())):
                raise HostTunnelExposed(
                    f"{self.host.name}: sshd would open port {listener.get_port()}, and with it "
                    "the registry, to the whole network (GatewayPorts yes)"
                )
            is_safe = True
        finally:
            if not is_safe:
                listener.close()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WORDS_TIMEOUT_S):
                        await listener.wait_closed()
        return listener

    async def forward_to(self, port: int, local_port: int) -> asyncssh.SSHListener:
        """Lead a port of the host's own loopback to one of this machine's; see `listen`."""
        connection = await self.connection()

        async def accept() -> asyncssh.SSHTCPSession[bytes]:
            forwarder = await connection.forward_connection(LOOPBACK, local_port)
            return cast("asyncssh.SSHTCPSession[bytes]", forwarder)

        return await self.listen(port, accept)

    @asynccontextmanager
    async def reverse_port(self, local_port: int) -> AsyncIterator[int]:
        """Lead a free port of the host's own loopback to one of this machine's for a while.

        Yields:
            The port on the host.

        Raises:
            HostError: as for `listen`.
        """
        listener = await self.forward_to(0, local_port)
        try:
            yield listener.get_port()
        finally:
            listener.close()

    async def told(self) -> list[str]:
        """Return what sshd has said for debugging, such as what the key may.

        Raises:
            HostError: as for `connection`.
        """
        return list((await self.connection()).get_extra_info("told", ()))

    @asynccontextmanager
    async def port(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[PortStreams]:
        """Open a TCP connection from the host to a port of its own loopback, or of another machine.

        Args:
            port: The port.
            address: Where; a name is looked up by the host.

        Raises:
            HostForwardingForbidden: sshd does not allow it.
            ConnectionRefusedError: nothing listens there, or there is no way; it says why.
            HostLineLost: the line was lost meanwhile.
        """
        connection = await self.connection()
        try:
            with translated(self.where, self.route.user):
                reader, writer = await connection.open_connection(address, port)
        except ChannelRefused as error:
            if error.reason_code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise HostForwardingForbidden(
                    f"{self.host.name}: sshd forbids port forwarding"
                ) from error
            raise ConnectionRefusedError(error.what) from error
        try:
            with losses(self.where):
                yield reader, writer
        finally:
            writer.close()

    async def ended(self) -> HostLineLost:
        """Wait until the connection that stands has ended; return why.

        Raises:
            HostError: as for `connection`.
        """
        await (await self.connection()).wait_closed()
        return HostLineLost(f"{self.where}: the line was lost")

    async def is_going_down(self) -> bool:
        """Whether the host is shutting down; only root still gets an answer to that.

        Raises:
            HostError: it cannot be asked any more.
        """
        asked = "systemctl is-system-running 2>/dev/null"
        done = await self.run_root(asked, check=False, timeout_s=LAST_WORDS_TIMEOUT_S)
        if done.status < 0:
            raise HostLineLost(f"{self.where}: the line was lost")
        return done.out.strip() == "stopping"

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


async def _is_lost(connection: asyncssh.SSHClientConnection) -> bool:
    """Whether a connection that gave no answer has ended; it may notice a moment later."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LOSS_NOTICED_S):
            await connection.wait_closed()
    return connection.is_closed()

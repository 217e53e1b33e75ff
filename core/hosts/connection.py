"""One host over SSH: connecting with its key verified, running commands, sending files.

All of asyncssh is behind this module: its errors become ours here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from core.config import HostConfig, SshConfig
from core.errors import (
    AirferryError,
    HostCommandFailed,
    HostError,
    HostForwardingForbidden,
    HostKeyChanged,
    HostKeyUnknown,
    HostLineLost,
    HostLoginRefused,
    HostTimeout,
    HostUnreachable,
)

KEEPALIVE_S = 5
KEEPALIVE_COUNT = 3
COMMAND_TIMEOUT_S = 60.0
SEND_BYTES = 256 << 10
MAX_DETAILS = 20_000  # characters of a failed command's output that are kept in the log
# AES-GCM first: chacha20 takes twice the processor time where AES is in hardware.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr")


PortStreams = tuple[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]]


@dataclass(frozen=True)
class Trust:
    """Which host keys are believed.

    Args:
        files: known_hosts files; those that are missing count as empty.
        accept_into: Where unknown keys are noted when they are to be accepted; None refuses them.
    """

    files: tuple[Path, ...]
    accept_into: Path | None = None

    def keys(self) -> asyncssh.SSHKnownHosts:
        """Read the files anew: another console may have accepted a key."""
        return asyncssh.read_known_hosts([str(path) for path in self.files if path.exists()])

    def accept(self, host: HostConfig, key: asyncssh.SSHKey) -> None:
        """Note the key of a host."""
        if self.accept_into is None:
            return
        name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
        line = f"{name} {key.export_public_key('openssh').decode().strip()}\n"
        with self.accept_into.open("a", encoding="utf-8") as file:
            file.write(line)


def trust_of(ssh: SshConfig, state_dir: Path, *, accept_new: bool = False) -> Trust:
    """Return the user's known_hosts, the config's, and the one of the state directory."""
    own = state_dir / "known_hosts"
    files = [Path("~/.ssh/known_hosts").expanduser(), own]
    if ssh.known_hosts:
        files.append(ssh.known_hosts)
    return Trust(tuple(files), own if accept_new else None)


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str


@dataclass
class _KeyCheck(asyncssh.SSHClient):
    """Decides on host keys that are in no known_hosts file; remembers why it refused."""

    host: HostConfig
    trust: Trust
    others_known: bool
    refusal: AirferryError | None = field(default=None)

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002 - asyncssh's signature
        addr: str,  # noqa: ARG002
        port: int,  # noqa: ARG002
        key: asyncssh.SSHKey,
    ) -> bool:
        shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        where = f"{self.host.name} ({self.host.address})"
        if self.others_known:
            self.refusal = HostKeyChanged(f"{where} shows another host key than before: {shown}")
            return False
        if self.trust.accept_into is None:
            self.refusal = HostKeyUnknown(f"{where} has a host key never seen before: {shown}")
            return False
        self.trust.accept(self.host, key)
        return True


class HostLink:
    """A connection to one host that is made when it is needed, and made again when it was lost.

    Args:
        host: The host.
        ssh: Time-outs.
        trust: The host keys that are believed.
        gate: Bounds how many connections are being made at once.
    """

    def __init__(
        self, host: HostConfig, ssh: SshConfig, trust: Trust, gate: asyncio.Semaphore
    ) -> None:
        self.host = host
        self._ssh = ssh
        self._trust = trust
        self._gate = gate
        self._lock = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None

    async def connection(self) -> asyncssh.SSHClientConnection:
        """Return the open connection, connecting first if there is none.

        Raises:
            HostError: it cannot be made; the leaf says why.
        """
        async with self._lock:
            if self._connection is None or self._connection.is_closed():
                async with self._gate:
                    self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        host = self.host
        known = self._trust.keys()
        matched = known.match(host.address, host.address, host.port)
        check = _KeyCheck(host, self._trust, others_known=bool(matched[0]))
        try:
            with translated(host):
                async with asyncio.timeout(self._ssh.connect_timeout_s):
                    return await asyncssh.connect(
                        host.address,
                        host.port,
                        username=host.user,
                        client_keys=[str(host.key)] if host.key else (),
                        known_hosts=known,
                        client_factory=lambda: check,
                        keepalive_interval=KEEPALIVE_S,
                        keepalive_count_max=KEEPALIVE_COUNT,
                        login_timeout=self._ssh.connect_timeout_s,
                        encryption_algs=CIPHERS,
                        compression_algs=None,
                    )
        except HostLineLost as error:
            raise HostUnreachable(error.what) from error
        except HostKeyUnknown as error:
            raise (check.refusal or error) from error

    async def run(
        self,
        command: str,
        *,
        stdin: str | None = None,
        timeout_s: float = COMMAND_TIMEOUT_S,
        check: bool = True,
    ) -> Finished:
        """Run a POSIX shell command as the login user.

        Args:
            command: Shell text; arguments are to be quoted by the caller.
            stdin: What it reads.
            timeout_s: Seconds it may take.
            check: Raise if it ends with a status other than 0.

        Raises:
            HostCommandFailed: it failed, and `check` is set.
            HostTimeout, HostLineLost: it did not end.
        """
        connection = await self.connection()
        with translated(self.host):
            try:
                async with asyncio.timeout(timeout_s):
                    done = await connection.run(command, input=stdin or "", errors="replace")
            except TimeoutError as error:
                raise HostTimeout(
                    f"{self.host.name}: no end after {timeout_s:.0f} s of: {command[:80]}"
                ) from error
        out, err = str(done.stdout or ""), str(done.stderr or "")
        status = -1 if done.exit_status is None else done.exit_status
        if check and status:
            words = (err.strip() or out.strip() or "no output").splitlines()[-1]
            raise HostCommandFailed(
                f"{self.host.name}: status {status} of {command[:80]!r}: {words[:300]}",
                details=f"{out}\n{err}"[-MAX_DETAILS:],
            )
        return Finished(status, out, err)

    async def run_root(
        self,
        script: str,
        *,
        timeout_s: float = COMMAND_TIMEOUT_S,
        check: bool = True,
    ) -> Finished:
        """Run a shell script as root: directly, or through sudo where the login is another."""
        return await self.run(self.as_root("sh -s"), stdin=script, timeout_s=timeout_s, check=check)

    def as_root(self, command: str) -> str:
        """Return the command as the login user must write it to run as root."""
        return command if self.host.user == "root" else f"sudo -n {command}"

    async def send_files(
        self, paths: Iterable[Path], command: str, told: Callable[[int], None] = lambda _: None
    ) -> None:
        """Stream files, one after the other, into a command's standard input.

        Args:
            paths: The files on the DU.
            command: Shell text that reads them.
            told: Told the bytes sent so far.

        Raises:
            HostCommandFailed: the command failed.
            HostLineLost: the line was lost on the way.
        """
        connection = await self.connection()
        with translated(self.host):
            async with connection.create_process(command, encoding=None) as process:
                with suppress(BrokenPipeError):  # it ended early: its own words say why
                    await _pour(paths, process.stdin, told)
                out, err = await process.communicate()
        if process.exit_status:
            words = bytes(err or out or b"").decode("utf-8", "replace").strip()
            raise HostCommandFailed(
                f"{self.host.name}: {command[:60]!r}: {words[-300:]}", details=words[-MAX_DETAILS:]
            )

    @asynccontextmanager
    async def port(self, port: int) -> AsyncIterator[PortStreams]:
        """Open a TCP connection to a port on the host's own loopback.

        Raises:
            HostForwardingForbidden: sshd does not allow it.
            ConnectionRefusedError: nothing listens there.
        """
        connection = await self.connection()
        try:
            with translated(self.host):
                reader, writer = await connection.open_connection("127.0.0.1", port)
        except _ChannelRefused as error:
            if error.reason_code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise HostForwardingForbidden(
                    f"{self.host.name}: sshd forbids port forwarding"
                ) from error
            raise ConnectionRefusedError(error.what) from error
        try:
            yield reader, writer
        finally:
            writer.close()

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


class _ChannelRefused(HostError):
    """sshd refused to open a channel."""

    def __init__(self, what: str, reason_code: int) -> None:
        super().__init__(what)
        self.reason_code = reason_code


@contextmanager
def translated(host: HostConfig) -> Iterator[None]:
    """Turn errors of asyncssh and of the system into ours, naming the host."""
    where = f"{host.name} ({host.address})"
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise HostKeyUnknown(f"{where}: host key not trusted") from error
    except asyncssh.PermissionDenied as error:
        raise HostLoginRefused(f"{where} refuses the login of {host.user}") from error
    except asyncssh.ChannelOpenError as error:
        raise _ChannelRefused(f"{where}: {error.reason}", error.code) from error
    except asyncssh.ChannelListenError as error:
        raise HostForwardingForbidden(f"{where}: {error}") from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise HostLoginRefused(f"{where}: the key {host.key} cannot be used: {error}") from error
    except (asyncssh.ConnectionLost, ConnectionResetError, BrokenPipeError) as error:
        raise HostLineLost(f"{where}: the line was lost") from error
    except asyncssh.Error as error:
        raise HostLineLost(f"{where}: {error.reason}") from error
    except TimeoutError as error:
        raise HostUnreachable(f"{where}: no answer in time") from error
    except FileNotFoundError as error:
        raise HostLoginRefused(f"{where}: no such key file: {error.filename}") from error
    except OSError as error:
        # asyncio's own words ("Connect call failed ('10.0.0.1', 22)") stand in strerror.
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise HostUnreachable(f"{where}: {reason}") from error


async def _pour(
    paths: Iterable[Path], stdin: asyncssh.SSHWriter[bytes], told: Callable[[int], None]
) -> None:
    sent_bytes = 0
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(SEND_BYTES):
                stdin.write(piece)
                await stdin.drain()
                sent_bytes += len(piece)
                told(sent_bytes)
    stdin.write_eof()


def quoted(*words: str) -> str:
    """Return words as one POSIX shell command."""
    return shlex.join(words)

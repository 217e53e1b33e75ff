"""What went wrong with a host, and what is said of it: a table of causes, each of them real.

Nearly all are made by servers on this machine, to which the program connects as it does to a host.
What no server here can show (a network without a route) is given by the error that the system has
for it.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from core.errors import AirferryError, HostError
from core.hosts.docker.engine import host_engine
from core.hosts.ssh import key_files
from core.hosts.ssh.connection import HostConnection
from core.hosts.ssh.unreachable import unreachable
from core.secrets import Login
from tests.support.hostshell import nothing, shell_that
from tests.support.pulling import NobodyTold
from tests.support.sshservers import (
    ADDRESS,
    Talk,
    Welcoming,
    link_to,
    new_key,
    public,
    ssh_server,
    tcp_server,
)

KEY = new_key()
PHRASE = "phrase-Zk41uV"
TESTS = Path(__file__).parents[2]
Make = Callable[[Path], Awaitable[object]]
Process = asyncssh.SSHServerProcess[str]
Handle = Callable[[Process], Awaitable[None]]


@pytest.fixture(autouse=True)
def no_keys_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(key_files, "USERS_KEYS", ())


def known(port: int) -> str:
    return f"[{ADDRESS}]:{port} {public(KEY)}\n"


# Where nothing listens, or something that is no sshd.


def free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as server:
        return int(server.getsockname()[1])


async def refused(home: Path) -> None:
    await link_to(free_port(), home).connection()


def at(address: str) -> Make:
    async def make(home: Path) -> None:
        await link_to(22, home, address=address).connection()

    return make


def system_says(number: int) -> Make:
    async def make(_: Path) -> None:
        raise unreachable("worker-01 (10.0.0.1)", OSError(number, "Connect call failed"))

    return make


def name_server_says(number: int) -> Make:
    async def make(_: Path) -> None:
        raise unreachable("worker-01", socket.gaierror(number, "as the system says"))

    return make


def answers(talk: Talk) -> Make:
    async def make(home: Path) -> None:
        async with tcp_server(talk) as port:
            await link_to(port, home, timeout_s=1).connection()

    return make


def says(said: bytes, *, hold: bool = False) -> Make:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        if hold:
            await reader.read()

    return answers(talk)


# Where sshd does not take us.


def server(
    login: Login | None = None, openssh: str = "", timeout_s: int = 20, **options: object
) -> Make:
    async def make(home: Path) -> None:
        keys = options.pop("server_host_keys", [KEY])
        async with ssh_server(keys, **options) as port:  # type: ignore[arg-type]
            link = link_to(
                port, home, known(port), login=login, openssh=openssh, timeout_s=timeout_s
            )
            await link.connection()

    return make


class Banned(asyncssh.SSHServer):
    """As sshd behaves where PAM forbids a login that was right: its words, and it hangs up."""

    words = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    async def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        if self.words:
            self._connection.send_auth_banner(self.words)
        self._connection.abort()
        await asyncio.Event().wait()
        return True


class Nologin(Banned):
    """The same with the words of pam_nologin."""

    words = "System is booting up. Unprivileged users are not permitted to log in yet.\n"


class TooMany(asyncssh.SSHServer):
    """As sshd behaves after MaxAuthTries."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        reason = "Too many authentication failures"
        self._connection.disconnect(asyncssh.DISC_PROTOCOL_ERROR, reason)
        return True


class Slow(asyncssh.SSHServer):
    """As sshd behaves whose PAM waits for a server."""

    async def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        await asyncio.Event().wait()
        return True


class Passwords(Welcoming):
    """A server that takes passwords, but no right one is known."""

    def __init__(self) -> None:
        super().__init__(lets_in=False)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:  # noqa: ARG002 - as its base
        return False


def nobody() -> asyncssh.SSHServer:
    return Welcoming(lets_in=False)


async def key_is_a_directory(home: Path) -> None:
    async with ssh_server([KEY]) as port:
        link = link_to(port, home, known(port))
        link.host.key.unlink()  # type: ignore[union-attr]
        link.host.key.mkdir()  # type: ignore[union-attr]
        await link.connection()


async def key_is_gone(home: Path) -> None:
    async with ssh_server([KEY]) as port:
        link = link_to(port, home, known(port))
        link.host.key.unlink()  # type: ignore[union-attr]
        await link.connection()


async def key_is_locked(home: Path) -> None:
    async with ssh_server([KEY]) as port:
        link = link_to(port, home, known(port))
        new_key().write_private_key(str(link.host.key), passphrase=PHRASE)
        await link.connection()


async def key_is_none(home: Path) -> None:
    async with ssh_server([KEY]) as port:
        link = link_to(port, home, known(port))
        link.host.key.write_text("not a key\n")  # type: ignore[union-attr]
        await link.connection()


def keys(lines: str) -> Make:
    async def make(home: Path) -> None:
        async with ssh_server([KEY]) as port:
            text = lines.replace("HOST", f"[{ADDRESS}]:{port}")
            await link_to(port, home, text).connection()

    return make


class NothingBehind(Welcoming):
    """A jump host, in the words of sshd where nothing listens at the next one."""

    def connection_requested(self, *_: object) -> bool:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")


class Forbidding(Welcoming):
    """A host in the words of sshd with `AllowTcpForwarding no`."""

    def connection_requested(self, *_: object) -> bool:
        number = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
        raise asyncssh.ChannelOpenError(number, "administratively prohibited: open failed")


def through(server_factory: Callable[[], asyncssh.SSHServer]) -> Make:
    """Through a jump host."""

    async def make(home: Path) -> None:
        async with ssh_server([KEY], server_factory=server_factory) as gate:
            jump = f"root@{ADDRESS}:{gate}"
            await link_to(free_port(), home, known(gate), jump=jump).connection()

    return make


# Where a command, sudo or Docker does not do what it is to do.


@asynccontextmanager
async def host(
    handle: Handle,
    home: Path,
    user: str = "root",
    script: Handle | None = None,
    *,
    starts: bool = True,
) -> AsyncIterator[HostConnection]:
    async def guarded(process: Process) -> None:
        with suppress(asyncssh.Error, BrokenPipeError):
            await handle(process)

    played = shell_that(guarded, script or guarded, binary=False, starts=starts)
    async with ssh_server([KEY], process_factory=played) as port:
        link = link_to(port, home, known(port), user=user)
        try:
            yield link
        finally:
            await link.close()


def command(handle: Handle, timeout_s: float = 20) -> Make:
    async def make(home: Path) -> None:
        async with host(handle, home) as link:
            await link.run("df -Pk /var", timeout_s=timeout_s)

    return make


def ends(status: int, *, out: str = "", err: str = "") -> Handle:
    async def handle(process: Process) -> None:
        process.stdout.write(out)
        process.stderr.write(err)
        process.exit(status)

    return handle


def refuses(said: str) -> Handle:
    """Play sudo that does not let anybody in: it says so in the place of the mark."""

    async def handle(process: Process) -> None:
        process.stderr.write(said)
        process.exit(1)

    return handle


async def never_ends(process: Process) -> None:
    await process.stdin.read()
    await asyncio.Event().wait()


async def floods(process: Process) -> None:
    while True:
        process.stdout.write("y\n" * 10_000)
        await process.stdout.drain()


async def is_cut(process: Process) -> None:
    process.channel.get_connection().abort()


def sudo(ways: str, said: str = "") -> Make:
    async def make(home: Path) -> None:
        async with host(refuses(said), home, "tech", ends(0, out=ways), starts=False) as link:
            await link.root_way()

    return make


async def no_forwarding(home: Path) -> None:
    async with host(ends(0), home) as link, link.reverse_port(5000):
        pass


async def no_way_on(home: Path) -> None:
    async with (
        ssh_server([KEY], server_factory=Forbidding) as port,
        link_to(port, home, known(port)).port(5000),
    ):
        pass


def docker(answer: str, status: int = 200) -> Make:
    """A pull from an engine that answers so."""
    version = json.dumps({"ApiVersion": "1.41"})

    def whole(text: str, status: int) -> str:
        return f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n{text}"

    async def handle(process: Process) -> None:
        while line := await process.stdin.readline():
            if line.startswith("GET"):
                process.stdout.write(whole(version, 200))
            elif line.startswith("POST"):
                chunk = f"{len(answer):x}\r\n{answer}\r\n0\r\n\r\n"
                head = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
                process.stdout.write(whole(answer, status) if status != 200 else head + chunk)
        process.exit(0)

    return engine(handle)


def engine(handle: Handle) -> Make:
    async def make(home: Path) -> None:
        async with host(handle, home, script=nothing) as link, host_engine(link) as found:
            await found.pull("localhost:5001/a:1", NobodyTold())

    return make


def event(said: str) -> str:
    return json.dumps({"error": said}) + "\r\n"


NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n"
DENIED = "pull access denied, repository does not exist or may require: unauthorized"


@dataclass(frozen=True)
class Cause:
    """A row: the cause, the code, words of what happened, and words of what helps."""

    name: str
    make: Make
    code: str
    what: str
    remedy: str


TABLE = (
    # No connection.
    Cause("nothing listens", refused, "E-SSH-ROUTE", "connection refused", "start sshd"),
    Cause(
        "no route",
        *(system_says(errno.EHOSTUNREACH), "E-SSH-ROUTE", "no route to host", "cable and power"),
    ),
    Cause(
        "no network",
        *(system_says(errno.ENETUNREACH), "E-SSH-ROUTE", "network is unreachable", "ip route"),
    ),
    Cause(
        "silence",
        *(system_says(errno.ETIMEDOUT), "E-SSH-ROUTE", "no answer in time", "cable and power"),
    ),
    Cause("a reset", system_says(errno.ECONNRESET), "E-SSH-ROUTE", "reset by peer", "firewall"),
    Cause(
        "our firewall",
        *(system_says(errno.EPERM), "E-SSH-ROUTE", "not permitted", "This machine's own firewall"),
    ),
    Cause(
        "no files left",
        *(system_says(errno.EMFILE), "E-SSH-ROUTE", "too many open files", "ulimit -n"),
    ),
    Cause("no interface", at("fe80::1"), "E-SSH-ROUTE", "invalid argument", "fe80::1%eth0"),
    Cause("no such name", at("no-such-host.invalid"), "E-SSH-ROUTE", "name", "/etc/hosts"),
    Cause(
        "nobody knows it",
        *(name_server_says(socket.EAI_NONAME), "E-SSH-ROUTE", "nobody knows", "getent hosts"),
    ),
    Cause(
        "no name server",
        *(name_server_says(socket.EAI_AGAIN), "E-SSH-ROUTE", "no name server", "resolv.conf"),
    ),
    Cause("no name at all", at("x" * 70), "E-SSH-ROUTE", "nobody knows", "Mend the address"),
    Cause("two dots", at("a..b"), "E-SSH-ROUTE", "nobody knows", "Mend the address"),
    # Something else than an sshd that takes us.
    Cause("it says nothing", says(b"", hold=True), "E-SSH-ROUTE", "says nothing", "ss -ltnp"),
    Cause("hosts.deny", says(b""), "E-SSH-ROUTE", "without a word", "hosts.deny"),
    Cause(
        "MaxStartups",
        *(says(b"Exceeded MaxStartups\r\n"), "E-SSH-ROUTE", "MaxStartups", "Try again in a minute"),
    ),
    Cause(
        "penalties",
        *(says(b"Not allowed at this time\r\n"), "E-SSH-ROUTE", "for a while", "Try again"),
    ),
    Cause("a web server", says(b"HTTP/1.1 400 Bad\r\n"), "E-SSH-NONE", "HTTP/1.1 400", "port"),
    Cause("SSH 1", says(b"SSH-1.5-1\r\n"), "E-SSH-NONE", "Unsupported SSH version", "port"),
    Cause(
        "large packets are lost",
        *(says(b"SSH-2.0-OpenSSH_9\r\n", hold=True), "E-SSH-ROUTE", "key exchange", "MTU"),
    ),
    Cause(
        "sshd ends the key exchange",
        *(says(b"SSH-2.0-OpenSSH_9\r\n"), "E-SSH-ROUTE", "while keys were exchanged", "sshd's log"),
    ),
    Cause(
        "old key exchanges only",
        *(server(kex_algs=["diffie-hellman-group1-sha1"]), "E-SSH-KEX"),
        *("no key exchange algorithm in common: it has diffie-hellman-group1", "Update"),
    ),
    Cause(
        "old ciphers only",
        *(server(encryption_algs=["3des-cbc"]), "E-SSH-KEX"),
        *("no encryption algorithm in common: it has 3des-cbc", "sshd_config"),
    ),
    Cause(
        "old MACs only",
        *(server(encryption_algs=["aes128-ctr"], mac_algs=["hmac-md5"]), "E-SSH-KEX"),
        *("no MAC algorithm in common: it has hmac-md5", "sshd_config"),
    ),
    Cause(
        "a host key of a rare kind",
        *(server(server_host_keys=[new_key("ssh-ed448")]), "E-SSH-KEX"),
        *("compatible server host key", "Update"),
    ),
    # The host's key.
    Cause("a new key", keys(""), "E-SSH-KEY-NEW", "never seen before: ssh-ed25519 SHA256:", "k on"),
    Cause(
        "a changed key",
        *(keys(f"HOST {public(new_key())}\n"), "E-SSH-KEY-CHANGED", "known is ssh-ed25519 SHA256:"),
        "ssh-keygen -R",
    ),
    Cause(
        "a revoked key",
        *(keys(f"@revoked * {public(KEY)}\n"), "E-SSH-KEY-REVOKED", "line 1 revokes it"),
        "Do not log in",
    ),
    Cause(
        "an odd line",
        *(keys("10.0.0.1 ssh-ed25519\n"), "E-SSH-KEY-NEW", "never seen", "known line 1 is not of"),
    ),
    # The login.
    Cause(
        "our key is not there",
        *(server(server_factory=nobody), "E-SSH-LOGIN", "refuses the login", "authorized_keys"),
    ),
    Cause(
        "a wrong password",
        *(server(login=Login(password="wrong"), server_factory=Passwords), "E-SSH-LOGIN"),  # noqa: S106
        *("refuses the password of tech", "Type it again"),
    ),
    Cause("no such key file", key_is_gone, "E-SSH-LOGIN", "id", "ssh.key"),
    Cause("a key file that cannot be read", key_is_a_directory, "E-SSH-LOGIN", "id", "ssh.key"),
    Cause("a key file that is none", key_is_none, "E-SSH-LOGIN", "the key cannot be used", "key"),
    Cause("a locked key", key_is_locked, "E-SSH-LOGIN", "has a passphrase", "--ask-key-pass"),
    Cause(
        "pam_nologin",
        *(server(server_factory=Nologin), "E-SSH-DOWN", "System is booting up", ""),
    ),
    Cause(
        "pam_access",
        *(server(server_factory=Banned), "E-SSH-LOGIN", "when tech logs in", "pam_access"),
    ),
    Cause(
        "MaxAuthTries",
        *(server(server_factory=TooMany), "E-SSH-LOGIN", "too many keys", "MaxAuthTries"),
    ),
    Cause(
        "a login without an end",
        *(server(server_factory=Slow, timeout_s=1), "E-HOST-TIMEOUT", "no end of the login"),
        "LDAP",
    ),
    # Jump hosts and forwarding.
    Cause("behind it nothing", through(NothingBehind), "E-SSH-ROUTE", "refused", "start sshd"),
    Cause("it leads nobody on", through(Forbidding), "E-SSH-FORWARD", "forbids", "PermitOpen"),
    Cause("no forwarding", no_forwarding, "E-SSH-FORWARD", "worker-01", "AllowTcpForwarding yes"),
    Cause("no way on", no_way_on, "E-SSH-FORWARD", "forbids port forwarding", "reload sshd"),
    Cause(
        "a program for the way",
        *(server(openssh="ProxyCommand nc %h %p\n"), "E-SSH-CONFIG", "ProxyCommand", "ProxyJump"),
    ),
    Cause(
        "a config that is odd",
        *(server(openssh="Port many\n"), "E-SSH-CONFIG", "line 1: Invalid Port", "Mend that file"),
    ),
    # What is done there.
    Cause("a command that fails", command(ends(3, err="no\n")), "E-HOST-CMD", "status 3", "log"),
    Cause(
        "no room",
        *(command(ends(1, err="tar: x: No space left on device\n")), "E-HOST-FULL", "No space"),
        "Make room",
    ),
    Cause(
        "a command without an end",
        *(command(never_ends, 0.2), "E-HOST-TIMEOUT", "no end after", "overloaded"),
    ),
    Cause("output without an end", command(floods), "E-HOST-ANSWER", "1 MiB of output", "replaced"),
    Cause("the line is cut", command(is_cut), "E-SSH-LOST", "the line was lost", "Run it again"),
    Cause(
        "sudo wants a password",
        *(
            sudo("sudo\n", "sudo: a password is required\n"),
            "E-SUDO",
            "sudo wants",
            "--ask-sudo-pass",
        ),
    ),
    Cause("no sudo", sudo(""), "E-SUDO", "has no sudo", "Log in as root"),
    # Docker.
    Cause(
        "no dockerd",
        *(engine(ends(1, err=NO_DAEMON)), "E-DOCKER-GONE", "Cannot connect", "systemctl status"),
    ),
    Cause(
        "a pull that breaks off",
        *(docker(event("unexpected EOF")), "E-DOCKER-LINE", "unexpected EOF", "tunnels status"),
    ),
    Cause(
        "a pull that is denied",
        *(docker(event(DENIED)), "E-DOCKER-DENIED", "denied", "may not pull"),
    ),
    Cause(
        "a pull that fills the disk",
        *(docker(event("write x: no space left on device")), "E-HOST-FULL", "no space", "room"),
    ),
    Cause(
        "an engine that fails",
        *(docker('{"message": "driver failed"}', 500), "E-DOCKER-PULL", "driver failed", ""),
    ),
    Cause("an engine that is none", docker("5\r\n"), "E-HOST-ANSWER", "Docker's answer", "program"),
)
ELSEWHERE = {
    "E-DOCKER": "unit/hosts/docker/test_engine_errors.py",
    "E-DOCKER-SETTINGS": "lab/host_cases/docker.py",
    "E-DOCKER-START": "unit/hosts/docker/test_settings.py",
    "E-DOCKER-UNKNOWN": "unit/hosts/docker/test_registry_words.py",
    "E-HOST": "unit/hosts/ssh/test_hostile_hosts.py",
    "E-HOST-UNFIT": "lab/test_host_commands.py",
    "E-HOST-PORT": "lab/test_tunnels.py",
    "E-HOST-REG": "lab/test_custom_logins.py",
    "E-HOST-REG-TLS": "lab/test_custom_logins.py",
    "E-SSH-GATEWAY": "lab/host_cases/sshd.py",
    "E-SSH-SESSIONS": "lab/host_cases/sshd.py",
    "E-SSH-SHELL": "lab/host_cases/logins.py",
    "E-TUNNEL": "lab/test_tunnels.py",
}
"""Codes whose causes need more than a server: where they are made."""


@pytest.mark.parametrize("cause", TABLE, ids=lambda cause: cause.name)
async def test_code_words_and_remedy(cause: Cause, tmp_path: Path) -> None:
    with pytest.raises(AirferryError) as raised:
        await cause.make(tmp_path)
    error = raised.value
    assert cause.code == error.code, error.what
    assert cause.what in error.what, error.what
    assert cause.remedy in error.remedy, error.remedy
    assert ("worker-01" in error.what, "Traceback" in error.what) == (True, False), error.what
    if "cable" not in cause.remedy:
        assert "cable" not in error.remedy


def test_every_code_of_a_host_has_a_cause() -> None:
    codes, waiting = set(), [HostError]
    while waiting:
        kind = waiting.pop()
        codes.add(kind.code)
        waiting += kind.__subclasses__()
    made = {cause.code for cause in TABLE}
    assert codes == made | set(ELSEWHERE)
    assert set() == {code for code, file in ELSEWHERE.items() if not (TESTS / file).is_file()}

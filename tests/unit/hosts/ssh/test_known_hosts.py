"""known_hosts files are read as OpenSSH reads them: it is asked the same, and is the judge."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import AirferryError
from core.hosts.ssh.known_hosts import KnownHosts, KnownHostsFile, Status, read
from tests.support.sshservers import ADDRESS, HostKeys, link_to, new_key, public, ssh_server
from tests.support.waiting import HANG_S

OURS, OTHER, RSA, SIGNER = new_key(), new_key(), new_key("ssh-rsa"), new_key()
TEXT = public(OURS)
CODES = {
    "": "known",
    "E-SSH-KEY-NEW": "new",
    "E-SSH-KEY-CHANGED": "changed",
    "E-SSH-KEY-REVOKED": "revoked",
}


def in_openssh_words(said: str) -> str:
    """Return what ssh has made of a host's key."""
    marks = {
        "REMOTE HOST IDENTIFICATION HAS CHANGED": "changed",
        "REVOKED HOST KEY DETECTED": "revoked",
        "Host key verification failed": "new",
    }
    return next((word for mark, word in marks.items() if mark in said), "known")


async def openssh_says(port: int, known: bytes, directory: Path, config: str = "") -> str:
    """Have ssh itself connect with such a known_hosts file."""
    file, settings = directory / "judged", directory / "judge"
    file.write_bytes(known)
    settings.write_text(config)
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "ask",
        "UserKnownHostsFile": str(file),
        "GlobalKnownHostsFile": "none",
        "IdentityAgent": "none",
        "IdentityFile": str(directory / "id"),
        "LogLevel": "INFO",
    }
    asked = [word for pair in options.items() for word in ("-o", "=".join(pair))]
    process = await asyncio.create_subprocess_exec(
        *("ssh", "-F", str(settings), "-N", "-o", "ExitOnForwardFailure=yes", *asked),
        *("-p", str(port), "-W", "127.0.0.1:1", f"tech@{ADDRESS}"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(directory)},
    )
    async with asyncio.timeout(HANG_S):
        _, said = await process.communicate()
    return in_openssh_words(said.decode(errors="replace"))


async def airferry_says(port: int, known: bytes, directory: Path, config: str = "") -> str:
    """Connect as the program does."""
    link = link_to(port, directory, known, openssh=config)
    try:
        await link.connection()
        code = ""
    except AirferryError as error:
        code = error.code
    finally:
        await link.close()
    return CODES.get(code, code)


@dataclass(frozen=True)
class Case:
    """A known_hosts file; `@` in it stands for `[127.0.0.1]:PORT`."""

    name: str
    known: str | bytes
    verdict: str
    config: str = ""

    def bytes_for(self, port: int) -> bytes:
        text = self.known.encode() if isinstance(self.known, str) else self.known
        return text.replace(b"HOST", f"[{ADDRESS}]:{port}".encode())


PLAIN = (
    Case("its key", f"HOST {TEXT}\n", "known"),
    Case("no line at all", "", "new"),
    Case("no port, its key", f"{ADDRESS} {TEXT}\n", "known"),
    Case("no port, another key", f"{ADDRESS} {public(OTHER)}\n", "new"),
    Case("another port", f"[{ADDRESS}]:1 {TEXT}\n", "new"),
    Case("port 22", f"[{ADDRESS}]:22 {TEXT}\n", "new"),
    Case("another key", f"HOST {public(OTHER)}\n", "changed"),
    Case("a key of another kind", f"HOST {public(RSA)}\n", "changed"),
    Case("an old key and its key", f"HOST {public(OTHER)}\nHOST {TEXT}\n", "known"),
    Case("revoked", f"@revoked HOST {TEXT}\n", "revoked"),
    Case("revoked and known", f"HOST {TEXT}\n@revoked HOST {TEXT}\n", "revoked"),
    Case("revoked for all", f"HOST {TEXT}\n@revoked * {TEXT}\n", "revoked"),
    Case("revoked without the port", f"@revoked {ADDRESS} {TEXT}\n", "revoked"),
    Case("revoked without, known with", f"@revoked {ADDRESS} {TEXT}\nHOST {TEXT}\n", "known"),
    Case("another one is revoked", f"@revoked * {public(OTHER)}\nHOST {TEXT}\n", "known"),
    Case("revoked and new", f"@revoked * {public(OTHER)}\n", "new"),
    Case("an authority only", f"@cert-authority * {public(SIGNER)}\n", "new"),
    Case("an authority, its key", f"@cert-authority * {public(SIGNER)}\nHOST {TEXT}\n", "known"),
    Case("wildcards", f"[127.0.0.*]:* {TEXT}\n", "known"),
    Case("wildcards of one letter", f"[127.0.0.?]:* {TEXT}\n", "known"),
    Case("wildcards without port", f"127.* {TEXT}\n", "known"),
    Case("negated", f"*,!HOST {TEXT}\n", "known"),  # the name without the port is not
    Case("negated wholly", f"*,!*127.0.0.1* {TEXT}\n", "new"),
    Case("only negated", f"!elsewhere {TEXT}\n", "new"),
    Case("a network is no pattern", f"127.0.0.0/8 {TEXT}\n", "new"),
    Case("capital letters", f"HOST,NAME {TEXT}\n".replace("NAME", "Worker"), "known"),
    Case("Windows' line ends", f"HOST {TEXT}\r\n", "known"),
    Case("Windows' line ends, no comment", f"HOST {' '.join(TEXT.split()[:2])}\r\n", "known"),
    Case("Latin-1 in a comment", f"HOST {TEXT} ".encode() + b"caf\xe9\n", "known"),
    Case("Latin-1 before it", b"Schl\xfcssel der Hosts\n" + f"HOST {TEXT}\n".encode(), "known"),
    Case("a NUL after it", f"HOST {TEXT}".encode() + b"\0x\n", "known"),
    Case("a NUL before it", b"\0" + f"HOST {TEXT}\n".encode(), "new"),
    Case("lines of NULs", b"\0\0\n\0\n" + f"HOST {TEXT}\n".encode(), "known"),
    Case("a byte order mark", b"\xef\xbb\xbf" + f"HOST {TEXT}\n".encode(), "new"),
    Case("blanks and tabs", f" \tHOST\t {TEXT}\n", "known"),
    Case("an unknown marker", f"@trusted HOST {public(OTHER)}\nHOST {TEXT}\n", "known"),
    Case("two markers", f"@revoked @cert-authority HOST {TEXT}\nHOST {TEXT}\n", "known"),
    Case("a kind that is not the key's", f"HOST ssh-rsa {TEXT.split()[1]}\n", "new"),
    Case("no end of line", f"HOST {TEXT}", "known"),
    Case("a damaged hash", f"|1|aaa|bbb {TEXT}\nHOST {TEXT}\n", "known"),
    Case("half a key", f"HOST {TEXT[:50]}\nHOST {TEXT}\n", "known"),
    Case("one word", f"HOST\nHOST {TEXT}\n", "known"),
    Case("form feed at the end", f"HOST {TEXT}\f\n", "known"),
    Case("vertical tab in the name", f"x\vHOST {TEXT}\n", "new"),
    Case("options", f"HOST no-pty {TEXT}\n", "new"),
    Case("comments", f"# HOST {TEXT}\n\n", "new"),
    Case("an alias", f"worker {TEXT}\n", "known", "HostKeyAlias WORKER\n"),
    Case("an alias has no port", f"[worker]:22 {TEXT}\n", "new", "HostKeyAlias worker\n"),
    Case("an alias, not the address", f"HOST {TEXT}\n", "new", "HostKeyAlias worker\n"),
)
SIGNED = (
    Case("known to nobody", "", "new"),
    Case("its authority", f"@cert-authority * {public(SIGNER)}\n", "{valid}"),
    Case("its authority for it", f"@cert-authority HOST {public(SIGNER)}\n", "{valid}"),
    Case("its authority, no port", f"@cert-authority {ADDRESS} {public(SIGNER)}\n", "{valid}"),
    Case("another's authority", f"@cert-authority no {public(SIGNER)}\n", "new"),
    Case("its key", f"HOST {TEXT}\n", "known"),
    Case("authority and key", f"@cert-authority * {public(SIGNER)}\nHOST {TEXT}\n", "known"),
    Case("other authority and key", f"@cert-authority * {public(OTHER)}\nHOST {TEXT}\n", "known"),
    Case(
        "authority revoked",
        f"@cert-authority * {public(SIGNER)}\n@revoked * {public(SIGNER)}\n",
        "revoked",
    ),
    Case("authority revoked, key known", f"@revoked * {public(SIGNER)}\nHOST {TEXT}\n", "revoked"),
    Case("key revoked", f"@cert-authority * {public(SIGNER)}\n@revoked * {TEXT}\n", "revoked"),
    Case(
        "another key revoked",
        f"@cert-authority * {public(SIGNER)}\n@revoked * {public(OTHER)}\n",
        "{valid}",
    ),
)


async def both(keys: HostKeys, case: Case, directory: Path) -> tuple[str, str]:
    async with ssh_server(keys) as port:
        known = case.bytes_for(port)
        ours = await airferry_says(port, known, directory, case.config)
        return ours, await openssh_says(port, known, directory, case.config)


@pytest.mark.programs
@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
async def test_a_host_with_plain_keys(case: Case, tmp_path: Path) -> None:
    assert (case.verdict,) * 2 == await both([OURS], case, tmp_path)


def certificate(*names: str, valid_before: int = 0xFFFFFFFFFFFFFFFF) -> HostKeys:
    made = SIGNER.generate_host_certificate(
        OURS.convert_to_public(), "id", principals=names, valid_before=valid_before
    )
    return [(OURS, made)]


@pytest.mark.programs
@pytest.mark.parametrize(
    ("keys", "valid"),
    [
        (certificate(ADDRESS), "known"),
        (certificate(), "known"),
        (certificate("elsewhere"), "new"),
        (certificate("127.0.0.*"), "new"),
        (certificate(ADDRESS, valid_before=1000), "new"),
    ],
    ids=["valid", "for all names", "for another name", "with wildcards", "expired"],
)
@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.name)
async def test_a_host_with_a_certificate(
    keys: HostKeys, valid: str, case: Case, tmp_path: Path
) -> None:
    assert (case.verdict.format(valid=valid),) * 2 == await both(keys, case, tmp_path)


@pytest.mark.programs
@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        (f"HOST {public(RSA)}\n", "known"),
        (f"HOST {TEXT}\n", "known"),
        (f"HOST {public(OTHER)}\nHOST {public(RSA)}\n", "changed"),
    ],
    ids=["the second", "the first", "another first"],
)
async def test_a_host_with_keys_of_several_kinds(known: str, verdict: str, tmp_path: Path) -> None:
    case = Case("", known, verdict)
    assert (verdict,) * 2 == await both([OURS, RSA], case, tmp_path)


async def test_a_changed_key_is_told_with_both_fingerprints(tmp_path: Path) -> None:
    async with ssh_server([OURS]) as port:
        link = link_to(port, tmp_path, f"# first\n[{ADDRESS}]:{port} {public(OTHER)}\n")
        with pytest.raises(AirferryError) as raised:
            await link.connection()
    words = (OURS.get_fingerprint(), OTHER.get_fingerprint(), f"{tmp_path}/known line 2")
    assert [True] * 3 == [word in raised.value.what for word in words]


async def test_a_revoked_key_is_never_accepted(tmp_path: Path) -> None:
    async with ssh_server([OURS]) as port:
        link = link_to(port, tmp_path, f"\n\n@revoked * {TEXT}\n", accept_new=True)
        with pytest.raises(AirferryError) as raised:
            await link.connection()
    error = raised.value
    assert ("E-SSH-KEY-REVOKED", True, False) == (
        error.code,
        f"{tmp_path}/known line 3" in error.what,
        "accept" in error.remedy,
    )


async def test_an_accepted_key_is_known_the_next_time(tmp_path: Path) -> None:
    async with ssh_server([OURS]) as port:
        first = link_to(port, tmp_path, accept_new=True)
        await first.connection()
        await first.close()
        second = link_to(port, tmp_path)
        await second.connection()
        await second.close()
    assert f"[{ADDRESS}]:{port} {TEXT}\n" == (tmp_path / "notes").read_text()


@pytest.mark.programs
@pytest.mark.parametrize("host", ["worker-01", "[worker-01]:2222", "fd83::13", "[fd83::13]:22"])
async def test_hashed_names(host: str, tmp_path: Path) -> None:
    """ssh-keygen hashes them, and finds the same lines."""
    file = tmp_path / "known"
    file.write_text(f"{host} {TEXT}\nelse {public(OTHER)}\n")
    await (await asyncio.create_subprocess_exec("ssh-keygen", "-q", "-H", "-f", str(file))).wait()
    found = await asyncio.create_subprocess_exec(
        *("ssh-keygen", "-F", host, "-f", str(file)), stdout=subprocess.PIPE
    )
    said, _ = await found.communicate()
    assert 1 == said.count(TEXT.split()[1].encode())
    hashed = read(file)
    assert hashed
    assert [OURS.public_data] == [known.key.public_data for known in hashed.keys_of(host)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"10.0.0.1", "is not of the form 'host keytype key'"),
        (b"Schl\xfcssel der Hosts", "has no key that can be read"),
        (b"10.0.0.1 ssh-ed25519 AAAA", "has no key that can be read"),
        (b"10.0.0.1 1024 35 1234567890", "has no key that can be read"),
        (b"@trusted 10.0.0.1 ssh-ed25519 AAAA", "begins with a marker that OpenSSH does not know"),
        (b"|1|x|y " + TEXT.encode(), "has a hashed name that is damaged"),
        (b"\0\0\0", "holds NUL bytes, as binary files do"),
    ],
    ids=["name", "text", "half a key", "protocol 1", "marker", "hashed", "binary"],
)
def test_an_odd_line_is_named_and_passed_over(line: bytes, why: str) -> None:
    file = KnownHostsFile("/known", b"# keys\n" + line + f"\n10.0.0.9 {TEXT}\n".encode())
    assert ((f"/known line 2 {why}",), 1) == (file.odd, len(file.keys_of("10.0.0.9")))


def test_a_file_of_odd_lines_is_told_in_a_few_words() -> None:
    odd = KnownHosts((KnownHostsFile("/known", b"x\n" * 1000),)).odd
    assert odd.endswith(" and 997 more")
    assert len(odd) < 300


def test_what_cannot_be_read(tmp_path: Path) -> None:
    loop, pipe = tmp_path / "loop", tmp_path / "pipe"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    found = [read(path) for path in (tmp_path, loop, pipe)]
    assert [
        (f"{tmp_path} cannot be read: it is a directory",),
        (f"{loop} cannot be read: too many levels of symbolic links",),
        (f"{pipe} cannot be read: it is no plain file",),
    ] == [file.odd for file in found if file]
    assert [None, None] == [read(Path(os.devnull)), read(tmp_path / "missing")]


@pytest.mark.parametrize(
    ("written", "address"),
    [("fd83::13", "FD83:0::13"), ("fd83:0::13", "fd83:0::13"), ("worker", "Worker")],
)
def test_spellings_of_an_address(written: str, address: str) -> None:
    known = KnownHosts((KnownHostsFile("/known", f"{written} {TEXT}\n".encode()),))
    assert Status.KNOWN is known.of(address, 22).judge(OURS)[0]

"""known_hosts files, read as OpenSSH reads them.

Written anew because asyncssh's own reader ends at the first line that it does not understand, takes
`[address]:22` for port 22 at times, and keeps nothing of where a key stands.
"""

from __future__ import annotations

import binascii
import fnmatch
import hmac
import ipaddress
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

import asyncssh

from core.words import some_of

CERT_AUTHORITY = "cert-authority"
REVOKED = "revoked"
LARGEST_BYTES = 64 << 20
SSH_PORT = 22
_BLANKS = re.compile(rb"[ \t]+")
_SAID = 3


class Status(Enum):
    """What known_hosts files say of a key that a host shows."""

    KNOWN = "known"
    NEW = "new"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True)
class KnownKey:
    """A line of a known_hosts file.

    Args:
        place: File and line, for messages.
        marker: `cert-authority`, `revoked`, or nothing.
        key: The key in it.
    """

    place: str
    marker: str
    key: asyncssh.SSHKey

    @property
    def shown(self) -> str:
        """Type, fingerprint and place, for messages."""
        return f"{shown(self.key)} ({self.place})"


def shown(key: asyncssh.SSHKey) -> str:
    """Return a key's type and fingerprint, for messages."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


class KnownHostsFile:
    """One file.

    Args:
        place: Its path, for messages.
        data: What is in it.
        fault: Why it cannot be read; empty if it can.
    """

    def __init__(self, place: str, data: bytes, fault: str = "") -> None:
        self._exact: dict[str, list[KnownKey]] = {}
        self._patterns: list[tuple[_Patterns, KnownKey]] = []
        self._hashed: list[tuple[_Hashed, KnownKey]] = []
        odd = [f"{place} {fault}"] if fault else []
        for number, line in enumerate(data.split(b"\n"), 1):
            where = f"{place} line {number}"
            try:
                self._take(where, line)
            except _OddLineError as error:
                odd.append(f"{where} {error}")
        self.odd = tuple(odd)
        """What was passed over, and why: a line each."""

    def _take(self, place: str, line: bytes) -> None:
        # OpenSSH takes a NUL for the end of the line.
        text, nul, _ = line.partition(b"\0")
        text = text.strip(b" \t\r\v\f")
        if not text and nul:
            raise _OddLineError("holds NUL bytes, as binary files do")
        if not text or text.startswith(b"#"):
            return
        marker, fields = "", _BLANKS.split(text)
        if fields[0].startswith(b"@"):
            marker = fields.pop(0)[1:].decode("ascii", "replace")
            if marker not in (CERT_AUTHORITY, REVOKED):
                raise _OddLineError("begins with a marker that OpenSSH does not know")
        if len(fields) < 3:
            raise _OddLineError("is not of the form 'host keytype key'")
        known = KnownKey(place, marker, _key(fields[1], fields[2]))
        self._note(fields[0].decode("utf-8", "surrogateescape"), known)

    def _note(self, names: str, known: KnownKey) -> None:
        if names.startswith("|"):
            self._hashed.append((_Hashed(names), known))
        elif any(mark in names for mark in "*?!"):
            self._patterns.append((_Patterns(names.lower()), known))
        else:
            for name in names.lower().split(","):
                self._exact.setdefault(name, []).append(known)

    def keys_of(self, name: str) -> list[KnownKey]:
        """Return the lines that are about a host, named as OpenSSH looks it up."""
        return [
            *self._exact.get(name, ()),
            *(known for patterns, known in self._patterns if patterns.match(name)),
            *(known for hashed, known in self._hashed if hashed.match(name)),
        ]


class _OddLineError(Exception):
    """A line that OpenSSH passes over, and why."""


def _key(kind: bytes, blob: bytes) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(kind + b" " + blob)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise _OddLineError("has no key that can be read") from error


class _Hashed:
    """A host's name that is not to be read: `|1|salt|HMAC-SHA1`."""

    def __init__(self, text: str) -> None:
        try:
            _, magic, salt, digest = text.split("|")
            self._salt, self._digest = binascii.a2b_base64(salt), binascii.a2b_base64(digest)
        except ValueError as error:
            raise _OddLineError("has a hashed name that is damaged") from error
        if magic != "1" or len(self._digest) != 20:
            raise _OddLineError("has a hashed name that is damaged")

    def match(self, name: str) -> bool:
        return hmac.digest(self._salt, name.encode("utf-8", "surrogateescape"), "sha1") == (
            self._digest
        )


class _Patterns:
    """Names with `*` and `?`; one with `!` before it takes away what others match."""

    def __init__(self, text: str) -> None:
        names = text.split(",")
        self._taken = _any_of(name for name in names if not name.startswith("!"))
        self._not = _any_of(name[1:] for name in names if name.startswith("!"))

    def match(self, name: str) -> bool:
        return bool(self._taken.match(name)) and not self._not.match(name)


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    # Brackets are themselves here: no ranges.
    some = [fnmatch.translate(pattern.replace("[", "[[]")) for pattern in patterns]
    return re.compile("|".join(some) or r"(?!)")


@dataclass(frozen=True)
class HostKeys:
    """What is known of one host.

    Args:
        own: The lines about it.
        without_port: The lines about its name without the port. They count where no other does,
            and only to say yes, or that a key is revoked.
    """

    own: tuple[KnownKey, ...] = ()
    without_port: tuple[KnownKey, ...] = ()

    def judge(self, key: asyncssh.SSHKey) -> tuple[Status, KnownKey | None]:
        """Return what is known of a key that the host shows, and the line that says so."""
        status, line = _judged(self.own, key)
        if status is Status.NEW:
            also, other = _judged(self.without_port, key)
            if also in (Status.KNOWN, Status.REVOKED):
                return also, other
        return status, line

    @property
    def authorities(self) -> list[asyncssh.SSHKey]:
        """The keys whose certificates are believed."""
        return [known.key for known in self._of(CERT_AUTHORITY)]

    @property
    def revoked(self) -> list[KnownKey]:
        """The keys that are believed no more, neither a host's nor an authority's."""
        return self._of(REVOKED)

    def _of(self, marker: str) -> list[KnownKey]:
        has_keys = any(not known.marker for known in self.own)
        lines = self.own if has_keys else (*self.own, *self.without_port)
        return [known for known in lines if known.marker == marker]

    @property
    def algorithms(self) -> list[str]:
        """The algorithms of the keys that are known, as these keys may sign."""
        lines = self.own or self.without_port
        return [
            algorithm.decode()
            for known in lines
            if not known.marker
            for algorithm in known.key.sig_algorithms
        ]


def _judged(lines: Iterable[KnownKey], key: asyncssh.SSHKey) -> tuple[Status, KnownKey | None]:
    same = [known for known in lines if known.key.public_data == key.public_data]
    revoked = next((known for known in same if known.marker == REVOKED), None)
    if revoked:
        return Status.REVOKED, revoked
    right = next((known for known in same if not known.marker), None)
    if right:
        return Status.KNOWN, right
    other = next((known for known in lines if not known.marker), None)
    return (Status.CHANGED, other) if other else (Status.NEW, None)


@dataclass(frozen=True)
class KnownHosts:
    """All the files that count for a host."""

    files: tuple[KnownHostsFile, ...]

    def of(self, address: str, port: int, alias: str = "") -> HostKeys:
        """Return what is known of a host.

        Args:
            address: Its name or address.
            port: Of its sshd.
            alias: What it is called in these files instead (HostKeyAlias); such a name has no port.
        """
        if alias:
            return HostKeys(self._lines([alias.lower()]))
        names = _spellings(address)
        if port == SSH_PORT:
            return HostKeys(self._lines(names))
        with_port = [f"[{name}]:{port}" for name in names]
        return HostKeys(self._lines(with_port), self._lines(names))

    def _lines(self, names: Iterable[str]) -> tuple[KnownKey, ...]:
        return tuple(known for file in self.files for name in names for known in file.keys_of(name))

    @property
    def odd(self) -> str:
        """What was passed over in all files, in a sentence; empty if nothing was."""
        found = [odd for file in self.files for odd in file.odd]
        return some_of(found, _SAID) if found else ""


def name_in_file(address: str, port: int, alias: str = "") -> str:
    """Return what a host is called in a known_hosts file."""
    if alias:
        return alias.lower()
    name = _spellings(address)[-1]
    return name if port == SSH_PORT else f"[{name}]:{port}"


def _spellings(address: str) -> list[str]:
    """Return an address as it is written, and as ssh-keyscan and ssh would write it."""
    written = address.lower()
    try:
        usual = str(ipaddress.ip_address(written))
    except ValueError:
        return [written]
    return list(dict.fromkeys((written, usual)))


def read(path: Path) -> KnownHostsFile | None:
    """Read a file, anew where it has changed: another console may have noted a key in it.

    Args:
        path: The file.

    Returns:
        None if it is not there.
    """
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return KnownHostsFile(str(path), b"", f"cannot be read: {_why(error)}")
    if str(path) == os.devnull:
        return None
    if not stat.S_ISREG(facts.st_mode):
        kind = "a directory" if stat.S_ISDIR(facts.st_mode) else "no plain file"
        return KnownHostsFile(str(path), b"", f"cannot be read: it is {kind}")
    if facts.st_size > LARGEST_BYTES:
        return KnownHostsFile(str(path), b"", "cannot be read: it is too large for such a file")
    return _read(str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: str, _inode: int, _size: int, _mtime_ns: int) -> KnownHostsFile:
    """Read a file; a site's, read for each of its hosts, would cost more than SSH."""
    try:
        return KnownHostsFile(path, Path(path).read_bytes())
    except OSError as error:
        return KnownHostsFile(path, b"", f"cannot be read: {_why(error)}")


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return (said or str(error)).lower()

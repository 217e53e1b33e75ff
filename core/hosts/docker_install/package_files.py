"""What single files of an offline Docker bundle are: .deb and .rpm packages, programs.

Told by content and never by the name: sites rename files. Only the beginning of a file is read.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from core.bundle.decompress import compression_of, decompressed
from core.bundle.tarstream import TarStream
from core.errors import BundleCorrupt

Read = Callable[[int], bytes]

DEB_MAGIC = b"!<arch>\ndebian-binary"
RPM_MAGIC = b"\xed\xab\xee\xdb"
ELF_MAGIC = b"\x7fELF"
HEAD_BYTES = 96  # an rpm's lead; of the others less is looked at
PROGRAMS = frozenset(
    {
        "dockerd",
        "docker",
        "docker-init",
        "docker-proxy",
        "containerd",
        "containerd-shim",
        "containerd-shim-runc-v1",
        "containerd-shim-runc-v2",
        "ctr",
        "runc",
    }
)
"""The files of Docker's static bundle."""

_MAX_CONTROL_BYTES = 4 << 20
_MAX_HEADER_BYTES = 64 << 20
_MAX_TAGS = 1 << 16
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_RPM_SOURCE = 1
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_INT32, _STRING = 4, 6
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
# As images name them; empty for packages that fit every one.
_ARCHITECTURES = {
    "all": "",
    "noarch": "",
    "x86_64": "amd64",
    "aarch64": "arm64",
    "ppc64el": "ppc64le",
    "armhf": "arm",
    "armv7hl": "arm",
}
_MACHINES = {62: "amd64", 183: "arm64", 40: "arm", 21: "ppc64le", 22: "s390x", 3: "386"}


class Family(StrEnum):
    """What a file is installed by; the value names such files."""

    DEB = ".deb packages"
    RPM = ".rpm packages"
    STATIC = "static binaries"


@dataclass(frozen=True)
class Package:
    """One package, or one program of the static bundle.

    Args:
        family: What it is.
        name: The package's name, or the program's.
        version: With epoch and release; empty for a program.
        arch: As images name it; empty for any.
        member: Where it lies in its archive or directory.
        size_bytes: The file's size.
    """

    family: Family
    name: str
    version: str
    arch: str
    member: str
    size_bytes: int


def read_package(member: str, size_bytes: int, read: Read) -> Package | None:
    """Say what a file is; None for what installs no Docker.

    Args:
        member: Where it lies.
        size_bytes: Its size.
        read: Returns its next bytes, at most so many.

    Raises:
        BundleCorrupt: it begins as a package and does not go on as one.
    """
    head = read(HEAD_BYTES)
    if head.startswith(DEB_MAGIC):
        family, found = Family.DEB, _deb_fields(member, head, read)
    elif head.startswith(RPM_MAGIC):
        if head[6:8] == _RPM_SOURCE.to_bytes(2, "big"):
            return None
        family, found = Family.RPM, _rpm_fields(member, read)
    elif head.startswith(ELF_MAGIC) and (name := PurePosixPath(member).name) in PROGRAMS:
        family, found = Family.STATIC, (name, "", _elf_arch(head))
    else:
        return None
    name, version, arch = found
    if not _PLAIN_NAME.fullmatch(name):
        raise BundleCorrupt(f"{member}: is a package with an impossible name")
    arch = _ARCHITECTURES.get(arch, arch)
    return Package(family, name, version, arch, member, size_bytes)


def version_key(version: str) -> list[tuple[int, int | str]]:
    """Return what versions of packages are ordered by: numbers as such, `~` before the end."""
    epoch, _, rest = version.rpartition(":")
    key: list[tuple[int, int | str]] = [(2, int(epoch) if epoch.isdecimal() else 0)]
    for part in re.findall(r"[0-9]+|~|[^0-9~]+", rest):
        if part == "~":
            key.append((-1, ""))
        else:
            key.append((2, int(part)) if part.isdecimal() else (1, part))
    return [*key, (0, "")]


def _deb_fields(member: str, head: bytes, read: Read) -> tuple[str, str, str]:
    """Read the control file: the second member of an ar archive, a small tar."""
    begin = 8 + 60 + 4  # ar's mark, the header of debian-binary and its content
    header = (head + read(max(0, begin + 60 - len(head))))[begin : begin + 60]
    digits = header[48:58].strip()
    if not header.startswith(b"control.tar") or not digits.isdigit():
        raise BundleCorrupt(f"{member}: is a damaged .deb package")
    size = int(digits)
    if size > _MAX_CONTROL_BYTES or len(data := read(size)) < size:
        raise BundleCorrupt(f"{member}: is a .deb package that is not whole")
    stream = TarStream(decompressed(compression_of(data), io.BytesIO(data), member), member)
    for entry in stream:
        if PurePosixPath(entry.name) == PurePosixPath("control"):
            text = stream.read(_MAX_CONTROL_BYTES).decode("utf-8", "replace")
            lines = (line.partition(":") for line in text.splitlines() if line[:1].strip())
            fields = {name.lower(): value.strip() for name, _, value in lines}
            wanted = ("package", "version", "architecture")
            return fields.get(wanted[0], ""), fields.get(wanted[1], ""), fields.get(wanted[2], "")
    raise BundleCorrupt(f"{member}: is a .deb package without a control file")


def _rpm_fields(member: str, read: Read) -> tuple[str, str, str]:
    """Read the header; the signatures, of the same make, stand before it."""
    _, store = _rpm_header(member, read)
    read(-len(store) % 8)
    tags, store = _rpm_header(member, read)

    def text(tag: int) -> str:
        kind, offset = tags.get(tag, (0, 0))
        if kind != _STRING:
            return ""
        return store[offset:].split(b"\0", 1)[0].decode("utf-8", "replace")

    kind, offset = tags.get(_EPOCH, (0, 0))
    epoch = store[offset : offset + 4] if kind == _INT32 else b""
    prefix = f"{int.from_bytes(epoch, 'big')}:" if epoch else ""
    return text(_NAME), f"{prefix}{text(_VERSION)}-{text(_RELEASE)}", text(_ARCH)


def _rpm_header(member: str, read: Read) -> tuple[dict[int, tuple[int, int]], bytes]:
    """Return one header's index (tag to type and offset) and its store."""
    intro = read(16)
    if len(intro) < 16 or not intro.startswith(_HEADER_MAGIC):
        raise BundleCorrupt(f"{member}: is a damaged .rpm package")
    count, size = struct.unpack(">II", intro[8:])
    if count > _MAX_TAGS or size > _MAX_HEADER_BYTES:
        raise BundleCorrupt(f"{member}: is a damaged .rpm package")
    index, store = read(16 * count), read(size)
    if len(index) < 16 * count or len(store) < size:
        raise BundleCorrupt(f"{member}: is an .rpm package that is not whole")
    return {
        tag: (kind, offset) for tag, kind, offset, _ in struct.iter_unpack(">IIII", index)
    }, store


def _elf_arch(head: bytes) -> str:
    order = "<" if head[5] == 1 else ">"
    (machine,) = struct.unpack(f"{order}H", head[18:20])
    name = _MACHINES.get(machine, f"ELF machine {machine}")
    return "ppc64" if name == "ppc64le" and order == ">" else name

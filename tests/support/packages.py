"""Tiny packages and bundles of them: real .deb files, .rpm headers and ELF heads made by hand."""

from __future__ import annotations

import io
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.support.waiting import HANG_S

DEB_CONTROL = """\
Package: {name}
Version: {version}
Architecture: {arch}
Maintainer: nobody <nobody@example.org>
Description: test
"""


@cache
def deb(name: str, version: str, arch: str = "amd64") -> bytes:
    """Return a package that the real dpkg-deb has made."""
    with tempfile.TemporaryDirectory() as scratch:
        tree, path = Path(scratch, "tree"), Path(scratch, "made.deb")
        (tree / "DEBIAN").mkdir(parents=True)
        text = DEB_CONTROL.format(name=name, version=version, arch=arch)
        (tree / "DEBIAN/control").write_text(text)
        command = ["dpkg-deb", "--root-owner-group", "-b", str(tree), str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=HANG_S)
        return path.read_bytes()


def rpm(
    name: str, version: str, release: str, arch: str = "x86_64", *, source: bool = False
) -> bytes:
    """Return lead, signatures and header of a package, as rpm's file format has them."""
    lead = b"\xed\xab\xee\xdb\x03\x00" + struct.pack(">HH66sHH16x", int(source), 1, b"", 1, 5)
    signatures = _rpm_header({1000: "signed"})
    padding = bytes(-len(signatures) % 8)
    return (
        lead
        + signatures
        + padding
        + _rpm_header({1000: name, 1001: version, 1002: release, 1022: arch})
    )


def _rpm_header(texts: Mapping[int, str]) -> bytes:
    index, store = b"", b""
    for tag, text in texts.items():
        index += struct.pack(">IIII", tag, 6, len(store), 1)
        store += text.encode() + b"\0"
    return (
        b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", len(texts), len(store)) + index + store
    )


def elf(machine: int = 62) -> bytes:
    """Return the beginning of a program for a processor, little-endian."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(100)


def tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    """Write an archive and return its path."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def put(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a directory and return it."""
    for name, data in files.items():
        place = directory / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return directory

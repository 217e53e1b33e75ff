"""Tar archives that come out the same from the same files."""

import gzip
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

COMPRESSION_LEVEL = 1
MODIFIED_AT_S = 1_600_000_000


@contextmanager
def archive(path: Path) -> Iterator[tarfile.TarFile]:
    """Give a new tar to fill, compressed when its name ends in `.gz`."""
    if path.suffix != ".gz":
        with tarfile.open(path, "w") as tar:
            yield tar
        return
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        yield tar


def add_text(tar: tarfile.TarFile, name: str, text: str | bytes, mode: int = 0o644) -> None:
    """Add a file from memory."""
    data = text.encode() if isinstance(text, str) else text
    entry = _plain(tarfile.TarInfo(name))
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, BytesIO(data))


def add_directory(tar: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    """Add a directory."""
    entry = _plain(tarfile.TarInfo(name))
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    """Add a symbolic link."""
    entry = _plain(tarfile.TarInfo(name))
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
    tar.addfile(entry)


def add_file(tar: tarfile.TarFile, name: str, source: Path) -> None:
    """Add a file of this machine under another name, owned by root."""
    tar.add(source, name, recursive=False, filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = MODIFIED_AT_S
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry

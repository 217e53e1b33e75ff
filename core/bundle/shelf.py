"""Which files of a directory are bundles, and which are not, and why."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.bundle.checksums import is_checksum_file
from core.bundle.decompress import compression_of
from core.bundle.directory import is_layout, layout_files
from core.bundle.model import BundleFile, printable
from core.bundle.parts import part_name, parts_of
from core.bundle.reading import readable
from core.bundle.source import DESCRIPTORS, STDIN_TITLE
from core.bundle.tarstream import BLOCK, begins_archive
from core.errors import BundleError

# Artifacts of the vendor that lie in the same directory and hold no images.
_OTHER_ARTIFACTS = re.compile(
    r"(docker-(?!imgs)|hostagent-|nodelet|pf9-kube-|pf9-deploy-|ansible-|du-|airctl-).*"
    r"|install\.sh"
)
_OTHER_CHECKSUMS = frozenset({".sha1", ".sha224", ".sha384", ".sha512"})
_END_BYTES = 64 << 10
_SIGNATURES = frozenset({".asc", ".sig"})


@dataclass(frozen=True)
class Ignored:
    """A file in imagesDir that is no bundle, and why."""

    name: str
    reason: str


def bundle_file(path: Path) -> BundleFile:
    """Describe one bundle: a file, any part of a split one, an OCI layout directory, or a pipe.

    Raises:
        BundleError: it cannot be opened, or is none of these.
    """
    may_be_split = part_name(path.name) or not path.exists()
    if may_be_split and path.parent.is_dir():
        with readable(path.parent):
            return _described(path, list(path.parent.iterdir()))
    return _described(path, [])


def _described(path: Path, beside: list[Path]) -> BundleFile:
    if path.is_dir():
        return _layout(path)
    parts = parts_of(path, beside)
    if parts:
        return _split(parts)
    with readable(path):
        facts = path.stat()
    title = STDIN_TITLE if path.parent == DESCRIPTORS else ""
    if stat.S_ISFIFO(facts.st_mode) or stat.S_ISSOCK(facts.st_mode):
        return BundleFile(path, 0, time.time_ns(), title=title)
    if not stat.S_ISREG(facts.st_mode):
        raise BundleError(f"{path}: not a file", remedy="Name a bundle file.")
    return BundleFile(
        path, facts.st_size, facts.st_mtime_ns, title=title, fingerprint=_fingerprint([path])
    )


def find_bundles(directory: Path) -> tuple[list[BundleFile], list[Ignored]]:
    """Return the bundles of a directory in the order of their names, and what was passed over.

    Raises:
        BundleError: the directory cannot be read.
    """
    with readable(directory):
        paths = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    bundles: list[BundleFile] = []
    ignored: list[Ignored] = []
    described: set[Path] = set()
    for path in paths:
        if path in described:
            continue
        reason = _reason_to_ignore(path)
        if reason:
            ignored.append(Ignored(printable(path.name), reason))
        else:
            bundles.append(_described(path, paths if part_name(path.name) else []))
            described.update(bundles[-1].files)
    return bundles, ignored


def packing_of(file: BundleFile) -> str:
    """Return how a bundle is compressed as a whole, as `compression_of` does.

    Raises:
        BundleError: it cannot be read.
    """
    return compression_of(_head(file.path)) if file.path.is_file() else ""


def _head(path: Path) -> bytes:
    with readable(path), path.open("rb") as file:
        return file.read(BLOCK)


def _reason_to_ignore(path: Path) -> str:
    if path.is_dir():
        return "" if is_layout(path) else "a directory, and no OCI image layout"
    if not path.is_file():
        return "not a file"
    if _OTHER_ARTIFACTS.fullmatch(path.name):
        return "another artifact of the site, not images"
    if is_checksum_file(path):
        return "checksums, compared when their bundle is read"
    if path.suffix in _OTHER_CHECKSUMS:
        return "checksums of a kind that is not compared"
    if path.suffix in _SIGNATURES:
        return "a signature"
    if part_name(path.name) or begins_archive(_head(path)):
        return ""
    # A bundle that is damaged at its very beginning is to be reported, not passed over.
    return "" if ".tar" in path.name or path.suffix == ".tgz" else "not an archive"


def _split(parts: tuple[Path, ...]) -> BundleFile:
    facts = list(_facts(parts))
    name = part_name(parts[0].name)
    return BundleFile(
        path=parts[0],
        size_bytes=sum(size for size, _ in facts),
        modified_ns=max(modified for _, modified in facts),
        parts=parts,
        title=name.stem if name else "",
        fingerprint=_fingerprint([parts[0], parts[-1]]),
    )


def _layout(path: Path) -> BundleFile:
    if not is_layout(path):
        raise BundleError(
            f"{path}: not a file, and no directory with an OCI image layout",
            remedy="Name a bundle file, or a directory with oci-layout and index.json in it.",
        )
    facts = list(_facts(layout_files(path)))
    return BundleFile(
        path=path,
        size_bytes=sum(size for size, _ in facts),
        modified_ns=max(modified for _, modified in facts),
        fingerprint=_fingerprint([path / "index.json"]),
    )


def _fingerprint(paths: list[Path]) -> str:
    """Return the digest of what files begin and end with: manifests and CRCs stand at the end."""
    ends = hashlib.sha256()
    for path in paths:
        with readable(path), path.open("rb") as file:
            ends.update(file.read(_END_BYTES))
            file.seek(max(0, file.seek(0, os.SEEK_END) - _END_BYTES))
            ends.update(file.read(_END_BYTES))
    return ends.hexdigest()


def _facts(paths: tuple[Path, ...] | list[Path]) -> Iterator[tuple[int, int]]:
    for path in paths:
        with readable(path):
            facts = path.stat()
        yield facts.st_size, facts.st_mtime_ns

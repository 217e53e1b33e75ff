"""Which files of a directory are bundles, and which are not, and why."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.bundle.checksums import is_checksum_file
from core.bundle.decompress import compression_of
from core.bundle.directory import is_layout, lack_of_layout, layout_files
from core.bundle.errors import readable, without_waiting
from core.bundle.first_bytes import TEXT, form_of
from core.bundle.model import BundleFile
from core.bundle.parts import missing_parts, part_name, parts_of
from core.bundle.source import DESCRIPTORS, STDIN_TITLE
from core.bundle.tarstream import BLOCK, begins_archive
from core.errors import BundleError, NotABundle
from core.printable import printable

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
    """A file in imagesDir that is no bundle, and why; `error` where it could not be read."""

    name: str
    reason: str
    error: BundleError | None = field(default=None, compare=False)


def bundle_file(path: Path) -> BundleFile:
    """Describe one bundle: a file, any part of a split one, an OCI layout directory, or a pipe.

    Raises:
        BundleError: it cannot be opened, or is none of these.
    """
    may_be_split = part_name(path.name) or not os.path.exists(path)  # noqa: PTH110 - also too long
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
        path, facts.st_size, facts.st_mtime_ns, title=title, fingerprint=fingerprint_of([path])
    )


def find_bundles(
    directory: Path, *, pass_unreadable: bool = False
) -> tuple[list[BundleFile], list[Ignored]]:
    """Return the bundles of a directory in the order of their names, and what was passed over.

    Args:
        directory: Where to look.
        pass_unreadable: Pass over files that cannot be read: of a stick the others may be wanted.
            In imagesDir every bundle counts.

    Raises:
        BundleError: the directory cannot be read, or a file in it.
    """
    with readable(directory):
        paths = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    bundles: list[BundleFile] = []
    ignored: list[Ignored] = []
    described: set[Path] = set()
    for path in paths:
        if path in described:
            continue
        unreadable: BundleError | None = None
        try:
            reason = _reason_to_ignore(path)
            if not reason:
                bundles.append(_described(path, paths if part_name(path.name) else []))
                described.update(bundles[-1].files)
        except BundleError as error:
            if not pass_unreadable:
                raise
            reason, unreadable = error.what.removeprefix(f"{path}: "), error
        if reason:
            ignored.append(Ignored(printable(path.name), reason, unreadable))
    return bundles, ignored


def gap_in(file: BundleFile) -> str:
    """Return which parts of a split bundle are seen to be missing; empty where none are.

    Whether parts are missing at its end shows only when it is read.

    Raises:
        BundleError: it cannot be read.
    """
    if not file.parts:
        return ""
    missing = missing_parts(file.parts, first_begins_archive=begins_archive(_head(file.parts[0])))
    if not missing:
        return ""
    if len(missing) == 1:
        return f"part {missing[0]} is missing"
    return f"parts {missing[0]} and {len(missing) - 1} more are missing"


def packing_of(file: BundleFile) -> str:
    """Return how a bundle is compressed as a whole, as `compression_of` does.

    Raises:
        BundleError: it cannot be read.
    """
    return compression_of(_head(file.path)) if file.path.is_file() else ""


def registry_bytes(file: BundleFile) -> int:
    """Return about how much a bundle that was never imported takes in the registry.

    A compressed bundle needs as much again, a plain tar about half of it.
    """
    return file.size_bytes if packing_of(file) else file.size_bytes // 2


def _head(path: Path) -> bytes:
    with readable(path), open(path, "rb", opener=without_waiting) as file:
        return file.read(BLOCK) or b""


def _reason_to_ignore(path: Path) -> str:
    if path.is_dir():
        if is_layout(path):
            return ""
        lack = lack_of_layout(path)
        return f"a directory, and no OCI image layout{lack and ': ' + lack}"
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
    if ".tar" in path.name or path.suffix == ".tgz":
        return ""
    form = form_of(_head(path))
    return f"not an archive: {form.what}" if form and form != TEXT else "not an archive"


def _split(parts: tuple[Path, ...]) -> BundleFile:
    facts = list(_facts(parts))
    name = part_name(parts[0].name)
    return BundleFile(
        path=parts[0],
        size_bytes=sum(size for size, _ in facts),
        modified_ns=max(modified for _, modified in facts),
        parts=parts,
        title=name.stem if name else "",
        fingerprint=fingerprint_of([parts[0], parts[-1]]),
    )


def _layout(path: Path) -> BundleFile:
    if not is_layout(path):
        lack = lack_of_layout(path)
        raise NotABundle(
            f"{path}: not a file, and no directory with an OCI image layout{lack and ': ' + lack}",
            remedy="Name a bundle file, or a directory with oci-layout and index.json in it.",
        )
    facts = list(_facts(layout_files(path)))
    listings = (path / "index.json", path / "manifest.json")
    return BundleFile(
        path=path,
        size_bytes=sum(size for size, _ in facts),
        modified_ns=max(modified for _, modified in facts),
        fingerprint=fingerprint_of([listing for listing in listings if listing.is_file()]),
    )


def gaps_in(files: Iterable[BundleFile]) -> dict[Path, str]:
    """Return what `gap_in` says of those bundles of which it says anything, by their paths."""
    found = {}
    for file in files:
        try:
            gap = gap_in(file)
        except BundleError as error:
            gap = error.what.removeprefix(f"{file.path}: ")
        if gap:
            found[file.path] = gap
    return found


def fingerprint_of(paths: list[Path]) -> str:
    """Return the digest of what files begin and end with: manifests and CRCs stand at the end."""
    ends = hashlib.sha256()
    for path in paths:
        with readable(path), open(path, "rb", opener=without_waiting) as file:
            ends.update(file.read(_END_BYTES))
            file.seek(max(0, file.seek(0, os.SEEK_END) - _END_BYTES))
            ends.update(file.read(_END_BYTES))
    return ends.hexdigest()


def _facts(paths: tuple[Path, ...] | list[Path]) -> Iterator[tuple[int, int]]:
    for path in paths:
        with readable(path):
            facts = path.stat()
        yield facts.st_size, facts.st_mtime_ns

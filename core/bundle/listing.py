"""Which files of a directory are bundles, and what is in one, without importing it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.bundle.images import images_of
from core.bundle.members import collect
from core.bundle.model import Bundle, BundleFile, Layer
from core.bundle.source import compression_of, open_bundle, readable
from core.bundle.tarstream import BLOCK, Member, TarStream, is_tar_header
from core.errors import BundleError, NotABundle

# Artifacts of the vendor that lie in the same directory and hold no images.
_OTHER_ARTIFACTS = re.compile(
    r"(docker-(?!imgs)|hostagent-|nodelet|pf9-kube-|pf9-deploy-|ansible-|du-|airctl-).*"
    r"|install\.sh"
)
# What lies beside a bundle under its name; a bundle that is damaged is to be reported instead.
_BESIDE = frozenset({".sha256", ".sha512", ".md5", ".asc", ".sig"})


@dataclass(frozen=True)
class Ignored:
    """A file in imagesDir that is no bundle, and why."""

    name: str
    reason: str


def bundle_file(path: Path) -> BundleFile:
    """Describe one file.

    Raises:
        BundleError: it cannot be opened.
    """
    with readable(path):
        facts = path.stat()
    if not path.is_file():
        raise BundleError(f"{path}: not a file", remedy="Name a bundle file.")
    return BundleFile(path, facts.st_size, facts.st_mtime_ns)


def find_bundles(directory: Path) -> tuple[list[BundleFile], list[Ignored]]:
    """Return the bundles of a directory in the order of their names, and what was passed over.

    Raises:
        BundleError: the directory cannot be read.
    """
    with readable(directory):
        paths = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    bundles: list[BundleFile] = []
    ignored: list[Ignored] = []
    for path in paths:
        reason = _reason_to_ignore(path)
        if reason:
            ignored.append(Ignored(path.name, reason))
        else:
            bundles.append(bundle_file(path))
    return bundles, ignored


def _reason_to_ignore(path: Path) -> str:
    if not path.is_file():
        return "not a file"
    if _OTHER_ARTIFACTS.fullmatch(path.name):
        return "another artifact of the site, not images"
    with readable(path), path.open("rb") as file:
        head = file.read(BLOCK)
    looks_like_archive = compression_of(head) or (head and is_tar_header(head.ljust(BLOCK, b"\1")))
    named_like_archive = ".tar" in path.name or path.suffix == ".tgz"
    if looks_like_archive or (named_like_archive and path.suffix not in _BESIDE):
        return ""
    return "not an archive"


def list_bundle(file: BundleFile, go_on: Callable[[], None] = lambda: None) -> Bundle:
    """Read what is in a bundle without hashing its layers (their sizes are those of the tar).

    Raises:
        BundleError: it cannot be read, or is not whole.
    """
    with open_bundle(file.path, go_on) as (stream, _):
        archive = TarStream(stream, file.name)
        members = collect(archive, file.name, _listed)
    images = images_of(members)
    if not images:
        raise NotABundle(f"{file.name}: no image in it")
    return Bundle(file.name, file.size_bytes, images, imported=False)


def _listed(member: Member, _head: bytes) -> Layer:
    return Layer(diff_id="", digest="", size_bytes=member.size_bytes)

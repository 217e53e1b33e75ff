"""The storage directory of the DU's registry as files: names, links and blobs.

CNCF distribution keeps every blob once (`blobs/sha256/ab/abcd.../data`, manifests among them), and
in each repository links to them: files that hold a digest. A tag is a link, too. What a link leads
to is there for who pulls; what nothing leads to takes room only.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from core.bundle.model import sha256_digest
from core.errors import BundleCorrupt
from core.files import write_atomically
from core.registry.api.parallel import Name
from core.registry.content.snapshot import MAX_DEPTH, Document
from core.registry.content.staging import STAGE

MAX_MANIFEST_BYTES = 8 << 20
ASIDE = "airferry-damaged"
_ROOT = Path("docker/registry/v2")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_READS, _READ_AGAIN_S = 3, 0.02
_READ_BYTES = 1 << 20
# What is said of who asks, and not of the blob: it may not read, or lacks handles or memory.
_OWN_FAULTS = frozenset({errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class LinkType(StrEnum):
    """What a link is for."""

    REVISION = "_manifests/revisions"
    PART = "_layers"
    HISTORY = "_manifests/tags"


@dataclass(frozen=True)
class Link:
    """A file of a repository that leads to a blob.

    Args:
        leads: What it is for.
        repository: Whose it is.
        digest: What it should hold, as its place says.
        path: The file.
        is_sound: Whether it holds that.
    """

    leads: LinkType
    repository: str
    digest: str
    path: Path
    is_sound: bool


class Storage:
    """What a registry has in its directory. Nothing is cached: every call looks.

    Args:
        directory: Its `registryDir`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._blobs = directory / _ROOT / "blobs/sha256"
        self._repositories = directory / _ROOT / "repositories"

    def repositories(self) -> Iterator[str]:
        """Yield every repository, the one for imports among them."""
        for place, directories, _ in os.walk(self._repositories):
            own = [name for name in directories if name.startswith("_")]
            directories[:] = sorted(name for name in directories if not name.startswith("_"))
            if own:
                yield Path(place).relative_to(self._repositories).as_posix()

    def tags(self) -> dict[Name, str]:
        """Return what each (repository, tag) stands for; empty where its link cannot be read."""
        found = {}
        for repository in self.repositories():
            if repository != STAGE:
                for place in _directories(self._of(repository) / LinkType.HISTORY):
                    link = place / "current/link"
                    found[repository, place.name] = _held_by(link, lambda text: bool(text))
        return found

    def history(self, repository: str, tag: str) -> list[str]:
        """Return what a tag stands for or once stood for."""
        places = _directories(self._tag(repository, tag) / "index/sha256")
        return [f"sha256:{place.name}" for place in places]

    def links(self, repository: str) -> Iterator[Link]:
        """Yield the links of a repository, but for what its tags stand for now."""
        own = self._of(repository)
        places = [(leads, own / leads / "sha256") for leads in (LinkType.REVISION, LinkType.PART)]
        tags = _directories(own / LinkType.HISTORY)
        places += [(LinkType.HISTORY, tag / "index/sha256") for tag in tags]
        for leads, place in places:
            for directory in _directories(place):
                digest, path = f"sha256:{directory.name}", directory / "link"
                if _DIGEST.fullmatch(digest) and path.exists():
                    held = _held_by(path, digest.__eq__)
                    yield Link(leads, repository, digest, path, held == digest)

    def link_path(self, leads: LinkType, repository: str, digest: str) -> Path:
        """Return where the link to a manifest or a part is, or would be."""
        return self._of(repository) / leads / "sha256" / digest.removeprefix("sha256:") / "link"

    def put_link(self, path: Path, digest: str) -> None:
        """Write a link.

        Raises:
            OSError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, digest)

    def put_tag(self, name: Name, digest: str) -> None:
        """Let a tag stand for a manifest.

        Raises:
            OSError: it cannot be written.
        """
        place, hexadecimal = self._tag(*name), digest.removeprefix("sha256:")
        self.put_link(place / "index/sha256" / hexadecimal / "link", digest)
        self.put_link(place / "current/link", digest)

    def blobs(self) -> dict[str, int]:
        """Return the size of each blob in bytes."""
        found = {}
        for place in _directories(self._blobs):
            for directory in _directories(place):
                try:
                    found[f"sha256:{directory.name}"] = (directory / "data").stat().st_size
                except FileNotFoundError:
                    continue
        return found

    def blob_path(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        hexadecimal = digest.removeprefix("sha256:")
        return self._blobs / hexadecimal[:2] / hexadecimal / "data"

    def has(self, digest: str) -> bool:
        """Whether there is such a blob, whole or not."""
        return self.blob_path(digest).is_file()

    def is_damaged(
        self, digest: str, go_on: Callable[[], None], told: Callable[[int], None]
    ) -> bool:
        """Whether a blob is there and is not whole: other bytes, or bytes that cannot be read.

        It is read as it is on the disk: memory may still hold what the disk has lost.

        Args:
            digest: The blob's.
            go_on: Called again and again; raises to end it.
            told: Told the bytes of each piece that was read.

        Raises:
            OSError: this process cannot read it; that says nothing of the blob.
        """
        found = hashlib.sha256()
        try:
            for piece in _pieces(self.blob_path(digest)):
                go_on()
                found.update(piece)
                told(len(piece))
        except _UnreadableError as error:
            return error.is_there
        return f"sha256:{found.hexdigest()}" != digest

    def document(self, digest: str) -> Document | None:
        """Return a manifest or list; None where it is not there, or not what its digest says."""
        path = self.blob_path(digest)
        try:
            if path.stat().st_size > MAX_MANIFEST_BYTES:
                return None
            data = path.read_bytes()
        except OSError:
            return None
        return Document("", data) if sha256_digest(data) == digest else None

    def put_aside(self, digest: str) -> None:
        """Move a damaged blob out of the registry's sight, so that it takes that blob again.

        Raises:
            OSError: it cannot be moved.
        """
        self.aside_path(digest).parent.mkdir(exist_ok=True)
        self.blob_path(digest).replace(self.aside_path(digest))

    def aside_path(self, digest: str) -> Path:
        """Return where a damaged blob is kept until a whole one has taken its place."""
        return self.directory / ASIDE / digest.removeprefix("sha256:")

    def aside(self) -> dict[str, int]:
        """Return the size of each damaged blob that was put aside."""
        try:
            paths = list((self.directory / ASIDE).iterdir())
        except FileNotFoundError:
            return {}
        return {f"sha256:{path.name}": path.stat().st_size for path in paths}

    def uploads(self) -> Iterator[tuple[Path, float]]:
        """Yield the directory of each unfinished upload, and its age in seconds."""
        for repository in self.repositories():
            for place in _directories(self._of(repository) / "_uploads"):
                try:
                    inside = [path.stat().st_mtime for path in place.iterdir()]
                    newest = max(inside, default=place.stat().st_mtime)
                except FileNotFoundError:
                    continue
                yield place, time.time() - newest

    def drafts(self) -> list[Path]:
        """Return what killed processes of Airferry left half-written."""
        return sorted(self._repositories.glob("**/link.new"))

    def _of(self, repository: str) -> Path:
        return self._repositories / repository

    def _tag(self, repository: str, tag: str) -> Path:
        return self._of(repository) / LinkType.HISTORY / tag


class _UnreadableError(Exception):
    """The disk does not give a blob: a type of its own, for who is told may raise an OSError, too.

    Args:
        is_there: Whether there is such a blob at all.
    """

    def __init__(self, *, is_there: bool) -> None:
        super().__init__()
        self.is_there = is_there


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while piece := file.read(_READ_BYTES):
                yield piece
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except FileNotFoundError as error:
        raise _UnreadableError(is_there=False) from error
    except OSError as error:
        if tells_of_damage(error):
            raise _UnreadableError(is_there=True) from error
        raise


def tells_of_damage(error: OSError) -> bool:
    """Whether an error in reading a blob that is there says that the disk has lost it.

    Args:
        error: As the system gave it: an input/output error does, a process without handles not.
    """
    return error.errno not in _OWN_FAULTS


def _directories(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _held_by(path: Path, is_right: Callable[[str], bool]) -> str:
    """Return the digest that a link holds; empty if it holds none.

    The registry writes links in place: for a moment one is empty, so it is looked at again.
    """
    for number in range(_READS):
        try:
            text = path.read_bytes()[:200].decode("ascii", "replace")
        except OSError:
            text = ""
        found = text if _DIGEST.fullmatch(text) else ""
        if is_right(found):
            return found
        if number + 1 < _READS:
            time.sleep(_READ_AGAIN_S)
    return found


@dataclass
class Reachability:
    """What the names of a registry lead to.

    Args:
        tags: What each (repository, tag) stands for.
        manifests: Each (repository, digest) of a manifest, and the names that need it.
        parts: The same of configs and layers.
        sizes: What the manifests say of the size of each part, in bytes (schema 1 says nothing).
        unread: The manifests that could not be read.
    """

    tags: Mapping[Name, str]
    manifests: dict[Name, dict[str, None]] = field(default_factory=dict)
    parts: dict[Name, dict[str, None]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    @property
    def digests(self) -> set[str]:
        """The digest of everything that is needed."""
        return {digest for _, digest in (*self.manifests, *self.parts)}

    def names_of(self, digests: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the names that need each of some manifests and parts."""
        wanted = frozenset(digests)
        found: dict[str, dict[str, None]] = {digest: {} for digest in wanted}
        for needs in (self.manifests, self.parts):
            for (_, digest), names in needs.items():
                if digest in wanted:
                    found[digest].update(names)
        return {digest: tuple(sorted(names)) for digest, names in found.items()}


def reach_of(tags: Mapping[Name, str], read: Callable[[str, str], Document | None]) -> Reachability:
    """Follow every name to all that it needs.

    Args:
        tags: What each (repository, tag) stands for; an empty digest is passed over.
        read: Returns the manifest of a repository and digest, or None where it cannot be read.
    """
    reach = Reachability(tags)
    read_already: dict[str, Document | None] = {}

    def follow(repository: str, digest: str, name: str, depth: int) -> None:
        names = reach.manifests.setdefault((repository, digest), {})
        if name in names:
            return
        names[name] = None
        if digest not in read_already:
            read_already[digest] = read(repository, digest)
        document = read_already[digest]
        try:
            children = list(document.children) if document else []
            parts = document.blobs if document else {}
            old = document.old_layers if document else ()
        except BundleCorrupt:
            document, children, parts, old = None, [], {}, ()
        if document is None or (children and depth == MAX_DEPTH):
            reach.unread.add(digest)  # what is nested deeper nobody looked at
            return
        for part in old:
            reach.parts.setdefault((repository, part), {})[name] = None
        for part, size_bytes in parts.items():
            if part not in document.foreign:
                reach.parts.setdefault((repository, part), {})[name] = None
                reach.sizes[part] = size_bytes
        for child in children:
            follow(repository, child, name, depth + 1)

    for (repository, tag), digest in sorted(tags.items()):
        if digest:
            follow(repository, digest, f"{repository}:{tag}", 0)
    return reach

"""The registry's whole content into one archive that is itself a bundle.

Written under another name, brought to the medium, read back from there and compared, and only then
given its name. The registry is read as it was when the manifests were read: what is pushed
meanwhile changes nothing, because all else is asked for by digest.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from core.bundle.blobs import blob_name
from core.bundle.decompress import ReadAhead
from core.bundle.draft import ArchiveDraft, remove_left_over
from core.bundle.tarstream import BLOCK
from core.errors import AirferryError, BackupPlaceUnfit, Cancelled, RegistryError
from core.pause import Pause
from core.registry.api.client import RegistryClient
from core.registry.api.parallel import asked
from core.registry.backup.archive import BackupArchive, BackupMetadata, site_documents
from core.registry.backup.read_back import ReadBack, ReadsBackOtherwise, WrittenMember
from core.registry.backup.target import errors_of, require_place
from core.registry.content.snapshot import LOST, RegistrySnapshot
from core.registry.local.blob_files import BlobFiles
from core.registry.local.storage import tells_of_damage

SMALL_BYTES = 256 << 10
SMALL_AT_ONCE = 64
_END = bytes(2 * BLOCK)
_BAD_MEDIUM = "The disk or stick is bad: take another one. Nothing was left there."


@dataclass(frozen=True)
class BackupWanted:
    """What a backup is to be.

    Args:
        directory: Where it goes.
        name: Its file name.
        created: See `BackupMetadata`.
        config: The site's config, to lie in it.
        part_bytes: The most that one file may hold; 0 for one file.
        earlier: Backups whose blobs are left out.
    """

    directory: Path
    name: str
    created: str
    config: bytes = b""
    part_bytes: int = 0
    earlier: tuple[BackupArchive, ...] = ()


@dataclass
class Backup:
    """One backup on its way to a disk; goes on where a try was cut off.

    Args:
        snapshot: What is to be kept.
        client: The registry that holds it.
        wanted: What it is to be.
        stop: Ends it within a second when set.
        pause: Holds it between two blobs, and while it reads back.
        files: Where the registry stores, if that is on this machine: blobs are read there then.
    """

    snapshot: RegistrySnapshot
    client: RegistryClient
    wanted: BackupWanted
    stop: threading.Event
    pause: Pause = field(default_factory=Pause)
    files: BlobFiles | None = None
    _draft: ArchiveDraft | None = field(default=None, init=False)
    _documents: dict[str, bytes] = field(init=False)
    _blobs: dict[str, int] = field(init=False)
    _members: list[WrittenMember] = field(default_factory=list, init=False)
    _reading: ReadBack | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        left_out: dict[str, None] = {}
        needs: dict[str, None] = {}
        for saved in self.wanted.earlier:
            left_out.update(dict.fromkeys((*saved.places, *saved.record.elsewhere)))
            needs.update(dict.fromkeys((saved.name, *saved.record.needs)))
        blobs = {d: s for d, s in self.snapshot.blobs.items() if d not in self.snapshot.documents}
        elsewhere = tuple(digest for digest in blobs if digest in left_out)
        record = BackupMetadata(self.wanted.created, tuple(needs) if elsewhere else (), elsewhere)
        self._blobs = {digest: size for digest, size in blobs.items() if digest not in left_out}
        self._documents = site_documents(self.snapshot, record, self.wanted.config)

    @property
    def size_bytes(self) -> int:
        """The size of the archive."""
        sizes = [*map(len, self._documents.values()), *self._blobs.values()]
        return sum(BLOCK + _padded(size) for size in sizes) + len(_END)

    @property
    def left_out_bytes(self) -> int:
        """What earlier backups have of it."""
        return sum(self.snapshot.blobs.values()) - sum(self._blobs.values())

    def require_place(self) -> int | None:
        """Refuse to begin what cannot be written there; return the bytes that will be left.

        Raises:
            BackupPlaceUnfit: there is no room, or the file system takes no such large files.
        """
        if self._draft is not None:
            return None  # it has begun
        return require_place(self.wanted.directory, self.size_bytes, self.wanted.part_bytes)

    def run(self, progress: Callable[[int], None], say: Callable[[str], None]) -> list[Path]:
        """Write it, and return its files.

        May be called again after an error that can pass by itself: blobs that are written already
        are not asked for again.

        Args:
            progress: Told the bytes written so far.
            say: Told in words how far it is.

        Raises:
            RegistryError: a blob is missing or damaged, or the registry is gone.
            BackupPlaceUnfit: it cannot be written there, or reads back as something else.
            Cancelled: `stop` was set.
        """
        with errors_of(self.wanted.directory), self.client.ended_by(self.stop):
            try:
                draft = self._begun(say)
                sums = self._written(draft, progress, say)
                files = draft.publish(sums)
            except AirferryError as error:
                if self.stop.is_set():  # whatever it was in the end: the line is cut then
                    self.discard()
                    raise Cancelled("the backup was ended") from error
                if not error.transient:
                    self.discard()
                raise
            except BaseException:
                self.discard()
                raise
        self._draft = None
        return files

    def discard(self) -> None:
        """Remove what was written, if it did not become a backup; to be called at the end."""
        if self._draft is not None:
            self._draft.discard()
        self._draft = None
        self._members.clear()

    def _begun(self, say: Callable[[str], None]) -> ArchiveDraft:
        if self._draft is None:
            for name in remove_left_over(self.wanted.directory):
                say(f"removing what was left of {name}")
            wanted = self.wanted
            self._draft = ArchiveDraft(wanted.directory, wanted.name, wanted.part_bytes)
            for name, data in self._documents.items():
                sha256 = hashlib.sha256(data).hexdigest()
                self._add(WrittenMember(name, len(data), sha256), [data], lambda _: None)
        return self._draft

    def _written(
        self, draft: ArchiveDraft, progress: Callable[[int], None], say: Callable[[str], None]
    ) -> list[str]:
        """Write what is missing, and compare what is on the medium; return the sum of each file."""
        told = 0

        def waiting() -> None:
            nonlocal told
            self._hold(say, "reading it back")
            if (percent := 100 * reading.read_bytes // draft.size_bytes) > told:
                told = percent
                say(f"reading it back, {percent} %")

        reading = self._reading = ReadBack(draft, self._members, self._held)
        try:
            self._write(draft, progress, say)
            say("reading it back")
            draft.end()
            return reading.sums(waiting)
        except ReadsBackOtherwise as error:
            self._reading = None
            raise self._otherwise(error.member) from error
        finally:
            reading.close()
            self._reading = None

    def _otherwise(self, member: str) -> AirferryError:
        """Return the error for a member that is not what it should be: is it there, or was it here?

        (What is read in the registry's directory is not hashed before it is written.)
        """
        digest = f"sha256:{member.rpartition('/')[2]}"
        if self.files is not None and digest in self._blobs:
            rotten = self.files.damaged([digest], self._go_on, lambda _: None)
            if next(rotten, None):
                return self._unfit(digest, "a damaged blob: {}")
        return BackupPlaceUnfit(
            f"what was written to {self.wanted.directory} reads back as something else: "
            f"{member or 'not all of it is there'}",
            remedy=_BAD_MEDIUM,
        )

    def _write(
        self, draft: ArchiveDraft, progress: Callable[[int], None], say: Callable[[str], None]
    ) -> None:
        done = {member.name for member in self._members}
        missing = [digest for digest in self._blobs if blob_name(digest) not in done]
        small = [digest for digest in missing if self._blobs[digest] <= SMALL_BYTES]
        progress(draft.size_bytes)
        for start in range(0, len(small), SMALL_AT_ONCE):
            self._hold(say, f"writing {self.wanted.name}")
            batch = small[start : start + SMALL_AT_ONCE]
            for digest, data in asked(self._whole, batch).items():
                self._add(self._member(digest), [data], progress)
        for digest in missing:
            if self._blobs[digest] > SMALL_BYTES:
                self._hold(say, f"writing {self.wanted.name}")
                self._add_large(digest, progress)
        draft.write(_END)
        progress(draft.size_bytes)

    def _add_large(self, digest: str, progress: Callable[[int], None]) -> None:
        member, size = self._member(digest), self._blobs[digest]
        pieces = None if self.files is None else self.files.pieces(digest, size)
        if pieces is not None:
            self._add(member, self._read_here(digest, pieces), progress)
        else:
            with closing(ReadAhead(_Pieces(self._pieces(digest)))) as ahead:
                self._add(member, _blocks(ahead), progress)

    def _read_here(self, digest: str, pieces: Iterator[memoryview]) -> Iterator[memoryview]:
        """Yield a blob's pieces; tell a bad disk of the registry from one that is written to.

        Raises:
            RegistryError: the registry's disk has lost it.
            OSError: this process cannot read it.
        """
        try:
            yield from pieces
        except OSError as error:
            if tells_of_damage(error):
                raise self._unfit(digest, "a damaged blob: {}") from error
            raise

    def _member(self, digest: str) -> WrittenMember:
        return WrittenMember(blob_name(digest), self._blobs[digest], digest.partition(":")[2])

    def _add(
        self,
        member: WrittenMember,
        pieces: Iterable[bytes | memoryview],
        progress: Callable[[int], None],
    ) -> None:
        """Write one member; of one that broke off nothing is left."""
        draft = self._draft
        if draft is None:
            return
        begun = draft.size_bytes
        self._members.append(member)
        try:
            draft.write(member.header)
            for piece in pieces:
                self._go_on()
                draft.write(piece)
                progress(draft.size_bytes)
            draft.write(bytes(member.padding_bytes))
        except AirferryError:
            self._members.pop()
            draft.cut_back(begun)
            raise

    def _whole(self, digest: str) -> bytes:
        return b"".join(self._pieces(digest))

    def _pieces(self, digest: str) -> Iterator[bytes]:
        """Yield a blob, from the first repository that has it in its right size.

        Raises:
            RegistryError: there is none, or what came was something else.
        """
        self._go_on()
        for repository in self.snapshot.repositories_of(digest):
            if self.client.blob_size(repository, digest) == self._blobs[digest]:
                found = hashlib.sha256()
                for piece in self.client.blob(repository, digest, self._blobs[digest]):
                    found.update(piece)
                    yield piece
                if f"sha256:{found.hexdigest()}" != digest:
                    raise self._unfit(digest, "a damaged blob: {}")
                return
        raise self._unfit(digest, "the blob {} not whole")

    def _unfit(self, digest: str, words: str) -> RegistryError:
        what = f"the registry has {words.format(digest)}, of {self.snapshot.needed_by(digest)}"
        return RegistryError(what, remedy=LOST)

    def _hold(self, say: Callable[[str], None], doing: str) -> None:
        """Wait while the run is held, where nothing is half done."""
        self._go_on()
        if self.pause.wait(self._go_on, say):
            say(doing)

    def _held(self) -> None:
        """Do the same for who reads back beside; what there is to say of it is said here."""
        self._hold(lambda _: None, "")

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Cancelled("the backup was ended")
        if self._reading is not None and self._reading.has_failed:
            self._reading.sums(lambda: None)


class _Pieces:
    """Pieces that come by themselves, to be read as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - they are as large as they are
        return next(self._pieces, b"")


def _blocks(ahead: ReadAhead) -> Iterator[bytes]:
    while block := ahead.read(1 << 20):
        yield block


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK

"""Blobs of an OCI layout that are no layers and no small documents: SBOMs, signatures, charts.

They belong to what travels with images, and nothing of them is looked at: they go by as they are,
compared with their names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from core.bundle.tarstream import Archive, Member
from core.errors import BundleCorrupt

CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"(?:^|/)blobs/sha256/([0-9a-f]{64})$")


def digest_in(name: str) -> str:
    """Return the digest that a member of an OCI layout is named for; empty if it is none."""
    found = _NAME.search(name)
    return f"sha256:{found[1]}" if found else ""


def blob_name(digest: str) -> str:
    """Return the member name of a blob of an OCI layout."""
    return "blobs/" + digest.replace(":", "/", 1)


class BlobStream:
    """The content of the present member of an archive, as it stands there.

    Args:
        archive: The bundle.
        member: The blob's member.
        head: The bytes of it that were read already.
        label: The bundle's name, for messages.
    """

    def __init__(self, archive: Archive, member: Member, head: bytes, label: str) -> None:
        self.member = member
        self.digest = digest_in(member.name)
        self._archive = archive
        self._head = head
        self._label = label

    def compared(self) -> Iterator[bytes]:
        """Yield it piece by piece.

        Raises:
            BundleCorrupt: it was not what it is named for; said when all of it was read.
        """
        found = hashlib.sha256(self._head)
        if self._head:
            yield self._head
        while piece := self._archive.read(CHUNK_BYTES):
            found.update(piece)
            yield piece
        if f"sha256:{found.hexdigest()}" != self.digest:
            raise BundleCorrupt(
                f"{self._label}: {self.member.name!r} has another digest than its name"
            )

"""The digest of what is inside a gzip stream that is passed on as it is."""

from __future__ import annotations

import hashlib
from typing import cast

from isal import isal_zlib

from core.errors import BundleCorrupt

IsalError = cast("type[Exception]", isal_zlib.error)
_GZIP_WINDOW_BITS = 31
_STEP_BYTES = 1 << 20


class GunzipHash:
    """The SHA-256 of what a gzip stream holds, in bounded memory whatever it expands to.

    Args:
        label: What is being read, for messages.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._hash = hashlib.sha256()
        self._unpacker = isal_zlib.decompressobj(_GZIP_WINDOW_BITS)

    def update(self, data: bytes) -> None:
        """Take the next compressed bytes; the stream may have several members.

        Raises:
            BundleCorrupt: they are not gzip.
        """
        try:
            while data:
                if self._unpacker.eof:
                    self._unpacker = isal_zlib.decompressobj(_GZIP_WINDOW_BITS)
                self._hash.update(self._unpacker.decompress(data, _STEP_BYTES))
                data = self._unpacker.unused_data or self._unpacker.unconsumed_tail
        except IsalError as error:
            raise BundleCorrupt(f"{self._label} is damaged: {error}") from error

    def digest(self) -> str:
        """Return the digest.

        Raises:
            BundleCorrupt: the stream has not ended.
        """
        if not self._unpacker.eof:
            raise BundleCorrupt(f"{self._label} ends too early")
        return "sha256:" + self._hash.hexdigest()

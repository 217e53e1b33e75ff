"""Bodies of uploads: one that ends in good order, and one that can be sent a second time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from core.errors import AirferryError, RegistryBusy
from core.registry.api.pacing import LONGEST_WAIT_S, TOO_FAST

_SEND_BYTES = 128 << 10
_KEPT_BYTES = 2 << 20


class Interruptible:
    """A body that ends in good order when its source breaks down.

    A request that is cut leaves an upload session whose offset only the registry knows, and without
    the offset it cannot be deleted. So the request is ended, and the failure kept for later.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.interruption: AirferryError | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces:
                # The time-out is one for each call: small pieces let a slow line be slow.
                for start in range(0, len(piece), _SEND_BYTES):
                    yield piece[start : start + _SEND_BYTES]
        except AirferryError as error:
            self.interruption = error


class Replay:
    """Pieces that can be had a second time, as long as they are few.

    A registry that is asked too fast refuses an upload when it has begun. A small one is sent again
    from here; of a larger one the bundle is read again.

    Args:
        pieces: The content; comes once.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._rest = iter(pieces)
        self._kept: list[bytes] | None = []
        self._kept_bytes = 0
        self._refusal: RegistryBusy | None = None

    @contextmanager
    def noting_refusal(self) -> Iterator[None]:
        """Note whether what goes on inside is refused for being asked too fast."""
        try:
            yield
        except RegistryBusy as error:
            if error.status in TOO_FAST and error.wait_s <= LONGEST_WAIT_S:
                self._refusal = error
            raise

    def helps(self, error: RegistryBusy) -> bool:
        """Whether sending it again is of use: it was refused so, and all of it is there."""
        return error is self._refusal and self._kept is not None

    def __iter__(self) -> Iterator[bytes]:
        yield from self._kept or ()
        try:
            for piece in self._rest:
                self._keep(piece)
                yield piece
        except AirferryError:
            self._kept = None
            raise

    def _keep(self, piece: bytes) -> None:
        if self._kept is None:
            return
        self._kept_bytes += len(piece)
        if self._kept_bytes > _KEPT_BYTES:
            self._kept = None
        else:
            self._kept.append(piece)

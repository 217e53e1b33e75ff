"""Who is told how a pull goes, and wants to know nothing."""

from __future__ import annotations


class NobodyTold:
    """A `PullTold` that keeps nothing."""

    def received(self, layer: str, received_bytes: int | None) -> None:
        """Keep nothing."""

    def tries_again(self, layer: str, pause_s: int) -> None:
        """Keep nothing."""

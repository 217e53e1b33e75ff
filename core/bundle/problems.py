"""What is wrong with single images of a bundle, when the others are wanted all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import BundleError


class Problems:
    """Lets the first problem end the work, or collects them (`--keep-going`).

    Args:
        keep_going: Collect them.
    """

    def __init__(self, *, keep_going: bool) -> None:
        self.keep_going = keep_going
        self.found: list[BundleError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note what goes wrong inside, where that is asked for.

        Raises:
            BundleError: what went wrong, where it is not.
        """
        try:
            yield
        except BundleError as error:
            if not self.keep_going:
                raise
            self.found.append(error)

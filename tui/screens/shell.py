"""What screens know of the app that shows them: enough to open others and to speak to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from textual.screen import Screen

from core.engine.request import RunRequest
from core.errors import AirferryError
from tui.model.site import Site

Result = TypeVar("Result")
Answered = Callable[[Result | None], None]


class Shell(Protocol):
    """The app, for its screens: they do not import it, because it begins with one of them."""

    site: Site

    @property
    def is_plain(self) -> bool:
        """Whether only ASCII is sent, or the line is slow: no curves, no decoration."""

    def pace_s(self) -> float:
        """Return the seconds between two looks at a run."""

    def first_paint(self) -> None:
        """Send the first screen: when it is complete, or when that takes too long."""

    def home(self) -> None:
        """Close everything but the first screen."""

    def open(self, screen: Screen[Result], callback: Answered[Result] | None = None) -> None:
        """Show a screen, sent once when all of it is there.

        Args:
            screen: The screen.
            callback: What takes its result.
        """

    def review(self, request: RunRequest) -> None:
        """Show what a run would do, and start it if that is wanted."""

    def say(self, what: str) -> None:
        """Show a sentence that stays until it is answered."""

    def tell(self, error: AirferryError) -> None:
        """Show what went wrong and what to do, until it is answered."""

    def action_help(self) -> None:
        """Show what this screen is for and its keys."""

    def action_ask_leave(self) -> None:
        """Ask whether to leave."""

"""What to do when somebody else wrote the config's file while it was being changed here."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from rich.text import Text

from core.errors import AirferryError
from tui.model.site import Site
from tui.screens.base import AppScreen
from tui.screens.dialogs import Question
from tui.screens.view import ViewScreen
from tui.terminal.text import safe

TITLE = "The file was changed meanwhile"
_MINE = "what saving would make of it"


class Meanwhile:
    """Asks once for each text that somebody else wrote, and does what is answered.

    Args:
        screen: The screen that asks.
        taken: Called when the draft is another one.
    """

    def __init__(self, screen: AppScreen[None], taken: Callable[[], None]) -> None:
        self._screen = screen
        self._taken = taken
        self._asking = False
        self._left_alone: str | None = None

    @property
    def _site(self) -> Site:
        return self._screen.site

    def is_asked(self, then: Callable[[], None] | None = None) -> bool:
        """Whether there is something to answer first; without changes here theirs is taken.

        Args:
            then: What is to be done once mine are kept; asked again even if it was left open.
        """
        if self._asking:
            return True
        try:
            if not self._site.changed_underneath():
                self._left_alone = None
                return False
            theirs = self._site.their_text()
        except AirferryError as error:
            self._screen.shell.tell(error)
            return True
        if not self._site.draft.is_dirty:
            self._site.take_theirs()
            self._taken()
            return False
        if then is None and theirs == self._left_alone:
            return False
        self._ask(theirs, then)
        return True

    def _ask(self, theirs: str, then: Callable[[], None] | None) -> None:
        lines = [
            "Somebody else changed the file since it was read here; your changes are not saved.",
            "Keep mine: they are put into their text, where that is possible. Nothing is written "
            "before you save; then the file as it is now stays beside it as .bak.",
        ]
        choices = [
            ("look", "Look at the difference"),
            ("mine", "Keep mine"),
            ("theirs", "Take theirs"),
        ]
        self._asking = True
        self._screen.shell.open(
            Question(TITLE, lines, choices), lambda answer: self._answered(answer, theirs, then)
        )

    def _answered(self, answer: str | None, theirs: str, then: Callable[[], None] | None) -> None:
        if answer == "look":
            self._look(theirs, then)
            return
        self._asking = False
        if answer is None:
            self._left_alone = theirs
            return
        if answer == "theirs":
            self._site.take_theirs()
        else:
            self._site.draft.rebase(theirs)
        self._taken()
        if answer == "mine" and then:
            then()

    def _look(self, theirs: str, then: Callable[[], None] | None) -> None:
        draft = self._site.draft
        mine = difference(theirs, draft.text, "the file as it is now", _MINE)
        lines = [
            Text("What they changed", "bold"),
            *difference(draft.base, theirs, "as it was read here", "the file as it is now"),
            Text(),
            Text("What yours is beside theirs", "bold"),
            *mine,
        ]
        view = ViewScreen(self._site, self._screen.STEP, TITLE, lines)
        self._screen.shell.open(view, lambda _: self._ask(theirs, then))


def difference(before: str, after: str, name: str, other: str) -> list[Text]:
    """Return the lines in which two texts differ."""
    found = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name, other, lineterm="", n=2
    )
    return [Text(safe(line, 200)) for line in found] or [Text("nothing")]

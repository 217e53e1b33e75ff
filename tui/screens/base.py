"""What every screen has: the fixed lines, Esc, and a plain message where there is no room."""

from __future__ import annotations

from typing import ClassVar, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.reactive import Reactive
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from tui.model.site import Site
from tui.screens.shell import Shell
from tui.terminal.capabilities import MIN_HEIGHT, MIN_WIDTH
from tui.widgets.frame import KeyLine, Line, TitleLine, Trail
from tui.widgets.panes import WIDE

Result = TypeVar("Result")
TOO_SMALL = (
    f"The screens need {MIN_WIDTH} columns and {MIN_HEIGHT} lines. Make this terminal larger. "
    "Nothing is lost, and a run goes on."
)


class AppScreen(Screen[Result]):
    """One screen of the walk.

    Args:
        site: The site.
    """

    STEP: ClassVar[str] = ""
    """Its place in the trail."""
    HELP: ClassVar[str] = ""
    """What it is for; the help panel adds the keys."""
    ENTER: ClassVar[str] = ""
    """What Enter does, for the line of keys."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", key_display="Esc"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - as Textual has it

    # Textual repaints the whole screen whenever the focus moves; ours draws nothing itself.
    focused = Reactive[Widget | None](None, repaint=False)

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site

    @property
    def shell(self) -> Shell:
        """The app, by its own type."""
        return cast("Shell", self.app)

    def compose(self) -> ComposeResult:
        yield TitleLine(self.site.path)
        yield Trail(self.STEP)
        yield Line()
        with Vertical(id="body"):
            yield from self.body()
        yield Line()
        yield KeyLine()
        yield Static(TOO_SMALL, id="too-small", markup=False)

    def body(self) -> ComposeResult:
        """Yield what stands between the fixed lines."""
        yield from ()

    def enter_does(self) -> str:
        """Return what Enter does now."""
        return self.ENTER

    def escape_does(self) -> str:
        """Return what Esc does now; empty for what its binding says."""
        return ""

    def urgent_action(self) -> str:
        """Return the action whose key stands first in the line of keys; empty for none."""
        return ""

    def on_resize(self, event: events.Resize) -> None:
        mark_small(self, event)

    def action_back(self) -> None:
        """Go back to where this screen was opened from."""
        self.dismiss()


class AppDialog(ModalScreen[Result]):
    """A question in a box over the screen that asks it."""

    HELP: ClassVar[str] = ""
    ENTER: ClassVar[str] = "choose"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", key_display="Esc"),
        Binding("f1", "help", "help", key_display="F1"),
        Binding("f3,ctrl+l", "app.redraw", "draw again", show=False),
        Binding("f4", "app.plain", "plain screen", show=False),
    ]

    @property
    def shell(self) -> Shell:
        """The app, by its own type."""
        return cast("Shell", self.app)

    focused = Reactive[Widget | None](None, repaint=False)

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield from self.body()
            yield KeyLine()
        yield Static(TOO_SMALL, id="too-small", markup=False)

    def body(self) -> ComposeResult:
        """Yield what stands in the box."""
        yield from ()

    def enter_does(self) -> str:
        """Return what Enter does now."""
        return self.ENTER

    def on_resize(self, event: events.Resize) -> None:
        mark_small(self, event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """There is help where there is something to tell."""
        return bool(self.HELP) if action == "help" else True

    def action_help(self) -> None:
        """Show what this box is for: the app's own keys do not reach behind it."""
        self.shell.action_help()

    def action_back(self) -> None:
        """Close the box without an answer."""
        self.dismiss(None)


def mark_small(screen: Screen[Result], event: events.Resize) -> None:
    """Show the plain message instead of a screen that would not fit; its state stays."""
    small = event.size.width < MIN_WIDTH or event.size.height < MIN_HEIGHT
    screen.set_class(small, "-small")

"""The app: what is the same on every screen, and how the screens are shown at all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import ClassVar, TypeVar

from textual.app import App
from textual.binding import ActiveBinding, Binding, BindingType
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.screen import Screen

from tui import screens, widgets
from tui.plain import AsciiFilter
from tui.screens.dialogs import Commands, Help, Question
from tui.screens.start import StartScreen
from tui.site import Site
from tui.terminal import Terminal

PACE_S, SLOW_PACE_S = 0.5, 2.0
FIRST_PAINT_S = 0.4
_HELP_BELOW = (
    ("Esc", "back; what was typed is kept"),
    ("F3", "draw the screen again"),
    ("F4", "plain characters, few repaints (bad lines); again: back"),
    ("Ctrl+P", "all commands by name"),
    ("Ctrl+C", "leave; a run at work goes on"),
)


Result = TypeVar("Result")
Answered = Callable[[Result | None], None]


class CursorDriver(LinuxDriver):
    """Leaves the hardware cursor visible: braille displays and screen readers follow it."""

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write("\x1b[?25h")
        self.flush()


class AirferryApp(App[str], inherit_bindings=False):
    """The screens of one site; the result is what to print when they have closed.

    Args:
        site: The site.
        terminal: How to draw.
        pace_s: Seconds between two looks at a run.
    """

    CSS_PATH: ClassVar = [*screens.STYLES, *widgets.STYLES]
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "help", "help", key_display="?"),
        Binding("f3,ctrl+l", "redraw", "draw again", key_display="F3", show=False),
        Binding("f4", "plain", "plain screen", key_display="F4"),
        Binding("ctrl+p", "commands", "commands", key_display="Ctrl+P", priority=True),
        Binding("ctrl+c", "ask_leave", "leave", key_display="Ctrl+C", show=False, priority=True),
    ]

    def __init__(self, site: Site, terminal: Terminal, pace_s: float = PACE_S) -> None:
        super().__init__(driver_class=CursorDriver)
        self.site = site
        self._ascii = AsciiFilter(enabled=terminal.ascii_only)
        self._chosen_ascii = terminal.ascii_only
        self._slow = terminal.slow
        self._pace_s = pace_s
        self._first = ExitStack()

    def pace_s(self) -> float:
        """Return the seconds between two looks at a run."""
        return SLOW_PACE_S if self._slow else self._pace_s

    def get_line_filters(self) -> Sequence[LineFilter]:
        ours = [self._ascii] if self._ascii.enabled else []
        return [*super().get_line_filters(), *ours]

    def get_default_screen(self) -> Screen[None]:
        return StartScreen(self.site)

    def on_mount(self) -> None:
        self._first.enter_context(self.batch_update())
        self.set_timer(FIRST_PAINT_S, self.first_paint)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self.exit)

    def first_paint(self) -> None:
        """Send the first screen: when it is complete, or when that takes too long."""
        self._first.close()

    def home(self) -> None:
        """Close everything but the first screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def open(self, screen: Screen[Result], callback: Answered[Result] | None = None) -> None:
        """Show a screen, sent once when all of it is there (Textual would send it thrice).

        Args:
            screen: The screen.
            callback: What takes its result.
        """
        with ExitStack() as holding:
            holding.enter_context(self.batch_update())
            mounted = self.push_screen(screen, callback)
            held = holding.pop_all()
        self.run_worker(_send_when(mounted, held))

    def say(self, what: str) -> None:
        """Show a sentence that stays until it is answered."""
        self.open(Question("Airferry", what.splitlines(), [("ok", "Close")]))

    def action_help(self) -> None:
        """Show what this screen is for and its keys."""
        if isinstance(self.screen, Help):
            return
        keys = [(key, does) for key, does, _ in self._commands()]
        words = str(getattr(self.screen, "HELP", ""))
        known = {key for key, _ in _HELP_BELOW}
        keys = [pair for pair in keys if pair[0] not in known]
        self.open(Help(words, [*keys, *_HELP_BELOW]))

    def action_redraw(self) -> None:
        """Send the whole screen again."""
        self.screen.refresh(layout=True)
        for widget in self.screen.walk_children():
            widget.refresh()

    def action_plain(self) -> None:
        """Switch to plain characters and a slow pace, or back to what fits the terminal."""
        plain = not (self._slow and self._ascii.enabled)
        self._slow = plain
        self._ascii.enabled = plain or self._chosen_ascii
        self.action_redraw()

    def action_commands(self) -> None:
        """Offer every command of this screen by name."""
        if isinstance(self.screen, Commands):
            return
        found = self._commands()

        def chosen(number: str | None) -> None:
            if number is not None:
                active = found[int(number)][2]
                self.call_later(self.run_action, active.binding.action, active.node)

        self.open(Commands([f"{does}  ({key})" for key, does, _ in found]), chosen)

    def action_ask_leave(self) -> None:
        """Ask whether to leave."""
        if isinstance(self.screen, Question):
            return

        def answered(key: str | None) -> None:
            if key == "leave":
                self.exit()

        lines = ["A run at work goes on without the screens; start airferry again to watch it."]
        if self.site.draft.is_dirty:
            lines.append("The changes of the config are not saved and will be lost.")
        choices = [("stay", "Stay"), ("leave", "Leave")]
        self.open(Question("Leave Airferry?", lines, choices), answered)

    def _commands(self) -> list[tuple[str, str, ActiveBinding]]:
        """Return key, words and binding of each command that works now."""
        found: dict[str, tuple[str, str, ActiveBinding]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.key_display and active.enabled:
                key = binding.key_display
                found.setdefault(binding.action, (key, binding.description, active))
        return list(found.values())


async def _send_when(mounted: Awaitable[object], held: ExitStack) -> None:
    with held:
        await mounted

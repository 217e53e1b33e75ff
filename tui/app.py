"""The app: what is the same on every screen, and how the screens are shown at all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import ClassVar, Protocol, runtime_checkable

from rich.console import RenderableType
from rich.text import Text
from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.binding import ActiveBinding, Binding, BindingType
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.geometry import Offset
from textual.screen import Screen

from core.engine.request import RunRequest
from core.errors import AirferryError, InternalError
from tui import screens, widgets
from tui.model.site import Site
from tui.screens.dialogs import Commands, Help, Question
from tui.screens.review import ReviewScreen
from tui.screens.shell import Answered, Result
from tui.screens.start import StartScreen
from tui.terminal.capabilities import Terminal
from tui.terminal.crash import last_words
from tui.terminal.keys import Keys, Typed
from tui.terminal.painter import Painter
from tui.terminal.plain import AsciiFilter

PACE_S, SLOW_PACE_S = 0.5, 2.0
FIRST_PAINT_S = 0.4
BEHIND_S = 0.1
"""How often a terminal that is behind is looked at again."""
_HELP_BELOW = (
    ("Esc", "back; what was typed is kept"),
    ("F3", "draw the screen again"),
    ("F4", "plain characters, few repaints (bad lines); again: back"),
    ("Ctrl+P", "all commands by name"),
    ("Ctrl+C", "leave; a run at work goes on"),
)


@runtime_checkable
class HasCursor(Protocol):
    """A widget that says where the hardware cursor belongs while it has the focus."""

    def cursor_place(self) -> Offset:
        """Return where on the terminal."""
        ...


class CursorDriver(LinuxDriver):
    """Leaves the hardware cursor visible: braille displays and screen readers follow it."""

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write("\x1b[?25h")
        self.flush()

    @property
    def is_behind(self) -> bool:
        """Whether the terminal has not taken yet what was sent to it."""
        return self._writer_thread is not None and self._writer_thread._queue.qsize() > 0


class AirferryApp(App[str], inherit_bindings=False):
    """The screens of one site; the result is what to print when they have closed.

    Args:
        site: The site.
        terminal: How to draw.
        pace_s: Seconds between two looks at a run.
        plain: Whether to begin with plain screens, as F4 makes them.
        keep_plain: Told what F4 was pressed for, to be kept for the next time.
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

    def __init__(
        self,
        site: Site,
        terminal: Terminal,
        pace_s: float = PACE_S,
        *,
        plain: bool = False,
        keep_plain: Callable[[bool], None] = lambda _: None,
    ) -> None:
        super().__init__(driver_class=CursorDriver)
        self.site = site
        self._painter = Painter()
        self._passed_over = False
        self._ascii = AsciiFilter(enabled=terminal.ascii_only or plain)
        self._chosen_ascii = terminal.ascii_only
        self._slow = terminal.slow or plain
        self._pace_s = pace_s
        self._keep_plain = keep_plain
        self.keys = Keys(self, super().on_event)
        self._first = ExitStack()

    def pace_s(self) -> float:
        """Return the seconds between two looks at a run."""
        return SLOW_PACE_S if self._slow else self._pace_s

    @property
    def is_plain(self) -> bool:
        """Whether only ASCII is sent, or the line is slow: no curves, no decoration."""
        return self._slow or self._ascii.enabled

    def get_line_filters(self) -> Sequence[LineFilter]:
        ours = [self._ascii] if self._ascii.enabled else []
        return [*super().get_line_filters(), *ours]

    def get_default_screen(self) -> Screen[None]:
        return StartScreen(self.site)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, Typed) and not event.is_forwarded:
            self.keys.put(event)
        else:
            await super().on_event(event)

    def on_mount(self) -> None:
        self.run_worker(self.keys.give_out(), group="keys")
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

    def review(self, request: RunRequest) -> None:
        """Show what a run would do, and start it if that is wanted."""
        self.open(ReviewScreen(self.site, request))

    def say(self, what: str) -> None:
        """Show a sentence that stays until it is answered."""
        self.open(Question("Airferry", what.splitlines(), [("ok", "Close")]))

    def tell(self, error: AirferryError) -> None:
        """Show what went wrong and what to do, until it is answered."""
        self.say(f"{error.what}\n{error.remedy}")

    def action_help(self) -> None:
        """Show what this screen is for and its keys."""
        if isinstance(self.screen, Help):
            return
        keys = [(key, does) for key, does, _ in self._commands()]
        words = str(getattr(self.screen, "HELP", ""))
        known = {key for key, _ in _HELP_BELOW}
        keys = [pair for pair in keys if pair[0] not in known]
        self.open(Help(words, [*keys, *_HELP_BELOW]))

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send what differs from what the terminal shows; Textual has no other place for it."""
        self._place_cursor()
        if isinstance(renderable, CompositorUpdate):
            if isinstance(self._driver, CursorDriver) and self._driver.is_behind:
                self._pass_over()
                return
            renderable = self._painter.only_changes(renderable, self.size)
        super()._display(screen, renderable)

    def _place_cursor(self) -> None:
        """Have the cursor where the focus is: a widget that only moved is not drawn again."""
        focused = self.screen.focused if self.screen_stack else None
        if isinstance(focused, HasCursor):
            self.cursor_position = focused.cursor_place()

    def _pass_over(self) -> None:
        """Send nothing until the terminal has taken what it was sent, and then the newest only.

        Textual would queue it, up to a number at which its event loop stands still.
        """
        if not self._passed_over:
            self._passed_over = True
            self.set_timer(BEHIND_S, self._catch_up)

    def _catch_up(self) -> None:
        self._passed_over = False
        self.screen.refresh()

    def action_redraw(self) -> None:
        """Send the whole screen again."""
        self._painter.forget()
        self.screen.refresh(layout=True)
        for widget in self.screen.walk_children():
            widget.refresh()

    def action_plain(self) -> None:
        """Switch to plain characters and a slow pace, or back to what fits the terminal."""
        plain = not (self._slow and self._ascii.enabled)
        self._slow = plain
        self._ascii.enabled = plain or self._chosen_ascii
        self._keep_plain(plain)
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

    def _fatal_error(self) -> None:
        """End with a sentence where Textual would print a traceback with all local variables."""
        error = self._exception or InternalError("the screens ended")
        self._exit_renderables.append(Text(f"airferry: {last_words(error, self.site.config)}"))
        self._close_messages_no_wait()

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

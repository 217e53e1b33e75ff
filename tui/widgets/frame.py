"""The fixed places of every screen: what and where, the trail, and the keys that work now."""

from __future__ import annotations

import socket
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, TextArea

from core import __version__
from tui.terminal.text import safe

TRAIL = ("Start", "Mode", "Config", "Hosts", "Bundles", "Review", "Run")
ALWAYS = ("Enter", "Esc", "?", "F1")
GAP = 2
_LATER = {"filter": 1, "sort": 1, "help": 2, "plain": 3, "commands": 3}
"""Actions whose keys come after those of the screen's own, because they are the same everywhere."""


class TitleLine(Widget):
    """Line 1: the program, this machine, the config.

    Args:
        path: The config file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def render(self) -> Text:
        left = f" Airferry {__version__}   {safe(socket.gethostname(), 30)}"
        path = safe(str(self._path))
        room = max(self.size.width - cell_len(left) - 4, 10)
        shown = path if cell_len(path) <= room else f"..{path[2 - room :]}"
        gap = self.size.width - cell_len(left) - cell_len(shown) - 1
        return Text(f"{left}{' ' * gap}{shown}", no_wrap=True, overflow="crop", style="bold")


class Trail(Widget):
    """Line 2: the steps, the present one in brackets.

    Args:
        step: The present one.
    """

    def __init__(self, step: str) -> None:
        super().__init__()
        self._step = step

    def render(self) -> Text:
        shown = Text(" ", no_wrap=True, overflow="crop")
        for index, step in enumerate(TRAIL):
            shown.append(" > " if index else "")
            here = step == self._step
            shown.append(f"[{step}]" if here else step, "bold reverse" if here else "")
        return shown


class Line(Widget):
    """A line across the screen; dashes where only ASCII may be sent (see plain.py)."""

    def render(self) -> Text:
        return Text("─" * self.size.width, no_wrap=True, overflow="crop")


class KeyLine(Widget):
    """The last line: the keys that work now. What does not fit is under `?`."""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, _screen: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Text:
        shown, room = Text(" ", no_wrap=True, overflow="crop"), self.size.width
        for key, words in fitting(hints_of(self.screen), room):
            shown.append(f"{key} ", "bold")
            shown.append(f"{words}{' ' * GAP}")
        return shown


def fitting(hints: list[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    """Return the keys that fit into a line; those that are always shown have their room first."""
    room = width - 1 + GAP - sum(_width(hint) for hint in hints if hint[0] in ALWAYS)
    found = []
    for hint in hints:
        if hint[0] not in ALWAYS:
            if _width(hint) > room:
                continue
            room -= _width(hint)
        found.append(hint)
    return found


def _width(hint: tuple[str, str]) -> int:
    return len(hint[0]) + len(hint[1]) + 1 + GAP


def hints_of(screen: Screen[object]) -> list[tuple[str, str]]:
    """Return the keys that work now on a screen, each with what it does."""
    found: dict[str, tuple[str, str]] = {}
    typing = isinstance(screen.focused, Input | TextArea)
    if words := _asked(screen, "enter_does"):
        found["enter"] = ("Enter", words)
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.show and active.enabled and binding.description:
            hint = (binding.key_display or binding.key, binding.description)
            if hint[0] == "?" and typing:
                hint = ("F1", hint[1])
            elif hint[0] == "Esc":
                hint = ("Esc", _asked(screen, "escape_does") or hint[1])
            found.setdefault(binding.action, hint)
    first = _asked(screen, "urgent_action")
    order = sorted(found, key=lambda action: (action != first, _LATER.get(action, 0)))
    return [found[action] for action in order]


def _asked(screen: Screen[object], method: str) -> str:
    """Ask a screen of ours what a key does now; other screens have no such method."""
    answer = getattr(screen, method, None)
    return str(answer()) if callable(answer) else ""

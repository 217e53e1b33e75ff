"""The small boxes: a question with answers, a line to type, the help, the list of commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from tui.presenters.row import Row
from tui.screens.base import AppDialog
from tui.terminal.text import safe, wrapped
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList
from tui.widgets.text_field import TextField

BOX_WIDTH = 70


class Question(AppDialog[str]):
    """A question with a few answers; the result is the key of the answer, or None.

    Args:
        title: The question, in one line.
        lines: What should be known before answering; text from anywhere.
        choices: Key and words of each answer, the safe one first.
    """

    def __init__(
        self, title: str, lines: Sequence[str], choices: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._choices = choices

    def body(self) -> ComposeResult:
        folded = [part for line in self._lines for part in wrapped(line, BOX_WIDTH)]
        yield Static(Text(safe(self._title), "bold"), classes="lines")
        yield Static(Text("\n".join(["", *folded[:14], ""])), classes="lines")
        yield ChoiceBar("", self._choices)

    @on(ChoiceBar.Chosen)
    def _chosen(self, event: ChoiceBar.Chosen) -> None:
        self.dismiss(event.key)


class Prompt(AppDialog[str]):
    """One line to type; the result is the text, or None.

    Args:
        title: What is asked for.
        value: What stands there at first.
    """

    ENTER: ClassVar[str] = "take it"

    def __init__(self, title: str, value: str) -> None:
        super().__init__()
        self._title = title
        self._value = value

    def body(self) -> ComposeResult:
        yield Static(Text(safe(self._title), "bold"), classes="lines")
        yield TextField(self._value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class Help(AppDialog[None]):
    """What a screen is for, and every key that works on it.

    Args:
        words: What it is for.
        keys: Key and what it does.
    """

    ENTER: ClassVar[str] = ""

    def __init__(self, words: str, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._words = words
        self._keys = keys

    def body(self) -> ComposeResult:
        lines = LineList()
        folded = [*wrapped(self._words, BOX_WIDTH), ""]
        folded += [f"{key:<12}{does}" for key, does in self._keys]
        lines.show([Row("", Text(line)) for line in folded])
        yield lines


class Commands(AppDialog[str]):
    """All commands of a screen by name, for who has no F-keys; the result is one's number.

    Args:
        names: What they are called.
    """

    ENTER: ClassVar[str] = "do it"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names

    def body(self) -> ComposeResult:
        yield Static(Text("Commands", "bold"), classes="line")
        lines = LineList()
        lines.show([Row(str(number), Text(name)) for number, name in enumerate(self._names)])
        yield lines

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        self.dismiss(event.key)

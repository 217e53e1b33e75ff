"""The form of the config as lines: each key with its value, and under it what that leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from core.config import Config, Key, Problem
from core.words import count
from tui.model.draft import ConfigDraft
from tui.model.site import problems_of, where_and_what
from tui.model.value_hints import Found
from tui.presenters.row import Row
from tui.terminal.text import STYLES, fit, safe

LABEL_WIDTH, VALUE_WIDTH = 14, 48
_UNDER = " " * (LABEL_WIDTH + 3)
_NOTHING = Found()


@dataclass(frozen=True)
class Checked:
    """What the form was found to say: of hundreds of hosts that takes a second to find out.

    Args:
        draft: What was typed.
        text: The whole text with it.
        config: What that makes, with the defaults.
        problems: All that is wrong with it.
        changed_lines: How many lines saving would change.
    """

    draft: ConfigDraft
    text: str
    config: Config
    problems: tuple[Problem, ...]
    changed_lines: int

    def problem(self, key: str) -> Problem | None:
        """Return the first problem of a key."""
        return next((problem for problem in self.problems if problem.key == key), None)


def checked(draft: ConfigDraft, path: Path) -> Checked:
    """Look at what was typed; in a thread, give it a copy of the draft.

    Raises:
        ConfigError: the text cannot take what was typed.
    """
    text = draft.text
    config, problems = problems_of(text, path)
    return Checked(draft.copy(), text, config, tuple(problems), draft.changed_lines)


def field_rows(
    field: Key, draft: ConfigDraft, config: Config, problem: Problem | None, found: Found | None
) -> list[Row]:
    """Return a key's line, and a second one where there is something to say of it.

    Args:
        field: The key.
        draft: What was typed.
        config: What that makes, with the defaults.
        problem: What is wrong with it, if anything.
        found: What its value leads to, once that was looked at.
    """
    found = found or _NOTHING
    sign = "x" if problem else found.sign if found.sign == "!" else " "
    rows = [Row(field.path, _line(field, draft, config, sign, found))]
    words = found.words
    if problem:
        words = _what(problem, found)
    if words:
        style = STYLES["x"] if problem else "dim" if found.sign == "=" else ""
        rows.append(Row("", Text(f"{_UNDER}{fit(words, 58).rstrip()}", style)))
    return rows


def _what(problem: Problem, found: Found) -> str:
    what, _, path = problem.what.partition(": ")
    if path:  # it stands in the line above
        return f"{what}. {found.words or f'allowed: {problem.allowed}'}"
    return f"{what} (allowed: {problem.allowed})"


def _line(field: Key, draft: ConfigDraft, config: Config, sign: str, found: Found) -> Text:
    line = Text.assemble((sign, STYLES.get(sign, "")), f" {fit(field.name, LABEL_WIDTH)} ")
    value = draft.value(field.path)
    default = field.shown(config)
    items = draft.items(field.path)
    if field.choices:
        now = field.picked(value) if value else field.picked(default)
        marks = (f"[{'x' if choice == now else ' '}] {choice}" for choice in field.choices)
        line.append(fit("   ".join(marks), VALUE_WIDTH + 2))
    elif items:
        line.append(fit(f" a list of {items}: Enter opens it as text", VALUE_WIDTH + 2))
    elif value:
        line.append(f"[{_end_of(value)}]")
    else:
        line.append(fit(f" ({safe(default) or 'not set'})", VALUE_WIDTH + 2))
    note = "changed" if draft.is_changed(field.path) else "ok" if found.sign == "=" else ""
    line.append(f" {note}")
    return line


def _end_of(value: str) -> str:
    """Return a value in its width; of a long path the end says more than the beginning."""
    shown = safe(value)
    if len(shown) > VALUE_WIDTH and "/" in shown:
        shown = f"..{shown[2 - VALUE_WIDTH :]}"
    return fit(shown, VALUE_WIDTH)


def status_line(lines: int, problems: Sequence[Problem], *, is_new: bool) -> Text:
    """Return the line below the form: the first problem, and what is not saved yet.

    Args:
        lines: How many lines saving would change.
        problems: All that is wrong.
        is_new: There is no such file yet.
    """
    saved = f"Not saved: {count(lines, 'changed line')} (v: view)" if lines else "Saved."
    if is_new:
        saved = "A new file: Ctrl+O writes it"
    if not problems:
        return Text(f"{fit('No problem.', 40)} {saved}")
    words = f"{count(len(problems), 'problem')}. {where_and_what(problems[0])}"
    shown = f" {saved}" if lines or is_new else ""
    return Text.assemble(("x", STYLES["x"]), f" {fit(words, 74 - len(shown))}{shown}")

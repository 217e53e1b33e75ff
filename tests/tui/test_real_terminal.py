"""Every screen on a real pseudo-terminal: nothing but ASCII where the terminal asks for it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.real_terminal import RealTerminal

ENTER, ESC, F1, CTRL_C, CTRL_P = b"\r", b"\x1b", b"\x1b[11~", b"\x03", b"\x10"


@pytest.fixture
def terminals() -> Iterator[list[RealTerminal]]:
    """Return a list; every terminal in it is closed in the end."""
    found: list[RealTerminal] = []
    yield found
    for terminal in found:
        terminal.close()


def walk(terminal: RealTerminal) -> None:
    """Press through every screen."""
    for keys, gone, *words in (
        (ENTER, "[Start]", "[Mode]", "choose it when"),
        (ENTER, "choose it", "[Config]", "Next: Hosts"),
        (b"v", "Next: Hosts", "What saving would change"),
        (ESC, "What saving", "Next: Hosts"),
        (b"t", "Next: Hosts", "privateRegistryType: du", "Esc back to the form"),
        (ESC, "back to the form", "Next: Hosts"),
        (b"n", "[Config]", "[Hosts]", "3 ok", "Next: Bundles"),
        (b"a", "3 not", "Add a host", "write it to the config"),
        (ESC, "Add a host", "Next: Bundles"),
        (b"n", "[Hosts]", "[Bundles]", "not an archive"),
        (b"n", "[Bundles]", "[Review]", "Start?", "install Docker"),
        (b"\x1b[C\r", "[Review]", "All hosts are ready", "s save report"),
        (ESC, "s save report", "100 %", "o outcome"),
        (ENTER, "100 %", "nothing in the log yet", "l whole log"),
        (b"?", "nothing in the log", "The steps of one host", "Ctrl+C"),
        (ESC, "The steps of", "nothing in the log yet"),
        (CTRL_P, "nothing in the log", "Commands"),
        (ESC, "Commands", "nothing in the log yet"),
        (ESC, "whole log", "o outcome"),
        (ESC, "[Run]", "[Start]", "3 of 3 hosts ready"),
    ):
        terminal.press(keys)
        terminal.sees(*words, gone=gone)


@pytest.mark.parametrize(
    ("term", "arguments"), [("linux", ()), ("vt100", ()), ("xterm-256color", ("--ascii",))]
)
def test_no_byte_above_127(
    config: Path, terminals: list[RealTerminal], term: str, arguments: tuple[str, ...]
) -> None:
    images = config.parent / "imgs"
    (images / "größe-界.txt").write_text("no bundle")
    with config.open("a", encoding="utf-8") as file:
        file.write("# Überall Umlaute\n")
    terminal = RealTerminal(config, {"TERM": term, "LANG": "C.UTF-8"}, *arguments)
    terminals.append(terminal)
    terminal.sees("[Start]", "Set up")
    walk(terminal)
    terminal.press(b"q")
    assert terminal.wait() == 0
    assert [byte for byte in terminal.sent if byte > 127] == []
    coloured = re.search(rb"\x1b\[(\d+;)*[34][0-7](;|m)", terminal.sent) is not None
    assert coloured == (term != "vt100")


def test_hangup_ends_it_cleanly(config: Path, terminals: list[RealTerminal]) -> None:
    terminal = RealTerminal(config, {"TERM": "xterm-256color"})
    terminals.append(terminal)
    terminal.sees("[Start]", "Set up")
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.wait() == 0
    assert b"\x1b[?1049l" in terminal.sent  # the terminal is left as it was found


def test_ctrl_c_asks_and_leaves(config: Path, terminals: list[RealTerminal]) -> None:
    terminal = RealTerminal(config, {"TERM": "xterm-256color"})
    terminals.append(terminal)
    terminal.sees("[Start]", "Set up")
    terminal.press(CTRL_C)
    terminal.sees("Leave Airferry?", "> Stay")
    terminal.press(b"\x1b[C\r")
    assert terminal.wait() == 0


def test_first_paint_is_small_enough_for_a_serial_line(
    config: Path, terminals: list[RealTerminal]
) -> None:
    terminal = RealTerminal(config, {"TERM": "vt100"}, "--slow")
    terminals.append(terminal)
    terminal.sees("[Start]", "Set up", "Enter choose")
    assert len(terminal.sent) < 8_000


def test_serial_console_that_does_not_know_its_size(
    config: Path, terminals: list[RealTerminal]
) -> None:
    terminal = RealTerminal(config, {"TERM": "vt220"}, size=(0, 0))
    terminals.append(terminal)
    terminal.sees("[Start]", "Set up", "Enter choose")
    assert terminal.text.splitlines()[23].startswith(" Enter choose")


def test_small_terminal_is_a_plain_message(config: Path, terminals: list[RealTerminal]) -> None:
    terminal = RealTerminal(config, {"TERM": "vt220"}, size=(60, 20))
    terminals.append(terminal)
    assert terminal.wait() == 2
    assert b"60 columns and 20 lines" in terminal.sent
    assert b"\x1b[" not in terminal.sent

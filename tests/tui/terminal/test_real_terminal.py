"""Every screen on a real pseudo-terminal: nothing but ASCII where the terminal asks for it."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize("environ", [{"TERM": "linux"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_typed_password_is_stars_on_the_wire(
    config: Path, terminals: list[RealTerminal], environ: dict[str, str]
) -> None:
    secret = b"geheim-f3Qz81\xc3\xa4"
    arguments = () if environ["TERM"] == "linux" else ("--ascii",)
    terminal = RealTerminal(config, {**environ, "LANG": "C.UTF-8"}, *arguments)
    terminals.append(terminal)
    terminal.sees("[Start]", "Set up")
    for keys, gone, *words in (
        (ENTER, "[Start]", "[Mode]", "choose it when"),
        (ENTER, "choose it", "[Config]", "Next: Hosts"),
        (b"n", "[Config]", "[Hosts]", "3 ok", "Next: Bundles"),
        (b"w", "\0", "> login password [ ", "[x] all 3 hosts"),
        (secret, "\0", f"> login password [{'*' * 14} "),
        (F1, "login password", "is typed here logs in"),
        (ESC, "what was typed is kept", f"> login password [{'*' * 14} "),
        (b"\x0f", "login password", "3 ok", "Next: Bundles"),
    ):
        terminal.press(keys)
        terminal.sees(*words, gone=gone)
    terminal.press(CTRL_C)
    terminal.sees("Leave Airferry?")
    terminal.press(b"\x1b[C\r")
    assert 0 == terminal.wait()
    assert [] == [byte for byte in terminal.sent if byte > 127]
    typed = terminal.sent.split(b"Passwords for the hosts")[1]
    assert b"geheim" not in typed
    # One star is drawn for each key, so a piece of three would be a piece of the secret.
    pieces = {secret[at : at + 3] for at in range(len(secret) - 4)}
    assert set() == {piece for piece in pieces if piece in typed}

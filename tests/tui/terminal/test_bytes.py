"""What reaches a real terminal: ASCII only where that is asked for, no colour where none is."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.engine.request import RunKind, RunRequest
from tests.tui.real_terminal import ENGINE, RealTerminal
from tests.tui.recording import read_recording
from tests.tui.replay import RecordedEngine, recorded_site
from tests.tui.stops import AT_WORK, ENDED, FAILED, Stop

KEYS = {
    "enter": b"\r",
    # With the report of a terminal that has the focus behind it: then nobody waits for more.
    "escape": b"\x1b\x1b[I",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "f1": b"\x1b[11~",
    "slash": b"/",
}
COLOUR = re.compile(rb"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[\d;]*)?m")
ASCII_TERMINALS = [
    pytest.param("linux", (), {}, id="linux"),
    pytest.param("vt100", (), {}, id="vt100"),
    pytest.param("xterm-256color", ("--ascii",), {}, id="--ascii"),
]
TOURS = {"ended": ENDED, "at work": AT_WORK, "failed": FAILED}


def as_bytes(key: str) -> bytes:
    """Return what a terminal sends for a key of a stop."""
    if key.startswith("'"):
        return b"\x1b[200~" + key[1:].encode() + b"\x1b[201~"
    if key.startswith("ctrl+"):
        return bytes([ord(key[-1]) - ord("a") + 1])
    return KEYS.get(key) or key.encode()


def site(directory: Path, tour: str) -> tuple[Path, str]:
    """Return the config of a site with names that no ASCII terminal has, and its engine."""
    name = "failed" if tour == "failed" else "du"
    recording = read_recording(name)
    config = recorded_site(directory / "site", recording)
    (config.parent / "imgs" / "größe-界.txt").write_text("no bundle", encoding="utf-8")
    with config.open("a", encoding="utf-8") as file:
        file.write("# Überall Umlaute\n")
    engine = RecordedEngine(recording, held_at=0.07)
    if tour == "at work":
        engine.holds = frozenset({RunKind.INSTALL})
    kinds = [RunKind.CHECK, RunKind.PLAN, RunKind.INSTALL]
    for kind in kinds[2:] if tour == "failed" else kinds:
        engine.start(RunRequest(kind, config))
    return config, "replay" if tour == "ended" else f"recorded:{name}"


def sent_on(directory: Path, tour: str, environ: dict[str, str], arguments: Sequence[str]) -> bytes:
    """Go through a tour on a real terminal, and return every byte that was sent to it."""
    config, engine = site(directory, tour)
    known = {"LANG": "C.UTF-8", "HOME": str(directory), ENGINE: engine}
    terminal = RealTerminal(config, {**known, **environ}, *arguments)
    try:
        for stop in TOURS[tour]:
            go(terminal, stop)
        os.kill(terminal.pid, signal.SIGHUP)
        assert 0 == terminal.wait()
    finally:
        terminal.close()
    return terminal.sent


def go(terminal: RealTerminal, stop: Stop) -> None:
    """Go to a stop."""
    for key in stop.keys:
        terminal.press(as_bytes(key))
    terminal.sees(*(word for word in stop.words if word.isascii()))


@pytest.mark.parametrize(("term", "arguments", "more"), ASCII_TERMINALS)
def test_no_byte_above_127_on_any_screen(
    tmp_path: Path, term: str, arguments: tuple[str, ...], more: dict[str, str]
) -> None:
    sent = sent_on(tmp_path, "ended", {"TERM": term, **more}, arguments)
    assert [] == [byte for byte in sent if byte > 127]
    assert (term != "vt100") == bool(COLOUR.search(sent))


@pytest.mark.parametrize("tour", ["at work", "failed"])
def test_no_byte_above_127_while_a_run_is_at_work_or_failed(tmp_path: Path, tour: str) -> None:
    sent = sent_on(tmp_path, tour, {"TERM": "linux"}, ())
    assert [] == [byte for byte in sent if byte > 127]


def test_no_colour_where_none_is_wanted(tmp_path: Path) -> None:
    sent = sent_on(tmp_path, "failed", {"TERM": "xterm-256color", "NO_COLOR": "1"}, ())
    assert [] == COLOUR.findall(sent)
    assert b"\x1b[7m" in sent, "the cursor is told by reverse video"
    assert [byte for byte in sent if byte > 127], (
        "lines are drawn where there are characters for it"
    )


@pytest.mark.parametrize("term", ["dumb", "linux"])
def test_without_screens_the_headless_command_is_named(tmp_path: Path, term: str) -> None:
    """A dumb terminal, and one that knows no size of 80 by 24."""
    config, _ = site(tmp_path, "ended")
    size = (80, 24) if term == "dumb" else (79, 24)
    terminal = RealTerminal(config, {"TERM": term}, size=size)
    try:
        assert 2 == terminal.wait()
        assert b"airferry plan, airferry install" in terminal.sent
        assert b"\x1b" not in terminal.sent
    finally:
        terminal.close()

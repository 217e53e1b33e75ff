"""What the terminal can do decides how, and whether, the screens are drawn."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from rich.segment import Segment
from textual.color import Color

from tests.tui.driving import opened, walk_to
from tests.tui.fake_engine import FakeEngine
from tui.start import open_screens
from tui.terminal.capabilities import Terminal, examine, prepare, too_small
from tui.terminal.plain import AsciiFilter


@pytest.mark.parametrize(
    ("term", "encoding", "asked", "ascii_only"),
    [
        ("xterm-256color", "UTF-8", None, False),
        ("xterm-256color", "utf8", None, False),
        ("xterm-256color", "ANSI_X3.4-1968", None, True),
        ("linux", "UTF-8", None, True),
        ("vt220", "UTF-8", None, True),
        ("", "UTF-8", None, True),
        ("linux", "UTF-8", False, False),
        ("xterm", "UTF-8", True, True),
    ],
)
def test_characters(term: str, encoding: str, asked: bool | None, ascii_only: bool) -> None:
    terminal = examine({"TERM": term}, encoding, ascii_only=asked)
    assert terminal == Terminal(ascii_only, slow=False)


def test_environment_for_textual() -> None:
    environ = {"TERM": "vt100"}
    prepare(environ, Terminal(slow=True))
    assert environ["NO_COLOR"] == "1"
    assert environ["TEXTUAL_FPS"] == "10"
    assert environ["TEXTUAL_ANIMATIONS"] == "none"
    environ = {"TERM": "xterm"}
    prepare(environ, Terminal())
    assert "NO_COLOR" not in environ


def test_too_small() -> None:
    assert too_small(80, 24) == ""
    assert too_small(0, 0) == ""
    assert "79 columns and 24 lines" in too_small(79, 24)
    assert "80 by 24" in too_small(80, 23)


def test_ascii_filter_keeps_columns() -> None:
    given = [Segment("ä│界█\x1b[1m…e\u0301"), Segment("plain")]
    shown = AsciiFilter().apply(given, Color(0, 0, 0))
    assert [segment.text for segment in shown] == ["?|??#[1m.e", "plain"]


def test_without_a_terminal_the_headless_command_is_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert open_screens(["--config", str(config)]) == 2
    assert "airferry install" in capsys.readouterr().err


def test_missing_config_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert open_screens(["--config", "/no/such.yaml"]) == 2
    assert "/no/such.yaml: no such file" in capsys.readouterr().err


def test_dumb_terminal(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert open_screens(["--config", str(config)]) == 2
    assert "TERM=dumb" in capsys.readouterr().err


async def test_resizing_loses_nothing_and_too_small_is_said(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await driver.press("up", "home", "down", "down", "enter")
        await driver.paste("/x")
        await driver.pilot.resize_terminal(60, 20)
        await driver.sees("The screens need 80 columns and 24 lines")
        assert "[Config]" not in driver.text
        await driver.pilot.resize_terminal(132, 50)
        await driver.sees("[Config]", "imgs/x", "Esc stop typing")
        assert all(len(shown) <= 132 for shown in driver.text.splitlines())


async def test_plain_screen_is_switched_on_and_off(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        app = driver.app
        assert (len(app.get_line_filters()), app.pace_s()) == (0, 0.1)
        await driver.press("f4")
        assert (len(app.get_line_filters()), app.pace_s()) == (1, 2.0)
        await driver.press("f4")
        assert (len(app.get_line_filters()), app.pace_s()) == (0, 0.1)


async def test_help_and_commands_are_there_on_every_screen(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        for step in ("Mode", "Config", "Hosts"):
            await driver.press("enter")
            await driver.sees(f"[{step}]")
            await driver.press("f1", "end")
            await driver.sees("draw the screen again", "next")
            await driver.press("escape")
        await driver.sees("3 ok")
        await driver.press("ctrl+p")
        await driver.sees("Commands", "add  (a)", "test  (r)")
        await driver.press("down", "down", "down", "enter")
        await driver.sees("free in")


async def test_sighup_is_handled_by_the_real_program_only(config: Path, engine: FakeEngine) -> None:
    before = signal.getsignal(signal.SIGHUP)
    async with opened(config, engine):
        assert before == signal.getsignal(signal.SIGHUP)

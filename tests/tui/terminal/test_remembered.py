"""F4's choice is kept for the terminal that it was made on."""

from __future__ import annotations

from pathlib import Path

from core.config import load_config
from tests.tui.real_terminal import RealTerminal
from tui.terminal.remembered import NAME, Remembered, terminal_name

F4 = b"\x1bOS"


def test_a_terminal_is_known_by_kind_and_lasting_device() -> None:
    assert "linux /dev/tty1" == terminal_name({"TERM": "linux"}, "/dev/tty1")
    assert "xterm" == terminal_name({"TERM": "xterm"}, "/dev/pts/7")
    assert "" == terminal_name({}, "")


def test_what_cannot_be_read_was_never_chosen(config: Path) -> None:
    site = load_config(config)
    kept = Remembered(site)
    assert not kept.is_plain("linux")
    kept.keep("linux", plain=True)
    kept.keep("xterm", plain=False)
    assert [True, False] == [kept.is_plain("linux"), kept.is_plain("xterm")]
    (site.state_dir / NAME).write_text("[1, 2")
    assert not kept.is_plain("linux")


def test_no_place_to_keep_it_is_no_error(config: Path) -> None:
    (config.parent / "state").write_text("a file where the directory would be")
    kept = Remembered(load_config(config))
    kept.keep("linux", plain=True)
    assert not kept.is_plain("linux")


def test_the_choice_is_there_the_next_time(config: Path) -> None:
    environ = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
    first = RealTerminal(config, environ)
    try:
        first.sees("Found", "Leave")
        assert "─" in first.text
        first.press(F4)
        first.sees("-----", gone="─")
        first.press(b"q")
        assert 0 == first.wait()
    finally:
        first.close()
    again = RealTerminal(config, environ)
    try:
        again.sees("Found", "Leave", "-----")
        assert again.sent.isascii()
        again.press(F4)
        again.sees("─────")
        again.press(b"q")
        assert 0 == again.wait()
    finally:
        again.close()
    assert not Remembered(load_config(config)).is_plain("xterm-256color")

"""Only what differs is sent, and the terminal shows what Textual meant."""

from __future__ import annotations

import random
from io import StringIO
from pathlib import Path

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import CompositorUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from tests.support.waiting import until
from tests.tui.real_terminal import RealTerminal
from tui.terminal.painter import Painter
from tui.terminal.remembered import NAME as REMEMBERED

SIZE = Size(40, 8)
CONSOLE = Console(file=StringIO(), color_system="standard", width=SIZE.width, force_terminal=True)
F3, F4 = b"\x1b[13~", b"\x1b[14~"
LOOKS = [
    "default on default",
    "bold red on default",
    "reverse",
    "cyan on blue",
    "yellow on default",
]


def update(x: int, y: int, *lines: list[Segment]) -> CompositorUpdate:
    strips = [[Strip(line)] for line in lines]
    width = max(strip.cell_length for line in strips for strip in line)
    return LayoutUpdate(strips, Region(x, y, width, len(lines)))  # type: ignore[arg-type]


def plain(text: str, style: str = "") -> list[Segment]:
    return [Segment(text, Style.parse(style) if style else None)]


def anything(source: random.Random) -> CompositorUpdate:
    """Return an update of some place with some text in some styles, much of it blank."""
    x, y = source.randrange(SIZE.width - 4), source.randrange(SIZE.height - 1)
    lines = []
    for _ in range(source.randrange(1, SIZE.height - y + 1)):
        width, line = SIZE.width - x, list[Segment]()
        while width:
            length = source.randrange(1, width + 1)
            text = "".join(source.choice("ab   ") for _ in range(length))
            line.append(Segment(text, Style.parse(source.choice(LOOKS))))
            width -= length
        lines.append(line)
    return update(x, y, *lines)


def screen_after(*sent: str) -> list[list[pyte.screens.Char]]:
    """Return what a terminal shows that was sent this."""
    screen = pyte.Screen(SIZE.width, SIZE.height)
    stream = pyte.Stream(screen)
    stream.feed("garbage of a console without a second screen")
    stream.feed("\x1b[2J")
    for text in sent:
        stream.feed(text)
    return [[screen.buffer[y][x] for x in range(SIZE.width)] for y in range(SIZE.height)]


@pytest.mark.parametrize("seed", range(20))
def test_the_terminal_shows_what_textual_meant(seed: int) -> None:
    source, painter = random.Random(seed), Painter()  # noqa: S311 - no secret
    updates = [anything(source) for _ in range(12)]
    theirs = [each.render_segments(CONSOLE) for each in updates]
    ours = [painter.paint(each, CONSOLE, SIZE) for each in updates]
    assert screen_after(*theirs) == screen_after(*ours)
    assert sum(map(len, ours)) < sum(map(len, theirs))


def test_what_is_there_is_not_sent_again() -> None:
    painter = Painter()
    line = update(0, 2, plain("worker-01   61 %  12.0 MB/s"))
    painter.paint(line, CONSOLE, SIZE)
    assert "" == painter.paint(line, CONSOLE, SIZE)
    later = update(0, 2, plain("worker-01   62 %  12.0 MB/s"))
    assert "\x1b[3;14H2" == painter.paint(later, CONSOLE, SIZE)


def test_two_changes_far_apart_are_two_and_near_ones_one() -> None:
    painter = Painter()
    painter.paint(update(0, 0, plain("a0..........b0 c0")), CONSOLE, SIZE)
    sent = painter.paint(update(0, 0, plain("a1..........b1 c1")), CONSOLE, SIZE)
    assert "\x1b[1;2H1\x1b[1;14H1 c1" == sent


def test_a_change_of_colour_alone_is_sent() -> None:
    painter = Painter()
    painter.paint(update(0, 0, plain("ready")), CONSOLE, SIZE)
    sent = painter.paint(update(0, 0, plain("ready", "bold red")), CONSOLE, SIZE)
    assert "\x1b[1;1H\x1b[1;31mready\x1b[m" == sent


def test_lines_with_wide_characters_are_sent_whole() -> None:
    painter = Painter()
    painter.paint(update(0, 0, plain("名前 0")), CONSOLE, SIZE)
    assert "\x1b[1;1H名前 1" == painter.paint(update(0, 0, plain("名前 1")), CONSOLE, SIZE)


def test_drawing_again_and_another_size_clear_the_terminal_first() -> None:
    painter = Painter()
    line = update(0, 0, plain("ready"))
    painter.paint(line, CONSOLE, SIZE)
    painter.forget()
    assert "\x1b[0m\x1b[2J\x1b[1;1Hready" == painter.paint(line, CONSOLE, SIZE)
    larger = Size(SIZE.width + 1, SIZE.height)
    assert "\x1b[0m\x1b[2J\x1b[1;1Hready" == painter.paint(line, CONSOLE, larger)


def test_f3_draws_what_something_else_has_written_over(config: Path) -> None:
    terminal = RealTerminal(config, {"TERM": "linux"})
    try:
        terminal.sees("[Start]", "Set up")
        terminal.scribble("the kernel says something", 5)
        terminal.sees("the kernel says something")
        terminal.press(F3)
        terminal.sees("[Start]", "Set up", gone="the kernel says")
    finally:
        terminal.close()


def test_a_terminal_that_stopped_reading_gets_the_newest_and_not_all(config: Path) -> None:
    terminal = RealTerminal(config, {"TERM": "linux"})
    try:
        terminal.sees("[Start]", "Set up")
        first = len(terminal.sent)
        terminal.hold(F3, 60)
        terminal.press(F4)
        # What F4 chose is kept in a file: when it is there, every F3 was dealt with, unread.
        until((config.parent / "state" / REMEMBERED).exists, "all keys are dealt with")
        terminal.press(b"\r")
        seen = len(terminal.sent)
        terminal.sees("[Mode]", "choose it when")
        # The kernel keeps about 16 kB for a terminal; what Textual would queue is 30 screens more.
        assert len(terminal.sent) - seen < 16_384 + 5 * first
    finally:
        terminal.close()


def test_a_terminal_that_stopped_reading_is_left_when_it_hangs_up(config: Path) -> None:
    terminal = RealTerminal(config, {"TERM": "linux"})
    try:
        terminal.sees("[Start]", "Set up")
        terminal.hold(F3, 60)
        assert 0 == terminal.hang_up()
    finally:
        terminal.close()

"""Text from hosts, files and bundles is shown and never obeyed, wherever it appears."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from rich.cells import cell_len

from core.config import Config
from core.engine.journal import State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError, HostUnreachable
from tests.support.archives import sample_images, write_bundle
from tests.tui.driving import Driver, opened, to_key, walk_to
from tests.tui.fake_engine import FakeEngine, failed, hosts_of, line, task
from tui.terminal.text import MAX_CHARACTERS, fit, names, safe, safe_lines, same_length, wrapped

EVIL = "[/dev/sda1] [bold]x[/] \x1b[2J\x1b]0;t\x07\ttab\rcr\nnl \u202eabc\u200b 界界 \x9b1m"
BROKEN = EVIL + "\ud800"
LONG = "y[/]" * 25_000
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def is_safe(text: str) -> bool:
    """Whether a terminal would only draw it."""
    return not any(unicodedata.category(character) in HIDDEN for character in text)


def evil_error() -> AirferryError:
    """Return an error as a hostile host would word it."""
    return HostUnreachable(f"w: {EVIL} {LONG}", remedy=f"{EVIL} {LONG}")


def evil_runs(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return runs in which everything that a host can word is hostile."""
    rows = [task("du", "bundle.import:x", State.MISSING, EVIL + LONG, 5)]
    if request.kind is RunKind.CHECK:
        rows = []
    for number, host in enumerate(hosts_of(request, config)):
        rows.append(task(host, "connect", State.PRESENT, EVIL + LONG))
        if number:
            rows.append(failed(host, "docker.install", evil_error()))
        elif request.kind is not RunKind.CHECK:
            rows.append(task(host, "images.warm", State.MISSING, EVIL + LONG, 10))
    return rows


@pytest.fixture
def evil(config: Path) -> Path:
    """Return a site whose config, hosts and files are hostile."""
    images = config.parent / "imgs [bold] x"
    images.mkdir()
    (images / os.fsdecode(b"[x]\x1b[31m\xff\n.txt")).write_text("no bundle")
    write_bundle(images / "[red]\x1b[2J\tb.tar", sample_images())
    quoted = r'"[/b]\e[2J\t\r\n\u202e界"'
    config.write_text(
        f"# {EVIL[:20]} comment [/]\nprivateRegistryType: du\nimagesDir: {images.name}\n"
        f"stateDir: state\nssh:\n  user: {quoted}\nhosts:\n"
        f"- name: {quoted}\n  address: {quoted}\n- name: two\n  address: '{'z[/]' * 500}'\n",
        encoding="utf-8",
    )
    return config


async def see_it_safe(driver: Driver, *words: str) -> None:
    """Wait for words, then look at every character and the width of every line."""
    await driver.sees(*words)
    for shown in driver.text.splitlines():
        assert is_safe(shown), shown
        assert cell_len(shown) <= 80, shown


async def test_every_screen_survives_it(evil: Path) -> None:
    engine = FakeEngine(evil_runs)
    engine.log = [
        line(EVIL + LONG, "two", level) for level in ("info", "warning", "error") for _ in range(3)
    ]
    engine.log.append(line(f"{EVIL}: {EVIL} {LONG}", "two", "fact"))
    async with opened(evil, engine) as driver:
        await walk_to(driver, "Config")
        await see_it_safe(driver, "[/b]?[2J")
        await to_key(driver, "ssh user")
        await driver.press("enter")
        await see_it_safe(driver, "Enter take it")
        await driver.press("x", "escape", "v")
        await see_it_safe(driver, "What saving would change")
        await driver.press("escape", "t")
        await see_it_safe(driver, "No problem.")
        await driver.press("escape", "u", "n")
        await see_it_safe(driver, "[Hosts]", "1 not fit")
        await driver.press("up", "end", "enter")
        await see_it_safe(driver, "[/dev/sda1] [bold]x[/]")
        await driver.press("escape", "e")
        await see_it_safe(driver, "Change two")
        await driver.press("escape", "delete")
        await see_it_safe(driver, "Remove two?")
        await driver.press("escape", "n")
        await see_it_safe(driver, "[Bundles]", "[red]?[2J", "ignored")
        await driver.press("up", "home", "enter")
        await see_it_safe(driver, "linux/amd64")
        await driver.press("escape", "n")
        await see_it_safe(driver, "Start?", "[/dev/sda1] [bold]x[/]")
        await driver.press("l")
        await see_it_safe(driver, "What is missing where")
        await driver.press("escape", "right", "enter")
        await see_it_safe(driver, "[Run]", "E-SSH-ROUTE")
        await driver.press("escape")
        await see_it_safe(driver, "this machine", "outcome")
        await driver.press("home", "enter")
        await see_it_safe(driver, "two", "run 3", "[/dev/sda1]")
        await driver.press("f")
        await see_it_safe(driver, "two: what it is", "[/dev/sda1]")
        await driver.press("escape")
        await driver.press("l", "home")
        await see_it_safe(driver, "[/dev/sda1]")
        await driver.press("escape", "escape")
        await see_it_safe(driver, "[Start]", "1 host not ready")


async def test_refusals_and_questions_survive_it(evil: Path) -> None:
    engine = FakeEngine(evil_runs)
    async with opened(evil, engine) as driver:
        await walk_to(driver, "Config")
        engine.refusal = evil_error()
        await driver.press("n")
        await see_it_safe(driver, "w: [/dev/sda1] [bold]x[/]")
        await driver.press("enter", "n", "n")
        await see_it_safe(driver, "This cannot be started.", "[/dev/sda1]")


def test_safe_text_has_no_way_out() -> None:
    assert is_safe(safe(BROKEN))
    assert safe(b"a\xff\xfeb\x1b[1m") == "a\ufffd\ufffdb?[1m"
    assert len(safe(LONG)) == MAX_CHARACTERS
    assert len(same_length(EVIL)) == len(EVIL)
    assert all(is_safe(part) for part in safe_lines(EVIL))
    assert all(is_safe(part) and cell_len(part) <= 30 for part in wrapped(EVIL, 30))
    assert safe_lines("") == [""]


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 13, 40])
@pytest.mark.parametrize("text", [BROKEN, LONG, "", "界" * 50, "a"])
def test_fitted_text_takes_exactly_its_cells(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width


def test_names_say_how_many_more_there_are() -> None:
    assert names(["a", "b"]) == "a, b"
    assert names([]) == ""
    every = [f"worker-{n}" for n in range(9)]
    assert names(every, 29) == "worker-0, worker-1 and 7 more"
    assert names(every, 28) == "worker-0 and 8 more"
    assert names(every, 1) == "worker-0 and 8 more"
    assert names(every, 88) == ", ".join(every)

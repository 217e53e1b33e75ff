"""A run as it goes on: watched, left alone, cancelled, opened host by host."""

from __future__ import annotations

import time
from pathlib import Path

from core.config import load_config
from core.engine.journal import RunRow, State
from core.engine.request import RunKind, RunRequest
from core.errors import HostUnreachable
from tests.tui.driving import Driver, opened
from tests.tui.fake_engine import FakeEngine, failed, installed, installed_here, line, task
from tui.widgets.line_list import LineList


def held(config: Path) -> FakeEngine:
    """Return an engine with an install at work on the site."""
    engine = FakeEngine()
    engine.holds = frozenset({RunKind.INSTALL})
    engine.start(RunRequest(RunKind.INSTALL, config))
    return engine


async def watch(driver: Driver) -> None:
    await driver.sees("> Watch the run that is at work", "Leave it alone")
    await driver.press("enter")
    await driver.sees("[Run]", "run 1", "3 waiting")


async def test_progress_is_shown_as_it_is_written(config: Path) -> None:
    engine, state_dir = held(config), load_config(config).state_dir
    async with opened(config, engine) as driver:
        await watch(driver)
        row = task("worker-02", "images.warm", State.RUNNING, "worker-02: calico-node")
        row.bytes_done, row.bytes_total, row.rate, row.ended = 61, 100, 12_000_000.0, None
        engine.write(state_dir, 1, [*installed_here(), row])
        await driver.sees("61 % 12.0 MB/s ", "calico-node", "1 at work", "this machine done")
        await driver.press("end", "enter")
        await driver.sees("worker-03", "images.warm", "nothing in the log yet")
        engine.write(state_dir, 1, [], [line("now it begins", "worker-03")])
        await driver.sees("now it begins")
        await driver.press("escape")
        rows = installed_here() + [r for n in "123" for r in installed(f"worker-0{n}")]
        engine.finish(state_dir, 1, rows)
        await driver.sees("All hosts are ready.")


async def test_the_cursor_stays_on_its_host_when_the_order_changes(config: Path) -> None:
    engine, state_dir = held(config), load_config(config).state_dir
    async with opened(config, engine) as driver:
        await watch(driver)
        await driver.press("home", "down", "down")
        hosts = driver.app.screen.query_one("#hosts", LineList)
        chosen = hosts.key
        bad = task("worker-03", "connect", State.FAILED, "no route")
        engine.finish(state_dir, 1, [*installed_here(), bad])
        await driver.sees("Retry")
        await driver.press("escape")
        await driver.until(lambda: hosts.rows[0].key == "worker-03")
        assert hosts.key == chosen


async def test_rows_are_filtered_and_sorted(config: Path) -> None:
    engine, state_dir = held(config), load_config(config).state_dir
    async with opened(config, engine) as driver:
        await watch(driver)
        rows = [*installed_here(), *installed("worker-01")]
        bad = task("worker-03", "connect", State.FAILED, "no route")
        engine.write(state_dir, 1, [*rows, bad])
        await driver.sees("1 failed", "no route", "by problems")
        await driver.press("slash", *"!done")
        await driver.sees("/!done", "2 of 4")
        assert "worker-01" not in driver.text
        await driver.press("backspace", "backspace", "backspace", "backspace", "backspace")
        await driver.press(*"ROUTE", "enter")
        await driver.sees("1 of 4", "> x worker-03")
        await driver.press("s")
        await driver.sees("by slowest", "1 of 4")
        await driver.press("slash", "escape")
        await driver.sees("worker-01", "worker-02", "worker-03")
        await driver.press("slash", *"nothing like it")
        await driver.sees("no host has all of these words")


async def test_letters_are_words_while_a_filter_is_typed(config: Path) -> None:
    engine = held(config)
    async with opened(config, engine) as driver:
        await watch(driver)
        await driver.press("slash", *"cdos")
        await driver.sees("/cdos", "0 of 4")
        assert "Cancel run" not in driver.text
        assert not driver.app._exit


async def test_a_run_is_held_and_let_go_on(config: Path) -> None:
    engine = held(config)
    async with opened(config, engine) as driver:
        await watch(driver)
        await driver.sees("p pause")
        await driver.press("p")
        await driver.sees("PAUSED", "p go on")
        assert "p pause" not in driver.text
        await driver.press("escape")
        await driver.sees("[Start]", "Watch")
        await driver.press("enter")
        await driver.sees("PAUSED", "p go on")
        await driver.press("p")
        await driver.sees("p pause")
        assert "PAUSED" not in driver.text


async def test_what_failed_is_tried_again_while_others_are_at_work(config: Path) -> None:
    engine, state_dir = held(config), load_config(config).state_dir
    async with opened(config, engine) as driver:
        await watch(driver)
        assert "retry" not in driver.text
        bad = [failed(f"worker-0{n}", "connect", HostUnreachable("no route")) for n in (2, 3)]
        engine.write(state_dir, 1, bad)
        await driver.sees("2 failed", "r retry", "R retry all", "> x worker-02")
        await driver.press("r")
        await driver.until(lambda: engine.again == ["worker-02"])
        await driver.press("down", "enter")
        await driver.sees("worker-03   run 1", "r retry")
        await driver.press("r")
        await driver.until(lambda: engine.again == ["worker-02", "worker-03"])
        await driver.sees("3 hosts:")
        await driver.press("R")
        await driver.until(lambda: engine.again[2:] == ["worker-02", "worker-03"])
        await driver.press("end")
        await driver.until(lambda: "r retry" not in driver.text)
        assert [RunKind.INSTALL] == [request.kind for request in engine.requests]


async def test_keys_that_were_typed_ahead_go_where_they_were_meant(config: Path) -> None:
    """On a slow line many keys arrive before the first one is drawn."""
    engine, state_dir = held(config), load_config(config).state_dir
    async with opened(config, engine) as driver:
        await watch(driver)
        bad = [task(f"worker-0{n}", "connect", State.FAILED, "no route") for n in (2, 3)]
        engine.write(state_dir, 1, bad)
        await driver.sees("2 failed")
        driver.type_ahead("slash", *"cd", "backspace", "backspace", *"failed")
        driver.type_ahead("enter", "down", "enter")
        await driver.sees("[Run]", "worker-03   run 1")


async def test_a_wide_terminal_shows_the_host_beside_the_table(config: Path) -> None:
    engine, state_dir = held(config), load_config(config).state_dir
    async with opened(config, engine, size=(120, 40)) as driver:
        await watch(driver)
        bad = failed("worker-03", "connect", HostUnreachable("worker-03: no route to host"))
        engine.write(state_dir, 1, [bad])
        await driver.sees("> x worker-03", "[E-SSH-ROUTE]", "x connect")
        await driver.press("end")
        await driver.sees("> . worker-02", ". docker.install")
        await driver.pilot.resize_terminal(80, 24)
        await driver.sees("this machine")
        assert "[E-SSH-ROUTE]" not in driver.text


async def test_leaving_it_alone_does_not_end_it(config: Path) -> None:
    engine = held(config)
    async with opened(config, engine) as driver:
        await watch(driver)
        await driver.press("d")
    assert driver.app.return_value == ("Run 1 goes on. Watch it: airferry, or airferry watch 1")
    assert engine.cancelled == []


async def test_esc_goes_to_start_and_the_run_is_offered_again(config: Path) -> None:
    async with opened(config, held(config)) as driver:
        await watch(driver)
        await driver.press("escape")
        await driver.sees("[Start]", "> Watch the run that is at work")


async def test_cancelling_is_asked_twice(config: Path) -> None:
    engine = held(config)
    async with opened(config, engine) as driver:
        await watch(driver)
        await driver.press("c", "enter")
        await driver.sees("[Run]", "c cancel")
        await driver.press("c", "right", "enter")
        await driver.sees("Really cancel?", "> No, let it go on")
        await driver.press("enter")
        assert engine.cancelled == []
        await driver.press("c", "right", "enter", "right", "enter")
        await driver.sees("The run was cancelled.", "Retry")
        assert engine.cancelled == [1]


async def test_ctrl_c_asks(config: Path) -> None:
    async with opened(config, held(config)) as driver:
        await watch(driver)
        await driver.press("ctrl+c")
        await driver.sees("Leave Airferry?", "A run at work goes on", "> Stay", "Tab other answer")
        await driver.press("tab", "tab", "tab", "enter")
    assert driver.app.return_value is None


async def test_five_hundred_hosts_draw_only_what_changed(config: Path) -> None:
    names = [f"host-{number:03}" for number in range(500)]
    hosts = "".join(f"  - {name}\n" for name in names)
    config.write_text(f"imagesDir: imgs\nstateDir: state\nhosts:\n{hosts}")
    engine, state_dir = held(config), load_config(config).state_dir
    async with opened(config, engine) as driver:
        await driver.press("enter")
        await driver.sees("500 hosts:  500 waiting")
        lines = driver.app.screen.query_one("#hosts", LineList)
        drawn: list[int] = []
        draw = lines.refresh_line

        def note(y: int) -> None:
            drawn.append(y)
            draw(y)

        lines.refresh_line = note  # type: ignore[method-assign]
        row = task("host-007", "connect", State.RUNNING, "connecting")
        row.started, row.ended = time.time() + 1000, None  # its clock stands still
        engine.write(state_dir, 1, [row])
        await driver.sees("connect 1/3", "connecting")
        assert set(drawn) == {next(n for n, r in enumerate(lines.rows) if r.key == "host-007")}


async def test_host_is_retried_from_its_own_screen(config: Path) -> None:
    engine, state_dir = held(config), load_config(config).state_dir
    bad = task("worker-01", "connect", State.FAILED, "no route")
    bad.error_code, bad.error, bad.remedy = "E-SSH-ROUTE", "no route to host", "Check the cable."
    rows = installed_here() + [r for n in "23" for r in installed(f"worker-0{n}")]
    engine.finish(state_dir, 1, [bad, *rows])
    async with opened(config, engine) as driver:
        await driver.press("down", "down", "enter")
        await driver.sees("2 of 3 hosts ready")
        await driver.press("escape", "home", "enter")
        await driver.sees("worker-01", "no route to host [E-SSH-ROUTE]", "Check the cable.")
        await driver.press("r")
        await driver.sees("The host is ready.")
        request = RunRequest(RunKind.CONFIGURE_HOSTS, config, hosts=("worker-01",))
        assert engine.requests[-1] == request


async def test_engine_that_died_is_told_and_its_run_offered_again(config: Path) -> None:
    class DeadEngine(FakeEngine):
        def at_work(self, state_dir: Path) -> RunRow | None:  # noqa: ARG002
            return None

        def true_state(self, run: RunRow, state_dir: Path) -> State:  # noqa: ARG002
            return State.INTERRUPTED if run.state is State.RUNNING else run.state

    engine = DeadEngine()
    engine.holds = frozenset({RunKind.INSTALL})
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await driver.sees("interrupted; 0 of 3 ready")
        await driver.press("down", "down", "enter")
        await driver.sees("The run was interrupted: its engine died.", "> Retry the run")
        await driver.press("escape")
        await driver.sees("3 interrupted", "x worker-01")
        engine.holds = frozenset()
        await driver.press("R")
        await driver.sees("All hosts are ready.")

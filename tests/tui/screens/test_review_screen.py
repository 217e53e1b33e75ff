"""Review: what would be done, host by host, before anything is."""

from __future__ import annotations

from pathlib import Path

from core.config import Config
from core.engine.journal import State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import BundleTruncated, HostUnreachable
from core.telling import CONTAINERS_STOP, LEFT_OUT, Detail, room_fact
from core.warnings import CLOCK
from tests.tui.driving import opened, walk_to
from tests.tui.fake_engine import FakeEngine, failed, line, task, well
from tui.presenters.planview import plan_lines


def one_dead(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return runs in which worker-02 cannot be reached."""
    rows = [row for row in well(request, config) if row.target != "worker-02"]
    return [*rows, failed("worker-02", "connect", HostUnreachable("worker-02: no route to host"))]


async def test_what_is_missing_is_told_host_by_host(config: Path) -> None:
    async with opened(config, FakeEngine(one_dead)) as driver:
        await walk_to(driver, "Review")
        await driver.press("l")
        await driver.sees("What is missing where", "this machine", "x worker-02", "no route")
        await driver.sees("2 steps   369.8 MB  install Docker, images")
        await driver.press("slash", *"!route worker", "enter")
        await driver.sees("2 of 4", "> + worker-01")
        await driver.press("enter")
        await driver.sees("What is missing there", "docker.install: Docker (4 packages) (65.2 MB)")
        await driver.press("escape", "slash", "escape", "end")
        await driver.sees("> x worker-02")
        await driver.press("enter")
        await driver.sees("connect: no route to host [E-SSH-ROUTE]", "power")


async def test_what_it_will_cost_is_told_before(config: Path) -> None:
    def old_docker(request: RunRequest, config: Config) -> list[TaskRow]:
        rows = well(request, config)
        for row in rows:
            if row.step == "docker.install" and row.target != "worker-03":
                row.message = f"Docker is too old; {CONTAINERS_STOP}"
                row.warnings = (CLOCK.of(off="6 minutes behind"),)
        return rows

    engine = FakeEngine(old_docker)
    name, value = room_fact(3_100_000_000, "/var/lib/docker")
    engine.log = [line(f"{name}: {value}", "worker-02", "fact")]
    async with opened(config, engine) as driver:
        await walk_to(driver, "Review")
        await driver.sees("enough; tightest is worker-02, 3.1 GB left")
        await driver.sees("Time               not known before a first run")
        await driver.sees("! Docker is replaced on 2 hosts", "worker-01, worker-02")
        await driver.sees("! the clock is wrong on 2 hosts: worker-01, worker-02  [W-CLOCK]")
        await driver.sees("worker-01: has a clock that is 6 minutes behind", "Set the host's clock")


async def test_the_time_goes_by_the_last_runs(config: Path, engine: FakeEngine) -> None:
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await walk_to(driver, "Review")
        await driver.sees("Time               about", "(by the last runs: 90.4 MB/s to a host)")


async def test_a_wide_terminal_tells_it_beside_the_table(config: Path) -> None:
    async with opened(config, FakeEngine(one_dead), size=(130, 40)) as driver:
        await walk_to(driver, "Review")
        await driver.press("l", "down")
        await driver.sees("> + worker-01", "+ docker.install: Docker (4 packages)")


async def test_files_for_the_cluster_are_part_of_what_is_done_here(config: Path) -> None:
    def stale(request: RunRequest, config: Config) -> list[TaskRow]:
        what = "files for the cluster: images.txt"
        return [*well(request, config), task("du", "cluster.files", State.MISSING, what)]

    async with opened(config, FakeEngine(stale)) as driver:
        await walk_to(driver, "Review")
        await driver.sees("write the files for the cluster", "start the registry")


def test_that_other_hosts_go_on_is_said_of_hosts_only() -> None:
    """What fails on this machine holds up all of them."""
    well_there = task("worker-01", "images.warm", State.MISSING, "images", 1)
    here = failed("du", "registry.reach", HostUnreachable("no answer"))
    there = failed("worker-02", "connect", HostUnreachable("no route to host"))
    said = [
        "The other hosts go on" in str(plan_lines([row, well_there], [], "du-01"))
        for row in (here, there)
    ]
    assert [False, True] == said


def bad_bundle(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return runs of which a bundle is cut, and nothing of it is taken unless that is asked for."""
    rows = well(request, config)
    if not request.keep_going:
        rows.append(failed("du", "bundle.import:cut.tar", BundleTruncated("cut.tar: ends early")))
        rows.append(failed("du", "bundle.import:odd.tar", BundleTruncated("odd.tar: no more")))
    return rows


async def test_what_is_bad_of_bundles_can_be_left_out(config: Path) -> None:
    """Every bad bundle is told, and how the run ended says so."""
    engine = FakeEngine(bad_bundle)
    async with opened(config, engine, size=(80, 40)) as driver:
        await walk_to(driver, "Review")
        await driver.sees("cut.tar: ends early", "odd.tar: no more", "d: leave out what is bad")
        engine.left_out = [
            Detail(LEFT_OUT, name, note="ends early [E-BUNDLE-CUT]")
            for name in ("cut.tar", "odd.tar")
        ]
        await driver.press("d")
        await driver.sees("is left out, the rest imported. d: not so", "x left out", "odd.tar")
        assert engine.requests[-1].keep_going
        await driver.sees("Start?")
        await driver.press("right", "enter")
        await driver.sees("All hosts are ready.  Of the bundles 2 left out.", "x left out")
        await driver.sees("but for what was left out", "cut.tar  (ends early [E-BUNDLE-CUT])")
    assert (RunKind.INSTALL, True) == (engine.requests[-1].kind, engine.requests[-1].keep_going)


async def test_where_every_bundle_is_whole_nothing_is_offered(config: Path) -> None:
    engine = FakeEngine()
    async with opened(config, engine) as driver:
        await walk_to(driver, "Review")
        await driver.press("d")
        assert "leave out what is bad" not in driver.text
    assert not any(request.keep_going for request in engine.requests)

"""A site that differs from its config: told on Start and Maintenance, changed through Review."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.config import Config
from core.engine.journal import LogLine, State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import HostUnreachable
from tests.tui.conftest import CONFIG
from tests.tui.driving import opened, walk_to
from tests.tui.fake_engine import FakeEngine, failed, hosts_of, task, well
from tests.tui.screens.test_maintenance import to_line
from tui.model.retry import retry_of
from tui.model.site import Site

STAYS = "the registry's content, 1.2 GB in /var/lib/airferry/registry"
BY_OPTION = "(--remove-registry removes it)"


def changing(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return changes from du to none that end well."""
    hosts = hosts_of(request, config)
    if request.kind is RunKind.PLAN_RECONFIGURE:
        removed = [
            task("du", "registry.remove", State.MISSING, "the registry's content (1.2 GB)")
            for _ in range(request.remove_registry)
        ]
        return [
            *(task(host, "tunnel.close", State.MISSING, f"the tunnel to {host}") for host in hosts),
            task("du", "tunnels.stop", State.MISSING, "the tunnel service"),
            task("du", "registry.stop", State.MISSING, "the registry at 127.0.0.1:5100"),
            *removed,
        ]
    if request.kind is RunKind.RECONFIGURE:
        return [
            *(task(host, "tunnel.close", State.DONE) for host in hosts),
            task("du", "tunnels.stop", State.DONE),
            task("du", "registry.stop", State.DONE),
        ]
    return well(request, config)


@pytest.fixture
def changer() -> FakeEngine:
    return FakeEngine(changing)


@pytest.fixture
def changed(config: Path, changer: FakeEngine) -> Path:
    """A site that was set up in mode du, and whose config says none by now."""
    changer.start(RunRequest(RunKind.INSTALL, config))
    config.write_text(CONFIG.replace("Type: du", "Type: none"))
    changer.log = [LogLine(0, 1.0, "du", "registry.stop", "fact", f"stays: {STAYS} {BY_OPTION}")]
    return config


async def test_start_offers_the_change_and_review_tells_it(
    changed: Path, changer: FakeEngine
) -> None:
    async with opened(changed, changer) as driver:
        await driver.sees("Change what runs to the config", "mode none now, set up in mode du")
        await driver.until(lambda: "> Change what runs to the config" in driver.text)
        await driver.press("enter")
        await driver.sees("[Review]", "This is what will be done.", "Start?   > No")
        await driver.sees("stopped    the tunnel of worker-01, worker-02, worker-03")
        await driver.sees("the registry at 127.0.0.1:5100", f"stays      {STAYS[:40]}")
        await driver.sees("o: [ ] remove what the registry stores as well", "o remove content")
        assert "--remove-registry" not in driver.text
        await driver.press("o")
        await driver.sees("removed    the registry's content (1.2 GB)", "o: [x] remove")
        kind = RunKind.PLAN_RECONFIGURE
        asked = [RunRequest(kind, changed), RunRequest(kind, changed, remove_registry=True)]
        assert asked == changer.requests[-2:]
        await driver.press("o")
        await driver.until(lambda: "removed    " not in driver.text and "Start?" in driver.text)
        await driver.press("right", "enter")
        await driver.sees(
            "All hosts are ready.", "ended        tunnels, the tunnel service, the reg"
        )
        assert RunRequest(RunKind.RECONFIGURE, changed) == changer.requests[-1]
        await driver.press("escape", "escape")
        await driver.sees("Found", "Set up or change this site")
        await driver.until(lambda: "Change what runs" not in driver.text)


async def test_maintenance_says_so_and_asks(changed: Path, changer: FakeEngine) -> None:
    async with opened(changed, changer) as driver:
        await to_line(driver, "Change the mode")
        await driver.sees("! Change the mode", "differs from the config: mode none now")
        await driver.press("enter")
        await driver.sees("The site differs from its config", "> No", "Review the change")
        await driver.press("right", "enter")
        await driver.sees("[Review]", "Start?   > No")
        assert RunRequest(RunKind.PLAN_RECONFIGURE, changed) == changer.requests[-1]


async def test_the_mode_is_changed_from_maintenance(config: Path, changer: FakeEngine) -> None:
    """Mode, config saved, Review; hosts and bundles are as they were."""
    changer.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, changer) as driver:
        await to_line(driver, "Change the mode")
        await driver.sees("now du")
        await driver.press("enter")
        await driver.sees("[Mode]", "> du")
        await driver.press("up", "enter")
        await driver.sees("[Config]", "Next: Review")
        await driver.press("n")
        await driver.sees("Save these changes?", "+privateRegistryType: none")
        await driver.press("enter")
        await driver.sees("[Review]", "stopped    the tunnel of worker-01")
        assert RunRequest(RunKind.PLAN_RECONFIGURE, config) == changer.requests[-1]
    assert "none" in config.read_text()


async def test_the_walk_ends_with_the_change(changed: Path, changer: FakeEngine) -> None:
    """What is set up in another mode is changed, not only added to."""
    async with opened(changed, changer) as driver:
        await driver.sees("> Change what runs to the config")
        await driver.press("down")
        await walk_to(driver, "Review")
        await driver.sees("stopped    the tunnel of worker-01")
        assert RunRequest(RunKind.PLAN_RECONFIGURE, changed) == changer.requests[-1]


def test_what_has_failed_is_changed_again_as_a_whole(config: Path) -> None:
    """What the change leaves ends only when all hosts are well, so one host alone is not enough."""

    def one_fails(request: RunRequest, site: Config) -> list[TaskRow]:
        return [*changing(request, site), failed("worker-02", "images.warm", HostUnreachable("x"))]

    engine, site = FakeEngine(one_fails), Site(config)
    run = engine.start(RunRequest(RunKind.RECONFIGURE, config))
    snapshot = site.look(run)
    assert snapshot is not None
    assert RunRequest(RunKind.RECONFIGURE, config) == retry_of(snapshot, site.config)
    one = RunRequest(RunKind.CONFIGURE_HOSTS, config, hosts=("worker-02",))
    assert one == retry_of(
        replace(snapshot, run=replace(snapshot.run, kind="install")), site.config
    )

"""The whole walk, from Start to Done, with keys only."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from core.bundle.discovery import find_bundles
from core.bundle.listing import list_bundle
from core.cluster import cluster_directory, cluster_files, read_files, write_files
from core.config import Config, load_config
from core.engine.journal import State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import ConfigError, HostUnreachable
from tests.tui.driving import opened, walk_to
from tests.tui.fake_engine import FakeEngine, failed, hosts_of, task, well


def one_unreachable(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return runs in which worker-02 cannot be reached unless it is asked for alone."""
    if request.hosts == ("worker-02",):
        return well(request, config)
    rows = [row for row in well(request, config) if row.target != "worker-02"]
    if "worker-02" in hosts_of(request, config):
        rows.append(failed("worker-02", "connect", HostUnreachable("worker-02: no route to host")))
        rows.append(task("worker-02", "images.warm", State.BLOCKED, "not tried"))
    return rows


async def test_from_start_to_done(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        assert "[Start] > Mode > Config > Hosts > Bundles > Review > Run" in driver.text
        assert "3 hosts" in driver.text
        await walk_to(driver, "Hosts")
        await driver.sees("3 hosts: 3 ok", "Debian 12, no Docker")
        await driver.press("enter")
        await driver.sees("docker-imgs-v-1.tar.gz", "not an archive")
        await driver.press("enter")
        await driver.sees("Start?   > No", "3 can be done", "install Docker", "start the registry")
        kinds = [request.kind for request in engine.requests]
        assert kinds == [RunKind.CHECK, RunKind.PLAN]
        await driver.press("right", "enter")
        await driver.sees("All hosts are ready.", "3 of 3 ready", "localhost:5991/<image>")
        assert engine.requests[-1] == RunRequest(RunKind.INSTALL, config)
        await driver.press("escape")
        await driver.sees("100 %", "worker-01", "this machine")
        await driver.press("escape")
        await driver.sees("[Start]", "3 of 3 hosts ready")
        await driver.press("q")
    assert driver.app.return_code == 0


async def test_no_is_the_default_of_review(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Review")
        await driver.press("enter")
        await driver.sees("[Bundles]")
        assert RunKind.INSTALL not in [request.kind for request in engine.requests]


async def test_mode_is_chosen_and_saved_before_going_on(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Mode")
        await driver.press("up", "enter")
        await driver.sees("[Config]", "Not saved: 1 changed line")
        assert "privateRegistryType: du" in config.read_text()
        await driver.press("n")
        await driver.sees("Save these changes?", "+privateRegistryType: none")
        await driver.press("enter")
        await driver.sees("[Hosts]")
        assert "privateRegistryType: none   # the mode" in config.read_text()


async def test_failed_host_is_retried_from_done(config: Path) -> None:
    engine = FakeEngine(one_unreachable)
    async with opened(config, engine) as driver:
        await walk_to(driver, "Review")
        await driver.sees("2 can be done, 1 cannot", "[E-SSH-ROUTE]", "no route to host")
        await driver.press("right", "enter")
        await driver.sees("2 of 3 hosts ready.  1 not.", "[E-SSH-ROUTE]", "> Retry worker-02")
        await driver.press("enter")
        await driver.sees("The host is ready.")
        request = RunRequest(RunKind.CONFIGURE_HOSTS, config, hosts=("worker-02",))
        assert engine.requests[-1] == request


async def test_failed_host_is_retried_from_start_and_from_the_table(config: Path) -> None:
    engine = FakeEngine(one_unreachable)
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await driver.sees("> Retry 1 host not ready", "(worker-02)", "1 not")
        await driver.press("enter")
        await driver.sees("[Review]", "1 host")
        plan = RunRequest(RunKind.PLAN, config, hosts=("worker-02",), hosts_only=True)
        assert plan == engine.requests[-1]
        await driver.press("escape")
        await driver.sees("[Start]", "Look at the last run")
        await driver.press("down", "down", "enter")
        await driver.sees("2 of 3 hosts ready")
        await driver.press("escape", "home")
        await driver.sees("> x worker-02", "r retry")
        await driver.press("r")
        await driver.sees("The host is ready.")


async def test_keys_that_were_typed_ahead_walk_on(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        driver.type_ahead("enter", "enter", "enter", "enter")
        await driver.sees("[Bundles]", "free in")
        driver.type_ahead("escape", "escape", "escape", "escape")
        await driver.sees("[Start]", "Found")


async def test_empty_site_does_only_this_machine(config: Path, engine: FakeEngine) -> None:
    config.write_text("privateRegistryType: du\nimagesDir: imgs\nstateDir: state\n")
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("No hosts yet")
        await driver.press("n", "n")
        await driver.sees("only this machine's part is done", "Start?")
        await driver.press("right", "enter")
        await driver.sees("Done.")
        assert RunKind.CHECK not in [request.kind for request in engine.requests]


async def test_nothing_to_do_is_said(config: Path) -> None:
    def all_there(request: RunRequest, config: Config) -> list[TaskRow]:
        rows = well(request, config)
        for row in rows:
            row.state, row.bytes_done = State.PRESENT, 0
        return rows

    async with opened(config, FakeEngine(all_there)) as driver:
        await walk_to(driver, "Bundles")
        await driver.press("n")
        await driver.sees("Nothing to do: everything is there already.", "> No")
        await driver.press("right", "enter")
        await driver.sees("All hosts are ready.", "3 had everything already")


async def test_refused_dry_run_says_why(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        engine.refusal = ConfigError("dockerRepo: no such file", remedy="Name an existing one.")
        await driver.press("n")
        await driver.sees("This cannot be started.", "dockerRepo: no such", "Name an existing one")
        engine.refusal = None
        await driver.press("r")
        await driver.sees("Start?")


@pytest.mark.parametrize("name", ["", "report", "report.json"])
async def test_report_is_saved_where_asked(config: Path, engine: FakeEngine, name: str) -> None:
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await driver.press("down", "enter")
        await driver.sees("All hosts are ready")
        await driver.press("s")
        await driver.sees("Save the report: in which directory?", str(Path.home()))
        await driver.press("ctrl+u")
        await driver.paste(str(config.parent / name))
        await driver.press("enter")
        await driver.sees("Written:")
    stem = name.partition(".")[0] or "airferry-report-1"
    text, record = (config.parent / f"{stem}{suffix}" for suffix in (".md", ".json"))
    assert json.loads(record.read_text())["state"] == "done"
    assert text.read_text().startswith("# Run 1: install, mode du: done")


async def test_support_bundle_is_written_to_the_stick(config: Path, engine: FakeEngine) -> None:
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await driver.press("down", "enter")
        await driver.sees("All hosts are ready", "Support")
        await driver.press("b", "ctrl+u")
        await driver.paste(str(config.parent))
        await driver.press("enter")
        await driver.sees("Written:")  # the path may take several lines
    [path] = config.parent.glob("airferry-support-*.tar.gz")
    with tarfile.open(path) as archive:
        assert any(name.endswith("README.txt") for name in archive.getnames())


async def test_report_that_cannot_be_written_says_why(config: Path, engine: FakeEngine) -> None:
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await driver.press("down", "enter")
        await driver.sees("All hosts are ready")
        await driver.press("s", "ctrl+u")
        await driver.paste("/no/such/place.md")
        await driver.press("enter")
        await driver.sees("Not written", "No such file")


async def test_verify_starts_a_run_of_its_own(config: Path, engine: FakeEngine) -> None:
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await driver.press("down", "down", "enter")
        await driver.sees("run 2, verify", "registry and hosts have every image")


async def test_files_for_the_cluster_are_read_and_saved(
    config: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    site = load_config(config)
    found, _ = find_bundles(site.images_dir)
    write_files(cluster_directory(site), cluster_files(site, map(list_bundle, found)))
    (tmp_path / "stick").mkdir()
    async with opened(config, engine) as driver:
        await walk_to(driver, "Review")
        await driver.press("right", "enter")
        await driver.sees("names        localhost:5991/<image>     files for the cluster: e")
        await driver.press("e")
        await driver.sees("README.txt", "..nerd/certs.d/localhost_5991_/hosts.toml", "s save all")
        await driver.press("down", "enter")
        await driver.sees("    localhost:5991/", "Original name, and below it the one to use")
        await driver.press("escape", "s")
        await driver.sees("Save the files for the cluster: in which directory?")
        await driver.press("ctrl+u")
        await driver.paste(str(tmp_path / "stick"))
        await driver.press("enter")
        await driver.sees("Written: ")
    copy = tmp_path / "stick" / "airferry-cluster-files"
    assert read_files(cluster_directory(site)) == read_files(copy)


async def test_there_is_no_key_for_files_that_are_not_there(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Review")
        await driver.press("right", "enter")
        await driver.sees("names        localhost:5991/<image>")
        await driver.press("e")
        await driver.sees("All hosts are ready.")
        assert "files for the cluster" not in driver.text

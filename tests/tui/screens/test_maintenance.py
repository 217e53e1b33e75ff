"""Maintenance: each line says how it stands, and leads through Review or a question."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import service
from core.config import Config, HostConfig, SshConfig, load_config
from core.engine.journal import RunRow, State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.engine.services import stop_registry
from core.errors import DuDiskFull, HostUnreachable
from core.hosts.tunnel.store import Tunnel, TunnelStatus, TunnelStore
from tests.support.ports import free_port
from tests.tui.conftest import CONFIG
from tests.tui.driving import Driver, opened
from tests.tui.fake_engine import FakeEngine, failed, hosts_of, task, well
from tests.tui.walks.test_hostile_text import EVIL, LONG, see_it_safe
from tui.model import backups
from tui.model.backups import FoundBackup, backups_in, restore_line, with_needed
from tui.model.retry import retry_of
from tui.model.site import RunSnapshot
from tui.widgets.text_field import TextField


def upkeep(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return runs of maintenance that end well."""
    hosts = hosts_of(request, config)
    match request.kind:
        case RunKind.PLAN_BACKUP:
            return [task("du", "registry.backup", State.MISSING, "no backup of 6 images", 10**9)]
        case RunKind.BACKUP:
            words = "/media/stick/airferry-backup-1.tar: 6 images, read back and compared"
            return [task("du", "registry.backup", State.DONE, words, 10**9)]
        case RunKind.PLAN_RESTORE:
            return [task("du", "registry.restore", State.MISSING, "2 images are missing", 10**8)]
        case RunKind.RESTORE:
            return [task("du", "registry.restore", State.DONE, "6 images", 10**8)]
        case RunKind.PLAN_CLEAN:
            return [
                task(host, "images.remove", State.MISSING, "9 names are to go") for host in hosts
            ]
        case RunKind.CLEAN:
            return [task(host, "images.remove", State.DONE) for host in hosts]
        case _:
            return well(request, config)


@pytest.fixture
def keeper() -> FakeEngine:
    """Return an engine whose runs of maintenance end well."""
    return FakeEngine(upkeep)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with three backups, one of them in parts."""
    place = tmp_path / "home"
    place.mkdir()
    (place / "airferry-backup-20261101-120000.tar").write_bytes(b"x" * 2000)
    (place / "airferry-backup-20261101-120000.tar.sha256").write_text("x")
    (place / "airferry-backup-20261120-140000-changes.tar.00").write_bytes(b"x" * 3000)
    (place / "airferry-backup-20261120-140000-changes.tar.01").write_bytes(b"x" * 500)
    monkeypatch.setenv("HOME", str(place))
    return place


async def to_line(driver: Driver, words: str) -> None:
    """Open Maintenance and go to one of its lines."""
    await driver.sees("Maintenance")
    await driver.press("end", "up", "enter")
    await driver.sees("Support bundle", "Back up the registry", "none wanted")
    for _ in range(16):
        if any(words in shown and shown.startswith(" >") for shown in driver.text.splitlines()):
            return
        await driver.press("down")
    raise AssertionError(f"no line {words!r}; the screen shows:\n{driver.text}")


async def test_each_line_says_how_it_stands(config: Path, keeper: FakeEngine) -> None:
    keeper.start(RunRequest(RunKind.VERIFY, config))
    keeper.start(RunRequest(RunKind.BACKUP, config, outdir=Path("/media/stick")))
    async with opened(config, keeper) as driver:
        await to_line(driver, "Back up")
        await driver.sees("= Back up the registry", "1.0 GB", "now du", "! Registry", "not running")
        await driver.sees("= Verify the site", "3 of 3 hosts well", "never done yet")


async def test_backup_asks_where_and_goes_through_review(
    config: Path, keeper: FakeEngine, home: Path
) -> None:
    async with opened(config, keeper) as driver:
        await to_line(driver, "Back up")
        await driver.press("enter")
        await driver.sees("Which directory does the backup go to?", str(home)[:60])
        field = driver.app.screen.query_one(TextField)
        assert field.region.offset.y > 0
        assert field.cursor_screen_offset == driver.app.cursor_position
        await driver.press("ctrl+u")
        await driver.paste("/media/stick")
        await driver.press("enter")
        await driver.sees(
            "> everything that the registry holds", "to /media/stick", "o: [ ] in parts"
        )
        await driver.press("enter")
        await driver.sees("[Review]", "write a backup of 6 images (1.0 GB)", "Start?   > No")
        kind = RunKind.PLAN_BACKUP
        place = Path("/media/stick")
        assert keeper.requests[-1] == RunRequest(kind, config, outdir=place)
        await driver.press("right", "enter")
        await driver.sees("Done.", "read back and compared", "airferry-backup-1.tar")
        assert keeper.requests[-1] == RunRequest(RunKind.BACKUP, config, outdir=place)


async def test_a_backup_of_what_is_new_in_parts(
    config: Path, keeper: FakeEngine, home: Path
) -> None:
    async with opened(config, keeper) as driver:
        await to_line(driver, "Back up")
        await driver.press("enter")
        await driver.sees("Which directory does the backup go to?")
        await driver.press("enter")
        await driver.sees("only what is new since 20 Nov 14:00 (4 kB", "since 01 Nov 12:00 (2 kB")
        await driver.press("o", "down", "down")
        await driver.sees("o: [x] in parts of 4 GB (for FAT sticks)", "> only what is new since 01")
        await driver.press("enter")
        await driver.sees("[Review]", "Start?   > No")
    assert keeper.requests[-1] == RunRequest(
        RunKind.PLAN_BACKUP,
        config,
        outdir=home,
        since=home / "airferry-backup-20261101-120000.tar",
        split_bytes=4_000_000_000,
    )


async def test_a_backup_to_fat_is_in_parts_unless_wanted_otherwise(
    config: Path, keeper: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stick of FAT cannot be had here: the kind of file system is given."""
    monkeypatch.setattr(backups, "file_system_type", lambda _: "vfat")
    async with opened(config, keeper) as driver:
        await to_line(driver, "Back up")
        await driver.press("enter")
        await driver.sees("Which directory does the backup go to?", str(home)[:60])
        await driver.press("enter")
        await driver.sees("o: [x] in parts of 4 GB (this is FAT, which takes no larger file)")
        await driver.press("enter")
        await driver.sees("[Review]", "Start?   > No")
        assert keeper.requests[-1].split_bytes == 4_000_000_000
        await driver.press("escape")
        await driver.sees("Support bundle")
        await driver.press("enter")
        await driver.sees("Which directory does the backup go to?")
        await driver.press("enter")
        await driver.sees("o: [x]")
        await driver.press("o")
        await driver.sees("o: [ ]")
        await driver.press("enter")
        await driver.sees("[Review]", "Start?   > No")
        assert keeper.requests[-1].split_bytes == 0


async def test_restore_picks_backups_and_goes_through_review(
    config: Path, keeper: FakeEngine, home: Path
) -> None:
    async with opened(config, keeper) as driver:
        await to_line(driver, "Restore")
        await driver.press("enter")
        await driver.sees("[ ]", "4 kB  airferry-backup-20261120-140000-changes.tar  ", "2 kB")
        await driver.press("space", "down", "space", "o")
        await driver.sees("2 picked.", "o: [x] take away what the backup does not have")
        await driver.press("n")
        await driver.sees("[Review]", "restore: 2 images are missing (100.0 MB)")
        await driver.press("right", "enter")
        await driver.sees("Done.", "the registry holds what the backup says")
    newer, older = (
        home / f"airferry-backup-2026{name}"
        for name in ("1120-140000-changes.tar.00", "1101-120000.tar")
    )
    assert keeper.requests[-1] == RunRequest(
        RunKind.RESTORE, config, bundles=(newer, older), prune=True
    )


async def test_restore_of_a_path_that_is_typed(
    config: Path, keeper: FakeEngine, home: Path
) -> None:
    async with opened(config, keeper) as driver:
        await to_line(driver, "Restore")
        await driver.press("enter")
        await driver.sees("another file: type its path")
        await driver.press("end", "space", "n")
        await driver.paste(str(home / "other.tar"))
        await driver.press("enter")
        await driver.sees("[Review]", "restore: 2 images are missing (100.0 MB)")
    assert keeper.requests[-1].bundles == (home / "other.tar",)


async def test_mode_none_has_nothing_to_back_up(config: Path, keeper: FakeEngine) -> None:
    config.write_text(CONFIG.replace("Type: du", "Type: none"))
    async with opened(config, keeper) as driver:
        await to_line(driver, "Back up")
        await driver.sees("mode none has no registry", "mode none needs it in runs only")
        await driver.press("enter")
        await driver.sees("In mode none there is no registry to back up")
        await driver.press("enter", "down", "enter")
        await driver.sees("In mode none there is no registry to back up")
    assert keeper.requests == []


async def test_hosts_are_cleaned_after_review_says_what_goes(
    config: Path, keeper: FakeEngine
) -> None:
    async with opened(config, keeper) as driver:
        await to_line(driver, "Clean hosts")
        await driver.press("enter")
        await driver.sees("Which hosts are cleaned?", "[ ] worker-01", "0 picked.")
        await driver.press("space", "down", "down", "enter", "o")
        await driver.sees(
            "[x] worker-01", "[ ] worker-02", "[x] worker-03", "o: [x] Docker as well"
        )
        await driver.press("slash", *"02", "enter", "a", "n")
        await driver.sees("[Review]", "remove images", "Start?   > No")
        plan = RunRequest(
            RunKind.PLAN_CLEAN,
            config,
            hosts=("worker-01", "worker-02", "worker-03"),
            remove_docker=True,
        )
        assert keeper.requests == [plan]
        await driver.press("right", "enter")
        await driver.sees("All hosts are clean.", "what Airferry brought there is gone")
        assert keeper.requests[-1].kind is RunKind.CLEAN


async def test_failed_clean_is_retried_as_a_clean(config: Path) -> None:
    def script(request: RunRequest, config: Config) -> list[TaskRow]:
        rows = upkeep(request, config)
        if request.kind is RunKind.CLEAN and len(request.hosts) > 1:
            rows[0] = failed("worker-01", "images.remove", HostUnreachable("worker-01: no route"))
        return rows

    engine = FakeEngine(script)
    async with opened(config, engine) as driver:
        await to_line(driver, "Clean hosts")
        await driver.press("enter", "a", "n")
        await driver.sees("[Review]", "Start?")
        await driver.press("right", "enter")
        await driver.sees("2 of 3 hosts clean.  1 not.", "Retry worker-01")
        await driver.press("enter")
        await driver.sees("The host is clean.")
    assert engine.requests[-1] == RunRequest(RunKind.CLEAN, config, hosts=("worker-01",))


def test_failed_backup_is_retried_into_the_same_place(config: Path) -> None:
    request = RunRequest(RunKind.BACKUP, config, outdir=Path("/media/stick"), split_bytes=7)
    options = {k: v for k, v in json.loads(request.to_json()).items() if v}
    run = RunRow(1, "backup", "du", State.FAILED, str(config), options, 1, 0.0, 1.0, "")
    full = failed("du", "registry.backup", DuDiskFull("/media/stick: no room is left"))
    snapshot = RunSnapshot(run, State.FAILED, (full,))
    assert request == retry_of(snapshot, load_config(config))


async def test_check_is_shown_as_a_run(config: Path, keeper: FakeEngine) -> None:
    async with opened(config, keeper) as driver:
        await to_line(driver, "Check all hosts")
        await driver.press("enter")
        await driver.sees("All hosts are fit.", "every host can take part")
        assert keeper.requests == [RunRequest(RunKind.CHECK, config)]


@pytest.fixture
def tunnels(config: Path) -> Iterator[TunnelStore]:
    """Tunnels of which one is down, and a service that holds its lock, as the real one does."""
    site = load_config(config)
    site.state_dir.mkdir()
    book = TunnelStore(site.state_dir)
    for name in ("worker-01", "worker-02"):
        book.want(Tunnel(HostConfig(name, "10.0.0.1"), SshConfig(), 5001, 5990))
    statuses = {
        "worker-01": TunnelStatus("worker-01", up_since=1e9, reconnects=2),
        "worker-02": TunnelStatus("worker-02", 0.0, 7, f"w {EVIL} {LONG}", 1e9, "E-SSH-ROUTE"),
    }
    book.write_statuses(statuses)
    lock = os.open(site.state_dir / "tunnels" / "service.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield book
    os.close(lock)


async def test_tunnels_are_listed_with_what_befell_them(
    config: Path, keeper: FakeEngine, tunnels: TunnelStore
) -> None:
    async with opened(config, keeper) as driver:
        await driver.press("end", "up", "enter")
        await driver.sees("! Tunnels", "1 up of 2 wanted")
        await driver.press("home", "down", "down", "down", "enter")
        await see_it_safe(
            driver, "2 tunnels wanted, 1 up.", "= worker-01", "up since", "x worker-02"
        )
        assert "b begin" not in driver.text
        await driver.press("end", "enter")
        await see_it_safe(driver, "Tunnel of worker-02", "[/dev/sda1] [bold]x[/]")
        await driver.press("escape", "x")
        await driver.sees("Stop the tunnel service?", "no host can pull", "> No")
        await driver.press("enter", "slash", *"down", "enter")
        await driver.sees("x worker-02", "1 of 2")
        assert "= worker-01" not in driver.text
    assert len(tunnels.wanted()) == 2


async def test_a_run_at_work_keeps_the_services(
    config: Path, tunnels: TunnelStore, keeper: FakeEngine
) -> None:
    async with opened(config, keeper) as driver:
        await driver.press("end", "up", "enter")
        await driver.sees("1 up of 2 wanted")
        await driver.press("home", "down", "down", "down", "enter")
        await driver.sees("2 tunnels wanted")
        keeper.holds = frozenset({RunKind.INSTALL})
        keeper.start(RunRequest(RunKind.INSTALL, config))
        await driver.press("x", "right", "enter")
        await driver.sees("run 1 is at work", "come back when it is over")
    assert len(tunnels.wanted()) == 2


@pytest.mark.usefixtures("registry_program")
async def test_the_registry_is_started_and_stopped(
    config: Path, keeper: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "under_systemd", lambda: False)
    port = free_port()
    config.write_text(CONFIG.replace("5990", str(port)))
    try:
        async with opened(config, keeper) as driver:
            await to_line(driver, "Registry")
            await driver.sees("not running")
            await driver.press("enter")
            await driver.sees("Start the registry?", f"127.0.0.1:{port}", "> No")
            await driver.press("right", "enter")
            await driver.sees("= Registry", f"runs at 127.0.0.1:{port}")
            await driver.press("enter")
            await driver.sees("Stop the registry?", "no host can pull", "> No")
            await driver.press("right", "enter")
            await driver.sees("! Registry", "not running")
    finally:
        stop_registry(load_config(config))


async def test_the_sites_own_registry_is_left_alone(config: Path, keeper: FakeEngine) -> None:
    base = "privateRegistryBase: 'r[/].site:443/x'\n"
    config.write_text(CONFIG.replace("Type: du", "Type: custom") + base)
    async with opened(config, keeper) as driver:
        await to_line(driver, "Registry")
        await driver.sees("the site's own: r[/].site:443/x")
        await driver.press("enter")
        await driver.sees("The registry is not Airferry's", "r[/].site:443/x")


async def test_a_support_bundle_is_written_where_asked(
    config: Path, keeper: FakeEngine, tmp_path: Path
) -> None:
    place = tmp_path / "stick"
    place.mkdir()
    keeper.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, keeper) as driver:
        await to_line(driver, "Support bundle")
        await driver.press("enter")
        await driver.sees("Save a support bundle (no passwords in it): in which directory?")
        await driver.press("ctrl+u")
        await driver.paste(str(place))
        await driver.press("enter")
        await driver.sees("Written:")
    (written,) = place.iterdir()
    assert written.name.endswith(".tar.gz")


async def test_hostile_names_of_backups(config: Path, keeper: FakeEngine, home: Path) -> None:
    (home / f"airferry-backup-{EVIL.replace('/', '')}.tar").write_bytes(b"x")
    async with opened(config, keeper) as driver:
        await to_line(driver, "Restore")
        await driver.press("enter")
        await see_it_safe(driver, "Which backup", "airferry-backup-[devsda1]")


def test_backups_are_found_newest_first_and_parts_once(home: Path) -> None:
    found = [(each.path, each.size_bytes) for each in backups_in([home, home / "gone", home])]
    assert [path.name for path, _ in found] == [
        "airferry-backup-20261120-140000-changes.tar.00",
        "airferry-backup-20261101-120000.tar",
    ]


PICK_WIDTH = 70
OLD = FoundBackup(Path("/a/airferry-backup-20261101-120000.tar"), 2000)
NEW = FoundBackup(
    Path("/b/airferry-backup-20261120-140000-changes.tar.00"),
    3000,
    ("airferry-backup-20261101-120000.tar",),
)


def test_what_a_backup_of_changes_needs_stands_beside_it() -> None:
    both = {each.name: each for each in (OLD, NEW)}
    assert restore_line(OLD, both) == "     2 kB  airferry-backup-20261101-120000.tar  /a"
    new = "     3 kB  airferry-backup-20261120-140000-changes.tar  "
    assert restore_line(NEW, both) == f"{new}needs 01 Nov"
    assert restore_line(NEW, {NEW.name: NEW}) == f"{new}lacks 01 Nov"
    assert len(new) + len("needs 01 Nov") <= PICK_WIDTH


def test_what_a_backup_of_changes_needs_is_taken_along() -> None:
    found = [NEW, OLD]
    assert with_needed([NEW.path], found) == (NEW.path, OLD.path)
    assert with_needed([OLD.path, NEW.path], found) == (OLD.path, NEW.path)
    assert with_needed([OLD.path], found) == (OLD.path,)
    assert with_needed([NEW.path], [NEW]) == (NEW.path,)

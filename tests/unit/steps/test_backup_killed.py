"""Backup and restore whose engine is killed at any moment; and disks that are full."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.config import load_config
from core.engine.request import RunKind, RunRequest
from core.errors import Cancelled, RegistryUnreachable
from core.registry.api.client import RegistryClient
from core.steps.backup import RegistryBackup
from core.steps.work import Saving, Work
from tests.lab.shell import run
from tests.support.archives import ImageSpec, docker_archive, tar_of
from tests.support.backups import (
    DuSite,
    Site,
    backup_of,
    fill,
    hidden,
    saved,
    seen_from_outside,
    visible,
)
from tests.support.fakes import FakeTeller
from tests.support.importing import Importer
from tests.support.ports import free_port
from tests.support.processes import running
from tests.support.registry import running_registry
from tests.support.waiting import HANG_S, until

TIMES = 20
NOISE = [
    tar_of(f"noise/{n}", random.Random(n).randbytes(8 << 20))  # noqa: S311 - test data, no secret
    for n in range(4)
]
NAMES = ["noise:1", "site/app:1", "site/app:stable", "site/both:1", "site/docker:1", "tool:2"]
ENGINE = [sys.executable, "-m", "core.engine"]


@pytest.fixture
def site(importer: Importer, address: str, tmp_path: Path) -> Site:
    """A site whose registry has some megabytes that cannot be compressed."""
    fill(importer)
    importer.put(docker_archive([ImageSpec(["noise:1"], NOISE)]))
    return Site(tmp_path, address)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    directory = tmp_path / "stick"
    directory.mkdir()
    return directory


def engine_ended(request: RunRequest, kill_after_s: float | None = None) -> float | None:
    """Run an engine to its end and return how long its run took; None if it was killed before.

    Args:
        request: The run.
        kill_after_s: When it is killed, counted from the moment when the run began.
    """
    with running(ENGINE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        engine.stdin.write(f"{request.to_json()}\n\n")
        engine.stdin.close()
        assert '{"run": ' in engine.stdout.readline()
        begun = time.monotonic()
        try:
            engine.wait(HANG_S if kill_after_s is None else kill_after_s)
        except subprocess.TimeoutExpired:
            engine.kill()
            engine.wait(HANG_S)
            return None
        return time.monotonic() - begun


def some_moment(whole_s: float) -> float:
    """Return a moment of a run that takes as long as the last one that was not killed."""
    return random.uniform(0, whole_s)  # noqa: S311 - a moment, no secret


@pytest.fixture
def du_site(site: Site, out: Path, tmp_path: Path) -> Iterator[Site]:
    """A site with a registry of its own that holds the same."""
    assert 0 == site.run("backup", "--outdir", out).returncode
    (tmp_path / "du").mkdir()
    with other_site(tmp_path / "du", DuSite) as other:
        assert 0 == other.run("restore", *out.glob("*.tar")).returncode
        clear(out)
        yield other


@pytest.mark.slow
@pytest.mark.programs
@pytest.mark.parametrize(("kind", "split_bytes"), [("site", 0), ("du_site", 5_000_000)])
def test_a_backup_that_is_killed_leaves_nothing_half(
    request: pytest.FixtureRequest, out: Path, kind: str, split_bytes: int
) -> None:
    """Blobs come through the registry, or (mode du) from where it stores."""
    site: Site = request.getfixturevalue(kind)
    wanted = RunRequest(RunKind.BACKUP, site.config, outdir=out, split_bytes=split_bytes)
    whole_s = engine_ended(wanted) or 0.0
    clear(out)
    killed = 0
    while killed < TIMES:
        took_s = engine_ended(wanted, some_moment(whole_s))
        whole_s, killed = took_s or whole_s, killed + (took_s is None)
        for path in out.glob("airferry-*"):
            if path.name.endswith((".tar", ".00")):
                assert set(NAMES) == names_in(path)
                clear(out, f"{path.name.removesuffix('.00')}*")
    assert engine_ended(wanted) is not None
    assert [] == hidden(out)
    (path,) = (out / name for name in visible(out) if name.endswith((".tar", ".00")))
    assert set(NAMES) == names_in(path)


def clear(directory: Path, pattern: str = "*") -> None:
    for path in directory.glob(pattern):
        path.unlink()


def names_in(path: Path) -> set[str]:
    return {f"{name}:{tag}" for name, tag in saved(path).snapshot.tags}


@contextmanager
def other_site(directory: Path, kind: type[Site]) -> Iterator[Site]:
    """A site with an empty registry: its own, or another's."""
    if kind is DuSite:
        other = DuSite(directory, f"127.0.0.1:{free_port()}")
        assert 0 == other.run("registry start").returncode
        try:
            yield other
        finally:
            other.run("registry stop")
    else:
        with running_registry(directory) as registry:
            yield Site(directory, registry.address)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "times"), [(Site, TIMES // 2), (DuSite, TIMES)])
def test_a_restore_that_is_killed_is_completed_by_the_next(
    site: Site, out: Path, tmp_path: Path, kind: type[Site], times: int
) -> None:
    """Blobs go through the registry, or (mode du) are put where it stores."""
    assert 0 == site.run("backup", "--outdir", out).returncode
    (backup,) = out.glob("*.tar")
    whole_s, killed = 0.0, 0
    while killed < times:
        directory = tmp_path / f"other-{time.monotonic_ns()}"
        directory.mkdir()
        with other_site(directory, kind) as other:
            request = RunRequest(RunKind.RESTORE, other.config, (backup,))
            took_s = engine_ended(request, some_moment(whole_s) if whole_s else None)
            whole_s, killed = took_s or whole_s, killed + (took_s is None)
            tagged = tagged_names(other)
            # What has a name already is whole.
            assert tagged <= set(NAMES)
            there = seen_from_outside(other.address, sorted(tagged))
            assert seen_from_outside(site.address, sorted(tagged)) == there
            assert engine_ended(request) is not None
            wanted = seen_from_outside(site.address, NAMES)
            assert wanted == seen_from_outside(other.address, NAMES)
            assert not (directory / "registry" / "airferry-restore").exists()


def tagged_names(site: Site) -> set[str]:
    client = RegistryClient(site.address)
    found = {f"{name}:{tag}" for name in client.repositories() for tag in client.tags(name)}
    client.close()
    return found


def test_a_cancel_while_the_registry_says_nothing(
    tmp_path: Path, out: Path, registry_program: None
) -> None:
    """It is stopped in the middle; what it had sent is written, and then nothing comes any more."""
    assert registry_program is None
    with running_registry(tmp_path) as registry:
        client = RegistryClient(registry.address)
        Importer(client, tmp_path).put(docker_archive([ImageSpec(["noise:1"], NOISE)]))
        backup, stopped, news = backup_of(client, out), threading.Event(), threading.Condition()

        def stop_registry(done: int) -> None:
            with news:
                news.notify()
            if done and not stopped.is_set():
                os.kill(registry.pid, signal.SIGSTOP)
                stopped.set()

        def cancel() -> None:
            stopped.wait(HANG_S)
            with news:
                while news.wait(0.5):  # until nothing moves any more
                    pass
            backup.stop.set()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        try:
            with pytest.raises(Cancelled):
                backup.run(stop_registry, lambda _: None)
        finally:
            os.kill(registry.pid, signal.SIGCONT)
            canceller.join()
            client.close()
    assert ([], []) == (visible(out), hidden(out))


async def test_a_registry_that_goes_for_good_leaves_nothing(
    tmp_path: Path, out: Path, registry_program: None
) -> None:
    """The runner would try again for a while, then close the run."""
    assert registry_program is None
    with running_registry(tmp_path) as registry:
        client = RegistryClient(registry.address)
        Importer(client, tmp_path).put(docker_archive([ImageSpec(["noise:1"], NOISE)]))
        client.close()
        work = Work(load_config(Site(tmp_path, registry.address).config), (), saving=Saving(out))
        step, tell = RegistryBackup(work), FakeTeller()
        missing = await step.check(tell)
        assert missing is not None
        registry.stop()
        with pytest.raises(RegistryUnreachable):
            await step.apply(missing, tell)
        assert [] != hidden(out)
        registry.start()
        await step.apply(missing, tell)
        assert None is await step.check(tell)
        assert ([], 2) == (hidden(out), len(visible(out)))
        clear(out)
        step = RegistryBackup(work)
        missing = await step.check(tell)
        assert missing is not None
        registry.stop()
        with pytest.raises(RegistryUnreachable):
            await step.apply(missing, tell)
        await work.close()
    assert ([], []) == (visible(out), hidden(out))


@pytest.fixture
def small(mounting: None, tmp_path: Path) -> Iterator[Path]:
    """A file system with little room; mounting one needs root."""
    assert mounting is None
    directory = tmp_path / "small"
    directory.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", directory)
    try:
        yield directory
    finally:
        run("umount", directory)


def test_too_little_room_is_told_before_anything_is_written(site: Site, small: Path) -> None:
    run("mount", "-o", "remount,size=20m", small)
    done = site.run("backup", "--outdir", small)
    assert (1, "E-BACKUP-PLACE") == (done.returncode, site.task("registry.backup").error_code)
    assert f"{small} has 0.02 GB free; the backup takes 0.0" in done.stdout
    assert ([], []) == (visible(small), hidden(small))


def test_room_that_a_killed_backup_takes_counts_as_free(site: Site, small: Path) -> None:
    left = small / ".airferry-backup-20261120-140200.tar.partial"
    left.write_bytes(bytes(50 << 20))
    assert 0 == site.run("backup", "--outdir", small).returncode
    assert ([], 2) == (hidden(small), len(visible(small)))


def test_a_disk_that_fills_up_meanwhile(site: Site, small: Path) -> None:
    """Somebody else takes the room while the backup is written."""
    with running(site.command("backup", "--outdir", small), stdout=subprocess.DEVNULL) as process:
        until(lambda: bool(hidden(small)), "the backup has begun")
        fill_up(small / "other")
        assert 1 == process.wait(HANG_S)
    assert (f"{small} is full", "E-BACKUP-PLACE") == (
        (task := site.task("registry.backup")).error,
        task.error_code,
    )
    assert (["other"], []) == (visible(small), hidden(small))


def fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            return


def test_a_registry_without_room_is_refused_before_anything_is_sent(
    site: Site, out: Path, small: Path, tmp_path: Path
) -> None:
    """The registry's own disk has room for half of it."""
    assert 0 == site.run("backup", "--outdir", out).returncode
    (backup,) = out.glob("*.tar")
    run("mount", "-o", "remount,size=20m", small)
    (tmp_path / "other").mkdir()
    other = Site(tmp_path / "other", site.address)
    other.config.write_text(
        f"privateRegistryType: du\nregistryDir: {small / 'registry'}\nregistryPort: {free_port()}\n"
        f"stateDir: {other.state_dir}\n"
    )
    try:
        assert 1 == other.run("restore", backup).returncode
        assert "E-REG-FULL" == other.task("registry.restore").error_code
    finally:
        other.run("registry stop")

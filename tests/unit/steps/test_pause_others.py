"""Backup, restore and the taking of bundles can be held as an import can."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from core.bundle.discovery import bundle_file
from core.config import Config
from core.errors import Cancelled
from core.pause import Pause
from core.registry.api.client import RegistryClient
from core.registry.backup.restore import Restore, RestoreDiff
from core.registry.local.blob_files import BlobFiles
from core.steps.base import Missing
from core.steps.bundles import BundleTake
from core.steps.work import Work
from tests.support.archives import docker_archive, sample_images
from tests.support.backups import backup_of, fill, saved, written
from tests.support.fakes import FakeTeller
from tests.support.importing import Importer
from tests.support.registry import running_registry
from tests.support.waiting import HANG_S, until_true

T = TypeVar("T")


@dataclass
class Said:
    """What is said and told, with a way to wait for a word."""

    words: list[str] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def say(self, words: str) -> None:
        self.words.append(words)
        if words == "paused":
            self.held.set()


def while_held(pause: Pause, said: Said, work: Callable[[], T], check: Callable[[], None]) -> T:
    """Hold something from its beginning, look, and let it go on."""
    pause.begin()
    with ThreadPoolExecutor(1, "test") as threads:
        running = threads.submit(work)
        try:
            assert said.held.wait(HANG_S)
            check()
            assert not running.done()
        finally:
            pause.end()
        return running.result(HANG_S)


@pytest.fixture
def filled(importer: Importer, client: RegistryClient) -> RegistryClient:
    fill(importer)
    return client


def test_a_backup(filled: RegistryClient, tmp_path: Path) -> None:
    backup, said = backup_of(filled, tmp_path / "stick"), Said()

    def nothing_yet() -> None:
        assert 1 == len(said.told)

    files = while_held(
        backup.pause, said, lambda: backup.run(said.told.append, said.say), nothing_yet
    )
    assert [True] == [path.is_file() for path in files]
    assert backup.size_bytes == said.told[-1]


def test_a_backup_that_is_cancelled_while_it_is_held(
    filled: RegistryClient, tmp_path: Path
) -> None:
    backup, said = backup_of(filled, tmp_path / "stick"), Said()
    backup.pause.begin()
    with ThreadPoolExecutor(1, "test") as threads:
        running = threads.submit(lambda: backup.run(said.told.append, said.say))
        assert said.held.wait(HANG_S)
        backup.stop.set()
        assert isinstance(running.exception(HANG_S), Cancelled)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[tuple[RegistryClient, BlobFiles]]:
    directory = tmp_path / "other"
    directory.mkdir()
    with running_registry(directory) as registry:
        client = RegistryClient(registry.address)
        yield client, BlobFiles(registry.directory)
        client.close()


def test_a_restore(
    filled: RegistryClient, empty: tuple[RegistryClient, BlobFiles], tmp_path: Path
) -> None:
    backup = saved(written(backup_of(filled, tmp_path / "stick")))
    pause, said = Pause(), Said()
    restore = Restore([backup], empty[0], threading.Event(), empty[1], pause=pause)
    lacks = restore.lacks(closely=True)

    def nothing_yet() -> None:
        assert [] == said.told
        assert [] == list(empty[0].repositories())

    while_held(pause, said, lambda: restore.run(lacks, said.told.append, said.say), nothing_yet)
    assert RestoreDiff() == restore.lacks(closely=True)


async def test_taking_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    path = tmp_path / "stick" / "b.tar"
    path.write_bytes(docker_archive(sample_images()))
    config = Config(tmp_path / "c.yaml", images_dir=tmp_path / "imgs", state_dir=tmp_path / "s")
    work, tell = Work(config, (bundle_file(path),)), FakeTeller()
    work.pause.begin()
    taking = asyncio.ensure_future(BundleTake(work, work.files[0]).apply(Missing("all"), tell))
    await until_true(lambda: "paused" in tell.said, "the copying is held")
    async with asyncio.timeout(HANG_S):
        assert not (tmp_path / "imgs" / "b.tar").exists()
        work.pause.end()
        await taking
    assert path.read_bytes() == (tmp_path / "imgs" / "b.tar").read_bytes()
    assert ["copying b.tar", "paused", "copying b.tar"] == tell.said[:3]
    await work.close()

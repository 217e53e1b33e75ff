"""Pictures are taken of every screen without starting anything."""

from __future__ import annotations

from pathlib import Path

from core.config import load_config
from core.engine.journal import JournalReader
from core.engine.request import RunKind, RunRequest
from tests.tui.recording import read_recording
from tests.tui.replay import RecordedEngine, recorded_site
from tests.tui.shots import take, take_failed
from tests.tui.stops import ENDED, FAILED


async def test_a_picture_of_every_screen(tmp_path: Path) -> None:
    recording = read_recording("du")
    config, engine = recorded_site(tmp_path / "site", recording), RecordedEngine(recording)
    for kind in (RunKind.CHECK, RunKind.PLAN, RunKind.INSTALL):
        engine.start(RunRequest(kind, config))
    written = await take(config, tmp_path / "shots")
    assert [stop.name for stop in ENDED if stop.name] == [path.stem for path in written]
    assert all("<svg" in path.read_text(encoding="utf-8") for path in written)
    assert 3 == len(JournalReader(load_config(config).state_dir).runs())


async def test_pictures_of_a_run_that_failed(tmp_path: Path) -> None:
    written = await take_failed(tmp_path)
    assert [stop.name for stop in FAILED if stop.name] == [path.stem for path in written]
    assert "worker-03" in (tmp_path / "failed-done.svg").read_text(encoding="utf-8")

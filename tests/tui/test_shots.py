"""Pictures are taken of every screen without starting anything."""

from __future__ import annotations

from pathlib import Path

from core.config import load_config
from core.engine.journal import JournalReader
from core.engine.request import RunKind, RunRequest
from tests.tui.fake_engine import FakeEngine
from tests.tui.shots import STOPS, take


async def test_a_picture_of_every_screen(config: Path, engine: FakeEngine) -> None:
    for kind in (RunKind.CHECK, RunKind.PLAN, RunKind.INSTALL):
        engine.start(RunRequest(kind, config))
    written = await take(config, config.parent / "shots")
    assert [path.stem for path in written] == [name for _, _, name in STOPS]
    assert all("<svg" in path.read_text(encoding="utf-8") for path in written)
    assert len(JournalReader(load_config(config).state_dir).runs()) == 3

"""The runner and an import together: a registry that refuses now and then, or all the time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.config import Config, Mode
from core.engine import runner as runner_module
from core.engine.journal import Journal, JournalReader, State, TaskRow
from core.engine.runner import Runner
from core.errors import RegistryBusy
from core.registry.api import pacing as pace
from core.registry.content.staging import STAGE
from core.steps.bundles import BundleImport
from core.steps.du import RegistryVerify
from core.steps.work import Work
from tests.support.archives import ImageSpec, digest_of, layer_tar, write_bundle
from tests.support.fakeregistry import FakeRegistry, Refusal, fake_registry
from tests.support.waiting import HANG_S

IMAGE = ImageSpec(["quay.io/a/b:1"], [layer_tar(seed, 1_500_000) for seed in range(6)])
CarryOut = Callable[[FakeRegistry], Awaitable[tuple[State, TaskRow]]]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(runner_module, "pause", none)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    (tmp_path / "state").mkdir()
    made = Journal(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
async def carry_out(tmp_path: Path, journal: Journal) -> AsyncIterator[CarryOut]:
    """Import a bundle into a fake registry and verify it, as a run does."""
    with ExitStack() as stack:
        works: list[Work] = []

        async def carry_out(fake: FakeRegistry) -> tuple[State, TaskRow]:
            stack.enter_context(fake_registry(fake))
            config = Config(
                tmp_path / "airctl-config.yaml",
                mode=Mode.CUSTOM,
                registry_base=fake.address,
                registry_insecure=True,
                state_dir=tmp_path / "state",
            )
            work = Work(config, (bundle_file(write_bundle(tmp_path / "b.tar", [IMAGE])),))
            works.append(work)
            steps = [BundleImport(work, work.files[0]), RegistryVerify(work)]
            run = journal.begin("import", "custom", "/c.yaml", {}, 1)
            async with asyncio.timeout(HANG_S):
                state = await Runner(steps, journal, run, dry=False, at_once=8).run()
            return state, JournalReader(tmp_path / "state").tasks(run)[0]

        yield carry_out
        for work in works:
            await work.close()


class Refusing:
    """Refuses requests of a method, until so many were refused.

    With 502, as a proxy does whose registry is away; other refusals the client may meet by itself.
    """

    def __init__(self, method: str, times: int, status: int = 502) -> None:
        self._method = method
        self._status = status
        self._left = times
        self._lock = threading.Lock()

    def __call__(self, method: str, _path: str) -> Refusal | None:
        with self._lock:
            if method != self._method or not self._left:
                return None
            self._left -= 1
            return self._status, b"later"


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "HEAD"])
async def test_an_import_outlives_refusals_and_sends_no_layer_twice(
    carry_out: CarryOut, method: str
) -> None:
    fake = FakeRegistry(fault=Refusing(method, 3))
    state, task = await carry_out(fake)
    assert (State.DONE, State.DONE, "") == (state, task.state, task.error_code)
    assert 1 < task.attempt <= 4
    assert digest_of(IMAGE.config) in fake.repositories[STAGE]
    stored = [line for line in fake.asked if line.startswith(f"PUT /v2/{STAGE}/blobs/")]
    refused = 3 if method == "PUT" else 0
    assert len(IMAGE.layers) + 1 <= len(stored) <= len(IMAGE.layers) + 1 + refused


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "HEAD"])
@pytest.mark.parametrize("status", [429, 503])
async def test_what_is_asked_too_fast_is_asked_again_in_the_same_try(
    carry_out: CarryOut, method: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "FIRST_PAUSE_S", 0.001)
    fake = FakeRegistry(fault=Refusing(method, 3, status))
    state, task = await carry_out(fake)
    assert (State.DONE, 1) == (state, task.attempt)
    assert {} == fake.sessions


async def test_an_import_into_a_registry_that_always_refuses_comes_to_an_end(
    carry_out: CarryOut,
) -> None:
    fake = FakeRegistry(fault=Refusing("PATCH", 1 << 30))
    state, task = await carry_out(fake)
    assert (State.FAILED, "E-REG-BUSY") == (state, task.error_code)
    assert 8 == task.attempt, "a minute of pauses: 1 + 2 + 4 + 8 + 3 x 15 s"
    assert "answered 502 to PATCH" in task.error
    assert RegistryBusy.remedy_text == task.remedy
    assert ({}, {}) == (fake.sessions, fake.blobs)

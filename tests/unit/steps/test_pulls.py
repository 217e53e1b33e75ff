"""The pulls of one host over a bad line: what goes on, what is not begun, what is told of it.

The engine is a fake, because a real one's pulls cannot be made to fail at a chosen moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from core.bundle.model import Image, Layer
from core.bundle.reference import parse_reference
from core.config import Config, Mode
from core.errors import (
    AirferryError,
    DockerLineLost,
    HostDiskFull,
    ImageUnknown,
    PullDenied,
    PullFailed,
    RegistryDenied,
    RegistryLoginRefused,
    RegistryOddAnswer,
    RegistryUnreachable,
)
from core.hosts.docker.engine import PULLS_AT_ONCE, HostEngine
from core.hosts.docker.pull_stream import PullTold
from core.registry.api.client import RegistryClient
from core.steps.asked_again import really_refused
from core.steps.desired_images import WantedName
from core.steps.images import _Pulls as Pulls
from core.steps.work import T, Work
from tests.support.fakes import FakeTeller
from tests.support.waiting import HANG_S

SIZE = 1000
CUT = DockerLineLost("h: pulling r/a: EOF")


class Engine:
    """An engine whose pulls end as told, the others once they are let.

    Args:
        ends: What the pull of a name ends with.
    """

    def __init__(self, ends: dict[str, AirferryError]) -> None:
        self._ends = ends
        self.begun: list[str] = []
        self.brought: list[str] = []
        self.let = asyncio.Event()

    async def pull(self, name: str, told: PullTold, login: object) -> None:  # noqa: ARG002
        self.begun.append(name)
        if name in self._ends:
            await asyncio.sleep(0)
            raise self._ends[name]
        await self.let.wait()
        told.received(f"layer-{name.rpartition('/')[2]}"[:12], None)
        self.brought.append(name)

    async def tag(self, image: str, name: str) -> None:
        """Names are no matter here."""


def wanted(number: int) -> dict[str, list[WantedName]]:
    found = {}
    for n in range(number):
        reference = parse_reference(f"a.b/c{n}:1")
        layer = Layer(f"layer-c{n}:1", f"layer-c{n}:1", SIZE)
        image = Image(f"i{n}", (reference,), "linux/amd64", 1, (layer,))
        found[image.image_id] = [WantedName(reference.familiar, reference, image)]
    return found


def pulls_of(
    tmp_path: Path, engine: Engine, tell: FakeTeller, number: int, there_bytes: int = 0
) -> Pulls:
    return Pulls(
        Work(Config(tmp_path / "airctl-config.yaml", mode=Mode.DU), ()),
        cast(HostEngine, engine),
        tell,
        wanted(number),
        total_bytes=there_bytes + number * SIZE,
        there_bytes=there_bytes,
        prefix="r",
        login=None,
    )


async def test_pulls_at_work_go_on_when_another_is_cut(tmp_path: Path) -> None:
    """Docker keeps nothing of an image whose pull is broken off; the next try begins the rest."""
    engine, number = Engine({"r/c1:1": CUT}), PULLS_AT_ONCE + 3
    pulls = pulls_of(tmp_path, engine, FakeTeller(), number)
    async with asyncio.timeout(HANG_S):
        going = asyncio.create_task(pulls.bring_all())
        while len(engine.begun) < PULLS_AT_ONCE:  # noqa: ASYNC110 - the list has no event
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not going.done()
        engine.let.set()
        with pytest.raises(DockerLineLost):
            await going
    assert PULLS_AT_ONCE == len(engine.begun)
    assert PULLS_AT_ONCE - 1 == len(engine.brought)


async def test_what_does_not_pass_is_told_at_once(tmp_path: Path) -> None:
    engine = Engine({"r/c1:1": HostDiskFull("h: no space left on device")})
    async with asyncio.timeout(HANG_S):
        with pytest.raises(ExceptionGroup) as caught:
            await pulls_of(tmp_path, engine, FakeTeller(), 3).bring_all()
    assert [HostDiskFull] == [type(error) for error in caught.value.exceptions]


async def test_bytes_of_earlier_tries_count(tmp_path: Path) -> None:
    engine, tell = Engine({}), FakeTeller()
    engine.let.set()
    await pulls_of(tmp_path, engine, tell, 1, there_bytes=5000).bring_all()
    assert (5000 + SIZE, 5000 + SIZE) == tell.told[-1]


async def test_docker_s_own_tries_are_told(tmp_path: Path) -> None:
    tell = FakeTeller()
    pulls_of(tmp_path, Engine({}), tell, 1).tries_again("abc", 5)
    assert "the line to the registry was lost; Docker tries layer abc again in 5 s" in tell.said


class Site(Work):
    """A site whose registry answers us as told."""

    answer: str | AirferryError | None

    async def ask_registry(self, work: Callable[[RegistryClient], T]) -> T:  # noqa: ARG002
        if isinstance(self.answer, AirferryError):
            raise self.answer
        return cast(T, self.answer)


@pytest.mark.parametrize("refusal", [ImageUnknown("h: unknown"), PullDenied("h: denied")])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(None, None, id="it has it not"),
        pytest.param("sha256:a", PullFailed, id="it has it"),
        pytest.param(RegistryDenied("no"), None, id="it denies us, too"),
        pytest.param(RegistryLoginRefused("no"), None, id="it refuses our login, too"),
        pytest.param(RegistryUnreachable("gone"), DockerLineLost, id="it is away"),
        pytest.param(RegistryOddAnswer("a page"), PullFailed, id="a proxy answers for it"),
    ],
)
async def test_a_refusal_is_what_the_registry_itself_says(
    tmp_path: Path,
    refusal: ImageUnknown | PullDenied,
    answer: str | AirferryError | None,
    kind: type[AirferryError] | None,
) -> None:
    site = Site(Config(tmp_path / "airctl-config.yaml", mode=Mode.DU), ())
    site.answer = answer
    found = await really_refused(site, parse_reference("a.b/c:1"), refusal)
    assert (kind or type(refusal), kind is not None) == (type(found), found.transient)
    assert found.what.startswith(refusal.what)

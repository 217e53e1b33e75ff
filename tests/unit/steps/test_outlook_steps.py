"""What the steps of a dry run tell for Review: the room that is left, and what becomes of Docker.

The hosts' answers are put in place of asking: what they say is what matters here, and the lab asks
real ones.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from core.bundle.discovery import bundle_file
from core.bundle.model import Image, Layer
from core.bundle.reference import parse_reference
from core.config import Config, HostConfig, Mode
from core.engine.estimate import Disturbed, disturbed
from core.engine.journal import State, TaskRow
from core.hosts.docker.engine import EngineFacts
from core.hosts.docker_install.package_files import Family
from core.hosts.facts import DockerFacts
from core.steps import connect as connect_steps
from core.steps import docker as docker_steps
from core.steps import images as image_steps
from core.steps.base import Missing
from core.steps.connect import Preflight
from core.steps.desired_images import ImageDiff, WantedName
from core.steps.disk_space import registry_bytes
from core.steps.docker import DockerConfigure, DockerInstall
from core.steps.du import DuPreflight
from core.steps.images import ImagesWarm
from core.steps.work import Work
from core.telling import rooms_in
from tests.support.archives import sample_images, write_bundle
from tests.support.fakes import FakeTeller
from tests.unit.hosts.test_facts import FIT

HOST = HostConfig("worker-03", "10.0.0.13")
REPO = SimpleNamespace(
    summary="apt, 4 packages",
    size_bytes=60_000_000,
    engine_version="20.10.24",
    packages=(),
    indexes=(),
    family=Family.DEB,
)


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    bundle = write_bundle(tmp_path / "x.tar", sample_images())
    config = Config(
        tmp_path / "c.yaml",
        mode=Mode.DU,
        hosts=(HOST,),
        registry_dir=tmp_path / "registry",
        registry_port=9,
        state_dir=tmp_path / "state",
    )
    made = Work(config, (bundle_file(bundle),), dry=True)
    made.facts[HOST.name] = replace(FIT, docker=DockerFacts("/usr/bin/docker", "20.10.24"))
    yield made
    await made.close()


def rooms(tell: FakeTeller) -> list[tuple[str, int]]:
    return rooms_in("\n".join(f"{name}: {value}" for name, value in tell.known.items()))


@pytest.mark.usefixtures("registry_program")
async def test_this_machine(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    tell = FakeTeller()
    free = SimpleNamespace(free=5_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    assert None is await DuPreflight(work).check(tell)
    left = 5_000_000_000 - registry_bytes(work.files[0])
    assert [(str(work.config.registry_dir), left)] == rooms(tell)
    work.dry, again = False, FakeTeller()
    assert None is await DuPreflight(work).check(again)
    assert [] == rooms(again)


async def test_where_a_host_stores_images(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two names of an image its layers count once; of what is there, nothing."""
    layer = Layer("d1", "b1", 300, source_digest="d1", bundle_bytes=900)
    reference = parse_reference("a/b:1")
    image = Image("i1", (reference,), "linux/amd64", 1, (layer,))
    names = [WantedName(name, reference, image) for name in ("a/b:1", "localhost:5001/a/b:1")]
    lacks = [ImageDiff(names, 300), ImageDiff([], 0)]

    async def answer(_work: Work, _host: HostConfig) -> ImageDiff:
        return lacks.pop(0)

    monkeypatch.setattr(image_steps, "host_lacks", answer)
    free = work.facts[HOST.name].store_free_bytes
    for left in (free - 900 - 300, free):
        tell = FakeTeller()
        await ImagesWarm(work, HOST).check(tell)
        assert [("/var/lib/docker", left)] == rooms(tell)


async def test_where_a_host_unpacks_docker(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(*_: object) -> tuple[SimpleNamespace, list[object]]:
        return REPO, []

    async def nothing(*_: object, **__: object) -> list[object]:
        return []  # the way, the login and the engine are tried with real hosts, in the lab

    monkeypatch.setattr(Preflight, "_docker_to_install", answer)
    monkeypatch.setattr(Preflight, "_login_findings", nothing)
    monkeypatch.setattr(Preflight, "_engine_findings", nothing)
    monkeypatch.setattr(connect_steps, "way_findings", nothing)
    work.facts[HOST.name] = replace(FIT, docker=DockerFacts(), unpack_free_bytes=700_000_000)
    tell = FakeTeller()
    assert None is await Preflight(work, HOST, images=False).check(tell)
    assert [("/var/tmp", 400_000_000)] == rooms(tell)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("17.03.2-ce", Disturbed(("worker-03",))),
        ("", Disturbed()),
    ],
)
async def test_a_docker_that_is_replaced(
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    expected: Disturbed,
) -> None:
    async def answers(_: object) -> str:
        return version

    async def installed(_: object) -> bool:
        return False

    async def repo(_: object) -> SimpleNamespace:
        return REPO

    monkeypatch.setattr(docker_steps, "docker_answers", answers)
    monkeypatch.setattr(docker_steps, "docker_is_installed", installed)
    monkeypatch.setattr(DockerInstall, "_repo", repo)
    missing = await DockerInstall(work, HOST).check(FakeTeller())
    assert expected == disturbed([row_of(missing)])


async def test_that_containers_stop_is_said_before(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reached(_: object) -> list[object]:
        return []

    async def reached_by_all(*_: object, **__: object) -> list[object]:
        return []

    for name in ("_root_findings", "_login_findings", "_engine_findings"):
        monkeypatch.setattr(Preflight, name, reached)
    monkeypatch.setattr(connect_steps, "way_findings", reached_by_all)
    monkeypatch.setattr(connect_steps, "fitting_repo", lambda *_: REPO)
    old = DockerFacts("/usr/bin/docker", "17.03.2-ce")
    work.facts[HOST.name] = replace(FIT, docker=old)
    tell = FakeTeller()
    assert None is await Preflight(work, HOST, images=False).check(tell)
    assert ["W-DOCKER-OLD"] == [warning.code for warning in tell.warned]
    assert "running containers stop meanwhile" in tell.warned[0].what


async def test_a_docker_that_reads_its_settings_again(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serves(_: object) -> bool:
        return True

    class Engine:
        async def facts(self) -> EngineFacts:
            return EngineFacts("29.0.1", "classic", insecure_loopback=False, insecure_registries=())

    @asynccontextmanager
    async def engine(_: object) -> AsyncIterator[Engine]:
        yield Engine()

    monkeypatch.setattr(docker_steps, "docker_serves", serves)
    monkeypatch.setattr(docker_steps, "host_engine", engine)
    missing = await DockerConfigure(work, HOST).check(FakeTeller())
    assert Disturbed((), ("worker-03",)) == disturbed([row_of(missing)])


def row_of(missing: Missing | None) -> TaskRow:
    """Return the row that a dry run makes of what is missing."""
    found = cast(Missing, missing)
    return TaskRow("worker-03", "x", "x", State.MISSING, message=found.what)

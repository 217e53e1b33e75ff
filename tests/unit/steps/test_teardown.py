"""The steps that leave an earlier way: the registry of this machine, hosts by their answers."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core import service
from core.bundle.discovery import bundle_file
from core.bundle.model import BundleFile
from core.config import Config, HostConfig, Mode, SshConfig
from core.engine.services import start_registry, start_tunnels, stop_registry, stop_tunnels
from core.errors import (
    AirferryError,
    DuUnfit,
    HostUnreachable,
    RegistryMoved,
    RegistryOnlyCopy,
    RegistryPortTaken,
)
from core.hosts.tunnel.store import Tunnel, TunnelStore
from core.registry.local import relocate
from core.registry.local.relocate import Move, holds_content, noted_move
from core.registry.local.server import RegistryServer
from core.steps import teardown as leave
from core.steps.base import Step
from core.steps.du import DuPreflight, RegistryForRun, RegistryServe, TunnelsServe
from core.steps.teardown import (
    RegistryMove,
    RegistryRemove,
    RegistryStop,
    TunnelDrop,
    TunnelsStop,
)
from core.steps.work import Work
from tests.support.archives import ImageSpec, docker_archive, tar_of
from tests.support.fakes import FakeTeller
from tests.support.ports import free_port
from tests.support.waiting import until

A, B = HostConfig("a", "10.0.0.1"), HostConfig("b", "10.0.0.2")


@pytest.fixture
def config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry_program: None
) -> Iterator[Config]:
    """A site in mode du with a registry that stores one name, and with a tunnel to each host."""
    assert registry_program is None
    monkeypatch.setattr(service, "under_systemd", lambda: False)
    site = Config(
        tmp_path / "c.yaml",
        Mode.DU,
        hosts=(A, B),
        registry_dir=tmp_path / "registry",
        registry_port=free_port(),
        state_dir=tmp_path / "state",
    )
    start_registry(site)
    store(site.registry_dir, "calico/node", "v3")
    for host in site.hosts:
        TunnelStore(site.state_dir).want(Tunnel(host, SshConfig(), 5001, site.registry_port))
    yield site
    stop_registry(site)
    stop_tunnels(site)


def store(directory: Path, name: str, tag: str) -> None:
    """Have a name in what a registry stores."""
    path = directory / f"docker/registry/v2/repositories/{name}/_manifests/tags/{tag}/current/link"
    path.parent.mkdir(parents=True)
    path.write_text("sha256:0")


@asynccontextmanager
async def at_work(
    config: Config, *files: BundleFile, dry: bool = False, reconfigures: bool = True
) -> AsyncIterator[Work]:
    work = Work(config, files, dry=dry, reconfigures=reconfigures)
    try:
        yield work
    finally:
        await work.close()


async def missing_of(step: Step) -> str | None:
    found = await step.check(FakeTeller())
    return found.what if found else None


async def done(step: Step) -> FakeTeller:
    """Apply a step that has something to do, and see that nothing is missing then."""
    tell = FakeTeller()
    missing = await step.check(tell)
    assert missing is not None
    await step.apply(missing, tell)
    assert None is await step.check(tell)
    return tell


def running(config: Config) -> bool:
    return RegistryServer(config).status().ours


async def test_the_registry_stops_when_no_tunnel_is_kept(config: Config) -> None:
    custom = replace(config, mode=Mode.CUSTOM, registry_base="r.site:5000")
    async with at_work(custom) as work:
        step, tell = RegistryStop(work, ["a", "b"], []), FakeTeller()
        assert None is await step.check(tell)
        assert ["goes on: a, b still uses it"] == tell.outcomes
        for name in "ab":
            work.tunnels.forget(name)
        await done(step)
    assert (False, True) == (running(config), holds_content(config.registry_dir))


async def test_a_plan_looks_ahead_and_tells_what_stays(config: Config) -> None:
    custom = replace(config, mode=Mode.CUSTOM, registry_base="r.site:5000")
    async with at_work(custom, dry=True) as work:
        tell = FakeTeller()
        missing = await RegistryStop(work, ["a", "b"], []).check(tell)
        assert missing is not None
        assert f"the registry at 127.0.0.1:{config.registry_port} of this machine" == missing.what
        assert str(config.registry_dir) in tell.known["stays"]
        assert "1 name is in this machine's registry and in no bundle" in tell.warned[0].text
        assert "calico/node:v3" in tell.warned[0].text
        assert "airferry backup" in tell.warned[0].text
        assert None is await missing_of(RegistryStop(work, ["a"], []))
    assert running(config)


async def test_the_only_copy_is_not_removed(config: Config, tmp_path: Path) -> None:
    bundle = tmp_path / "x.tar"
    layer = tar_of("x", b"x")
    bundle.write_bytes(docker_archive([ImageSpec(["docker.io/calico/node:v3"], [layer])]))
    none = replace(config, mode=Mode.NONE, hosts=())
    for name in "ab":
        TunnelStore(config.state_dir).forget(name)
    async with at_work(none) as work:
        with pytest.raises(RegistryOnlyCopy, match=r"1 name is in .*: calico/node:v3"):
            await missing_of(RegistryRemove(work, [], []))
    async with at_work(none, bundle_file(bundle)) as work:
        await done(RegistryRemove(work, [], []))
    assert (False, False) == (running(config), config.registry_dir.exists())


async def test_content_moves_with_the_directory(config: Config, tmp_path: Path) -> None:
    moved = replace(config, registry_dir=tmp_path / "new")
    server = RegistryServer(moved)
    assert Move(config.registry_dir, moved.registry_dir) == server.move()
    with pytest.raises(RegistryMoved, match=r"is in .*registry; registryDir is now"):
        server.start()
    async with at_work(moved, reconfigures=False) as work:
        with pytest.raises(RegistryMoved):
            await missing_of(DuPreflight(work))
    assert running(config), "a plain run stops nothing"
    async with at_work(moved) as work:
        assert None is await missing_of(DuPreflight(work))
        await done(RegistryMove(work))
        await done(RegistryServe(work))
    assert (True, False) == (holds_content(moved.registry_dir), config.registry_dir.exists())
    assert moved.registry_dir == getattr(server.served(), "directory", None)


async def test_a_move_that_fails_leaves_the_registry_running(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails in the middle cannot be made: its answer is."""

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    moved = replace(config, registry_dir=tmp_path / "new")
    monkeypatch.setattr(relocate, "_bring", fails)
    async with at_work(moved) as work:
        step = RegistryMove(work)
        missing = await step.check(FakeTeller())
        assert missing is not None
        with pytest.raises(OSError, match="Input/output error"):
            await step.apply(missing, FakeTeller())
    until(lambda: running(config), "the registry answers again")
    assert (True, None) == (holds_content(config.registry_dir), noted_move(config.state_dir))


async def test_a_move_that_broke_off_comes_first(config: Config, tmp_path: Path) -> None:
    """Whatever the config says by now: here it says again what it said before."""
    stop_registry(config)
    (config.registry_dir / "docker").rename(tmp_path / "docker")
    (tmp_path / "new").mkdir()
    (tmp_path / "docker").rename(tmp_path / "new/docker")
    note = f'{{"source": "{config.registry_dir}", "target": "{tmp_path / "new"}"}}'
    (config.state_dir / "registry-move.json").write_text(note)
    with pytest.raises(RegistryMoved, match="broke off"):
        start_registry(config)
    async with at_work(config) as work:
        await done(RegistryMove(work))
        await done(RegistryServe(work))
    assert (True, False) == (holds_content(config.registry_dir), (tmp_path / "new").exists())


async def test_a_taken_port_leaves_the_registry_as_it_is(config: Config) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        moved = replace(config, registry_port=taken.getsockname()[1])
        async with at_work(moved) as work:
            with pytest.raises(RegistryPortTaken):
                await missing_of(DuPreflight(work))
        with pytest.raises(RegistryPortTaken):
            RegistryServer(moved).start()
    assert running(config)


async def test_tunnels_follow_the_registry_to_another_port(config: Config) -> None:
    start_tunnels(config)
    moved = replace(config, registry_port=free_port())
    async with at_work(moved) as work:
        found = await missing_of(RegistryServe(work))
        assert f"from 127.0.0.1:{config.registry_port} to" in str(found)
        await done(RegistryServe(work))
        await done(TunnelsServe(work))
    ports = {t.registry_port for t in TunnelStore(config.state_dir).wanted().values()}
    assert {moved.registry_port} == ports
    stop_registry(moved)


async def test_the_tunnel_service_stops_with_the_last_tunnel(config: Config) -> None:
    start_tunnels(config)
    none = replace(config, mode=Mode.NONE)
    async with at_work(none) as work:
        step = TunnelsStop(work, [], [])
        assert None is await missing_of(step)
        for name in "ab":
            work.tunnels.forget(name)
        await done(step)
        assert None is await missing_of(step)


async def test_a_run_of_mode_none_leaves_what_serves_hosts(config: Config) -> None:
    none = replace(config, mode=Mode.NONE)
    async with at_work(none, reconfigures=False) as work:
        assert None is await missing_of(RegistryForRun(work))
    assert running(config)
    async with at_work(replace(none, registry_port=free_port()), reconfigures=False) as work:
        with pytest.raises(DuUnfit, match="the registry of mode du still runs at"):
            await missing_of(RegistryForRun(work))
    assert running(config)


async def test_a_registry_for_one_run_ends_with_it(config: Config) -> None:
    stop_registry(config)
    none = replace(config, mode=Mode.NONE)
    async with at_work(none, reconfigures=False) as work:
        assert None is await missing_of(RegistryForRun(work))
        assert (True, True) == (running(config), work.server.is_for_one_run)
        assert None is await missing_of(RegistryStop(work, [], []))
    assert (False, False) == (running(config), RegistryServer(config).is_for_one_run)


async def test_mode_du_keeps_what_a_killed_run_of_mode_none_left(config: Config) -> None:
    stop_registry(config)
    RegistryServer(config).start_for_one_run()
    async with at_work(config) as work:
        assert "restarted" in str(await missing_of(RegistryServe(work)))
        await done(RegistryServe(work))
    assert (True, False) == (running(config), RegistryServer(config).is_for_one_run)


async def test_a_removed_host_that_does_not_answer_loses_its_tunnel_all_the_same(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host of the lab would have to be cut off for minutes: its answer is made here."""

    async def unreachable(*_: object) -> None:
        raise HostUnreachable("b: no route to host")

    monkeypatch.setattr(leave, "withdraw_keys", unreachable)
    async with at_work(replace(config, hosts=(A,))) as work:
        (tunnel,) = work.removed_hosts
        tell = await done(TunnelDrop(work, tunnel))
        assert "authorized_keys (b: no route to host)" in tell.warned[0].text
        assert ["a"] == list(work.tunnels.wanted())


@pytest.mark.parametrize("kind", [RegistryMoved, RegistryOnlyCopy])
def test_errors_say_what_to_do(kind: type[AirferryError]) -> None:
    assert "reconfigure" in kind("x").remedy

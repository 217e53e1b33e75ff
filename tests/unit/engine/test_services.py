"""Registry and tunnels as commands and screens see them: the real processes, started and ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import service
from core.config import Config, HostConfig, Mode, SshConfig
from core.engine.services import (
    registry_status,
    start_registry,
    start_tunnels,
    stop_registry,
    stop_tunnels,
    tunnels_now,
)
from core.errors import UsageError
from core.hosts.tunnel.store import Tunnel, TunnelStatus, TunnelStore
from tests.support.ports import free_port
from tests.support.waiting import until


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """A site of its own, whose services are plain processes whatever this machine runs."""
    monkeypatch.setattr(service, "under_systemd", lambda: False)
    site = Config(
        tmp_path / "c.yaml",
        Mode.DU,
        registry_dir=tmp_path / "registry",
        registry_port=free_port(),
        state_dir=tmp_path / "state",
    )
    yield site
    stop_registry(site)
    stop_tunnels(site)


@pytest.mark.usefixtures("registry_program")
def test_the_registry_is_started_and_stopped(config: Config) -> None:
    assert (False, False) == (registry_status(config).running, stop_registry(config))
    started = start_registry(config)
    assert (True, True) == (started.ours, start_registry(config).pid == started.pid)
    assert (True, False) == (stop_registry(config), registry_status(config).running)


def test_the_sites_own_registry_is_left_alone(tmp_path: Path) -> None:
    config = Config(tmp_path / "c.yaml", Mode.CUSTOM, "r.site:443", state_dir=tmp_path)
    for refused in (start_registry, stop_registry):
        with pytest.raises(UsageError, match="not Airferry's"):
            refused(config)


def test_tunnels_are_kept_told_and_stopped(config: Config) -> None:
    with pytest.raises(UsageError, match="no tunnel is wanted"):
        start_tunnels(config)
    assert tunnels_now(config).all_well
    host = HostConfig("w1", "127.0.0.1", 1)
    config.state_dir.mkdir(exist_ok=True)
    TunnelStore(config.state_dir).want(Tunnel(host, SshConfig(), 5001, config.registry_port))
    now = tunnels_now(config)
    assert (False, (TunnelStatus("w1"),), False) == (now.service, now.tunnels, now.all_well)
    start_tunnels(config)
    start_tunnels(config)
    until(lambda: bool(tunnels_now(config).tunnels[0].error_code), "the host is tried")
    now = tunnels_now(config)
    assert (True, 0, "E-SSH-ROUTE") == (now.service, now.up, now.tunnels[0].error_code)
    assert (True, False) == (stop_tunnels(config), tunnels_now(config).service)

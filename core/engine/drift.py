"""How the site differs from what its config says now, as far as this machine knows without asking.

What a host still has of an earlier mode only the host can say; `airferry reconfigure` asks it.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.config import Config, Mode
from core.engine.journal import JournalReader, RunRow, State
from core.engine.launcher import true_state
from core.engine.request import HOST_JOBS, RunKind
from core.hosts.tunnel.store import TunnelStore
from core.registry.local.relocate import noted_move
from core.registry.local.server import RegistryServer
from core.words import count

REGISTRY_BASE = "registry_base"
"""Under this name a run of mode custom notes which registry hosts were given."""


def differences(config: Config) -> list[str]:
    """Return in what the site differs from its config, each in a few words; nothing if in nothing.

    Blocks for milliseconds.
    """
    return [*_modes(config), *_registry(config), *_tunnels(config)]


def _modes(config: Config) -> Iterator[str]:
    """Yield how an earlier mode may still be there: since the last change that was completed."""
    for number, run in enumerate(_host_jobs(config)):
        if run.mode != config.mode and run.mode in tuple(Mode):
            yield f"mode {config.mode} now, set up in mode {run.mode}"
            return
        base = run.options.get(REGISTRY_BASE, config.registry_base)
        if config.mode is Mode.CUSTOM and base != config.registry_base:
            yield f"registry {config.registry_base} now, set up with {base}"
            return
        if run.kind == RunKind.RECONFIGURE and not run.options.get("hosts"):
            state = true_state(run, config.state_dir)
            if state.went_well:
                return
            if not number and state is not State.RUNNING:
                yield "the last reconfigure did not come to its end"
                return


def _host_jobs(config: Config) -> Iterator[RunRow]:
    return (run for run in JournalReader(config.state_dir).runs() if run.kind in HOST_JOBS)


def _registry(config: Config) -> Iterator[str]:
    server = RegistryServer(config)
    served, move = server.served(), noted_move(config.state_dir)
    if move:
        yield f"moving the registry to {move.target} broke off"
        return
    if served is None:
        return
    if config.mode is not Mode.DU:
        if not server.is_for_one_run and server.is_installed:
            yield f"the registry of mode du goes on at {served.address}"
        return
    if served.address != server.address:
        yield f"registry at {served.address}, to be at {server.address}"
    if served.directory != config.registry_dir:
        yield f"registry in {served.directory}, to be in {config.registry_dir}"


def _tunnels(config: Config) -> Iterator[str]:
    wanted = TunnelStore(config.state_dir).wanted()
    if config.mode is not Mode.DU:
        if wanted:
            yield f"{count(len(wanted), 'tunnel')} of mode du kept"
        return
    known = {host.name for host in config.hosts}
    gone = [name for name in wanted if name not in known]
    if gone:
        yield f"{count(len(gone), 'host')} with a tunnel not in the config any more"
    moved = [
        t
        for name, t in wanted.items()
        if name in known and t.host_port != config.host_registry_port
    ]
    if moved:
        before, after = moved[0].host_port, config.host_registry_port
        yield f"{count(len(moved), 'tunnel')} from port {before}, to be from {after}"

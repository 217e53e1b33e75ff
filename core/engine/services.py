"""The processes of this machine that outlive every run: the registry and the tunnels.

For commands and screens, which may not look into the rooms behind the engine themselves. All of it
asks or waits: call it in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.config import Config, Mode
from core.engine.drift import differences
from core.errors import UsageError
from core.hosts.tunnel import control as tunnel_control
from core.hosts.tunnel.store import TunnelStatus, TunnelStore
from core.registry.local.server import RegistryServer, RegistryStatus

__all__ = [
    "RegistryStatus",
    "TunnelStatus",
    "Tunnels",
    "differences",
    "registry_status",
    "require_own_registry",
    "start_registry",
    "start_tunnels",
    "stop_registry",
    "stop_tunnels",
    "tunnels_now",
]


@dataclass(frozen=True)
class Tunnels:
    """How the tunnels fare.

    Args:
        service: Whether the process that keeps them runs.
        tunnels: Every tunnel that shall be kept, by name.
    """

    service: bool
    tunnels: tuple[TunnelStatus, ...]

    @property
    def up(self) -> int:
        """How many are open."""
        return sum(bool(tunnel.up_since) for tunnel in self.tunnels)

    @property
    def all_well(self) -> bool:
        """Whether every tunnel that is wanted is open."""
        return self.up == len(self.tunnels) and (self.service or not self.tunnels)


def tunnels_now(config: Config) -> Tunnels:
    """Return what the tunnel service last said."""
    book, runs = TunnelStore(config.state_dir), tunnel_control.is_running(config.state_dir)
    known = book.statuses() if runs else {}
    found = (known.get(name, TunnelStatus(name)) for name in sorted(book.wanted()))
    return Tunnels(runs, tuple(found))


def start_tunnels(config: Config) -> None:
    """Start the service that keeps the tunnels, if it does not run.

    Raises:
        UsageError: no tunnel is wanted.
        ServiceFailed: it does not start.
    """
    if not TunnelStore(config.state_dir).wanted():
        raise UsageError(
            "no tunnel is wanted: this site has none",
            remedy="Mode du opens them: set up the site (Review, then Yes).",
        )
    if not tunnel_control.is_running(config.state_dir):
        tunnel_control.tunnel_service(config).start()
        tunnel_control.wait_until_running(config.state_dir)


def stop_tunnels(config: Config) -> bool:
    """Stop the service, or where it was run by hand; False if it did not run.

    Raises:
        ServiceFailed: it does not end.
    """
    return tunnel_control.tunnel_service(config).stop() or tunnel_control.stop(config.state_dir)


def registry_status(config: Config) -> RegistryStatus:
    """Ask the registry of this machine how it is."""
    return RegistryServer(config).status()


def start_registry(config: Config) -> RegistryStatus:
    """Start the registry of this machine, or anew where it runs with other settings.

    Raises:
        UsageError: in mode custom it is not Airferry's.
        RegistryError: it does not come up.
    """
    require_own_registry(config)
    server = RegistryServer(config)
    if not (server.status().ours and server.settings_fit()):
        server.start()
    return server.status()


def stop_registry(config: Config) -> bool:
    """Stop the registry of this machine; False if it did not run.

    Raises:
        UsageError: in mode custom it is not Airferry's.
        ServiceFailed: it does not end.
    """
    require_own_registry(config)
    return RegistryServer(config).stop()


def require_own_registry(config: Config) -> None:
    """Refuse what is Airferry's business only with a registry of its own.

    Raises:
        UsageError: the site has its own.
    """
    if config.mode is Mode.CUSTOM:
        raise UsageError(
            "in mode custom the registry is not Airferry's",
            remedy=f"Look after it where it runs: {config.registry_base}",
        )

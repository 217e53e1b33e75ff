"""Whether a host can be given its way to the registry, found before anything is changed there."""

from __future__ import annotations

from contextlib import AsyncExitStack

from core.config import HostConfig, Mode
from core.errors import DockerFailed, HostForwardingForbidden, HostTunnelExposed
from core.hosts.docker.engine import host_engine
from core.hosts.preflight import Finding
from core.hosts.tunnel import control as tunnel_control
from core.hosts.tunnel.forbidden import why_forbidden
from core.hosts.tunnel.port_holder import port_finding
from core.hosts.tunnel.store import registry_behind
from core.hosts.tunnel.trial import Trial, trial_forward
from core.registry.api.client import SITE_HEADER
from core.steps.targets import comes_true
from core.steps.work import Work
from core.threads import in_thread

OPENS_WITHIN_S = 5.0


async def way_findings(work: Work, host: HostConfig, *, is_root: bool) -> list[Finding]:
    """Return what would keep the host's Docker from the registry of this machine.

    Args:
        work: The run, which knows the host's facts.
        host: The host.
        is_root: We can become root there, and so ask its Docker.

    Raises:
        HostError: the line is lost.
    """
    link, facts = work.link(host), work.facts[host.name]
    # In mode none any port will do, for the time of a run.
    port = work.config.host_registry_port if work.config.mode is Mode.DU else 0
    if port and facts.port_taken and await _is_ours(work, host, port):
        return []
    if port and await _is_about_to_be_ours(work, host, port):
        return []
    try:
        async with trial_forward(link, port) as trial:
            finding = await _tried(work, host, trial, is_root=is_root)
    except HostTunnelExposed as error:
        return [Finding(True, error.what.removeprefix(f"{host.name}: "), error.remedy)]
    except HostForwardingForbidden:
        if port and await _is_ours(work, host, port):
            return []
        if not (port and facts.port_taken):
            return [why_forbidden(facts, await link.told(), port)]
        finding = None
    else:
        if finding is None:
            return []
    if port and facts.port_taken and is_root:  # also on ::1 only, which Docker may ask first
        return [await port_finding(link, port)]
    what = f"has port {port} taken by {facts.port_holder or 'another program'}"
    return [finding or Finding(True, what, "Choose another hostRegistryPort in the config.")]


def twin_finding(work: Work, host: HostConfig) -> Finding | None:
    """Return that another entry of the config is the same machine, which then goes first."""
    machine = work.facts[host.name].machine
    if not machine:
        return None
    for other in work.config.hosts:
        if other.name == host.name:
            break
        known = work.facts.get(other.name)
        if known and known.machine == machine:
            work.machines.setdefault(machine, other.name)
    first = work.machines.setdefault(machine, host.name)
    if first == host.name:
        return None
    addresses = {each.name: each.address for each in work.config.hosts}
    return Finding(
        True,
        f"({host.address}) is the same machine as {first} ({addresses.get(first, '')})",
        f"Take one of the two entries, {first} or {host.name}, out of hosts in the config.",
    )


async def _is_ours(work: Work, host: HostConfig, port: int) -> bool:
    """Whether a tunnel of this site has the port."""
    try:
        found = await registry_behind(work.link(host), port, SITE_HEADER)
    except HostForwardingForbidden:
        return host.name in work.tunnels.wanted()
    return found == await in_thread(work.server.site_id)


async def _is_about_to_be_ours(work: Work, host: HostConfig, port: int) -> bool:
    """Whether the service that keeps this host's tunnel has it open in a moment."""
    if host.name not in work.tunnels.wanted() or not tunnel_control.is_running(
        work.config.state_dir
    ):
        return False
    return await comes_true(lambda: _is_ours(work, host, port), OPENS_WITHIN_S)


async def _tried(work: Work, host: HostConfig, trial: Trial, *, is_root: bool) -> Finding | None:
    facts = work.facts[host.name]
    if not (is_root and facts.docker.version) or facts.docker.rootless:
        return await trial.finding(facts, None)
    async with AsyncExitStack() as stack:
        try:
            engine = await stack.enter_async_context(host_engine(work.link(host)))
        except DockerFailed:
            return await trial.finding(facts, None)
        return await trial.finding(facts, engine.registry_digest)

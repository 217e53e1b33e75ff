"""The work of the tunnel service: every wanted tunnel is opened, watched, and opened again.

A line that was cut is noticed by its silence; from then on it is tried without long pauses, because
a Docker engine gives a layer up after some 50 s.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from contextlib import suppress
from dataclasses import replace

from core.config import SshConfig
from core.errors import AirferryError, HostForwardingForbidden, HostPortTaken, InternalError
from core.hosts.ssh.connection import ConnectionPool, HostConnection
from core.hosts.ssh.errors import translated
from core.hosts.ssh.host_keys import trust_of
from core.hosts.tunnel.answers import answer_on, kind_of
from core.hosts.tunnel.keys import claim_of
from core.hosts.tunnel.store import Tunnel, TunnelStatus, TunnelStore

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 3.0
CONNECTS_AT_ONCE = 16
FORWARD_TIMEOUT_S = 30.0
_LOOK_S = 0.5


class TunnelSupervisor:
    """Keeps every wanted tunnel open; runs until it is cancelled.

    Args:
        book: The files.
    """

    def __init__(self, book: TunnelStore) -> None:
        self._book = book
        self._statuses: dict[str, TunnelStatus] = {}
        self._were_up: set[str] = set()
        self._changed = True
        self._ways: dict[tuple[SshConfig, tuple[str, ...]], ConnectionPool] = {}

    async def run(self) -> None:
        """Follow `wanted.json`: open what is new, close what has gone, keep the rest."""
        kept: dict[str, tuple[Tunnel, asyncio.Task[None]]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                wanted = self._book.wanted()
                for name, (tunnel, task) in list(kept.items()):
                    if wanted.get(name) != tunnel:
                        task.cancel()
                        await asyncio.wait([task])
                        del kept[name]
                        self._statuses.pop(name, None)
                        self._were_up.discard(name)
                        self._changed = True
                for name, tunnel in wanted.items():
                    if name not in kept:
                        self._note(TunnelStatus(name))
                        kept[name] = tunnel, group.create_task(self._keep(tunnel))
                self._publish()
                await asyncio.sleep(_LOOK_S)

    async def _keep(self, tunnel: Tunnel) -> None:
        name, pause_s = tunnel.host.name, FIRST_RETRY_S
        while True:
            error = await self._held(tunnel)
            if self._statuses[name].up_since:
                pause_s = FIRST_RETRY_S
            self._note_down(name, error)
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            pause_s = min(pause_s * 2, LONGEST_RETRY_S)

    async def _held(self, tunnel: Tunnel) -> AirferryError:
        """Hold one tunnel as long as it can be held; return why not longer."""
        try:
            return await self._hold(tunnel)
        except AirferryError as error:
            return error
        except Exception as error:  # noqa: BLE001 - one tunnel's task ends here, not all of them
            traceback.print_exc()
            return InternalError(f"{tunnel.host.name}: {type(error).__name__}: {error}")

    async def _hold(self, tunnel: Tunnel) -> AirferryError:
        only_key = self._book.keys.tunnel if tunnel.own_key else None
        link = self._links(tunnel).link(tunnel.host, only_key)
        try:
            await _listen(link, tunnel, self._book.site)
            self._note_up(tunnel.host.name)
            return await link.ended()
        finally:
            await link.close()

    def _links(self, tunnel: Tunnel) -> ConnectionPool:
        """Return what makes the connections; the same for all that share a jump host."""
        way = tunnel.ssh, tunnel.own_jumps
        if way not in self._ways:
            trust = trust_of(tunnel.ssh, self._book.state_dir)
            jump_keys = dict.fromkeys(tunnel.own_jumps, self._book.keys.jump)
            self._ways[way] = ConnectionPool(
                tunnel.ssh, trust, at_once=CONNECTS_AT_ONCE, jump_keys=jump_keys
            )
        return self._ways[way]

    def _note_up(self, name: str) -> None:
        was = self._statuses[name]
        again = 1 if name in self._were_up else 0
        self._were_up.add(name)
        now = time.time()
        self._note(replace(was, up_since=now, reconnects=was.reconnects + again, error_code=""))

    def _note_down(self, name: str, error: AirferryError) -> None:
        self._note(
            replace(
                self._statuses[name],
                up_since=0.0,
                last_error=error.what,
                last_error_at=time.time(),
                error_code=error.code,
            )
        )

    def _note(self, status: TunnelStatus) -> None:
        self._statuses[status.name] = status
        self._changed = True

    def _publish(self) -> None:
        if not self._changed:
            return
        with suppress(OSError):  # no room on the DU: the tunnels are kept all the same
            self._book.write_statuses(self._statuses)
            self._changed = False


async def _listen(link: HostConnection, tunnel: Tunnel, site: str) -> None:
    """Make the host's sshd listen, once what an earlier line has left there is gone."""
    await link.run_line(claim_of(tunnel.host_port, site))
    try:
        with translated(link.where, link.route.user):
            async with asyncio.timeout(FORWARD_TIMEOUT_S):
                await link.forward_to(tunnel.host_port, tunnel.registry_port)
    except HostForwardingForbidden:
        raise await _why_refused(link, tunnel) from None


async def _why_refused(link: HostConnection, tunnel: Tunnel) -> AirferryError:
    name, port = link.host.name, tunnel.host_port
    try:
        answer = await answer_on(link, port)
    except AirferryError as error:
        return error
    if answer is None:
        return HostForwardingForbidden(f"{name}: sshd refuses the tunnel's forwarding")
    return HostPortTaken(f"{name}: port {port} is taken by another program: {kind_of(answer)}")

"""The two kinds of targets: what steps of the DU and steps of a host have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

from core.config import HostConfig
from core.errors import (
    AirferryError,
    Cancelled,
    HostError,
    HostGoesDown,
    HostLineLost,
    HostRegistryGone,
    HostUnreachable,
    RegistryError,
    RegistryOddAnswer,
    RegistryProxyForbids,
)
from core.steps.base import DU, Need, Reporter, Step
from core.steps.work import Work

_POLL_S = 0.3


class DuStep(Step):
    """A step on the DU; `step_id` is set by the class."""

    step_id: ClassVar[str]

    def __init__(self, work: Work) -> None:
        super().__init__(self.step_id, DU)
        self._work = work


class HostStep(Step):
    """A step on one host; `step_id` is set by the class."""

    step_id: ClassVar[str]

    def __init__(self, work: Work, host: HostConfig, *needs: Need) -> None:
        super().__init__(self.step_id, host.name, *needs)
        self._work = work
        self._host = host
        self._link = work.link(host)

    @property
    def is_reached(self) -> bool:
        return self._link.is_open

    async def reach(self, tell: Reporter) -> None:
        tell.say(f"connecting to {self._host.address}")
        await self._link.connection()

    def patience_with(self, error: AirferryError) -> float:
        """The registry may be away for minutes just like the host, when it is asked for a host."""
        if isinstance(error, RegistryError):
            return max(error.patience_s, HostError.patience_s)
        return error.patience_s

    async def explained(self, error: AirferryError) -> AirferryError:
        """Return what an error means on the way to a host.

        A host that is shutting down still answers for a while, and lets nothing be started. A
        registry that this run has used already, and that answers like none, is being restarted
        behind a proxy.
        """
        if isinstance(error, RegistryOddAnswer | RegistryProxyForbids):
            return HostRegistryGone(f"{self._host.name}: {error.what}", remedy=error.remedy)
        if error.transient or isinstance(error, Cancelled) or not self.is_reached:
            return error
        try:
            going_down = await self._link.is_going_down()
        except (HostLineLost, HostUnreachable) as lost:
            return lost
        except AirferryError:  # it does not say, or not in time: that is no reason to try again
            return error
        if not going_down:
            return error
        return HostGoesDown(f"{self._link.where} is shutting down: {error.what}")


async def comes_true(ask: Callable[[], Awaitable[object]], timeout_s: float) -> bool:
    """Ask again and again until the answer is truthy; False if it never was in so many seconds."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await ask():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True

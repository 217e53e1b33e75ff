"""The two kinds of targets: what steps of the DU and steps of a host have in common."""

from __future__ import annotations

from typing import ClassVar

from core.config import HostConfig
from core.steps.base import DU, Need, Step
from core.steps.work import Work


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

"""What a step is: one question (`check`) and one answer (`apply`), on one target.

The same two calls serve the dry run, the job itself, resuming it and verifying it: `check` says
what is missing, `apply` supplies it, and `check` is asked again. The target is the truth.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from core.errors import AirferryError, StillMissing
from core.telling import Detail
from core.warnings import Warned

DU = "du"


@dataclass(frozen=True)
class Missing:
    """What a target lacks.

    Args:
        what: In plain words, for Review and for the report.
        size_bytes: What supplying it would move.
        remedy: What to do where it is still missing afterwards.
    """

    what: str
    size_bytes: int = 0
    remedy: str = ""


class Reporter(Protocol):
    """Where a step tells how it fares; may be called from any thread."""

    def bytes(self, done: int, total: int) -> None:
        """Tell the bytes moved so far, and how many there are; both only ever grow."""

    def say(self, message: str) -> None:
        """Tell what is being done now, in a few words."""

    def found(self, fact: str) -> None:
        """Tell what is to stand beside the step when it has ended well."""

    def log(self, text: str) -> None:
        """Tell something worth keeping in the log of the run."""

    def facts(self, known: Iterable[tuple[str, str]]) -> None:
        """Tell what is so of the target, by name, for whoever looks at it in full."""

    def particulars(self, found: Iterable[Detail]) -> None:
        """Tell one by one what was found, for whoever looks at it in full."""

    def warn(self, warning: Warned) -> None:
        """Tell something that a person should know of, though the step goes on."""


@dataclass(frozen=True)
class Need:
    """A step of another target that must be complete before."""

    target: str
    step_id: str


class Step(ABC):
    """One thing to bring about on one target."""

    title: ClassVar[str]
    """What is brought about, in a technician's words."""
    patience_s: ClassVar[float] = math.inf
    """How long it is tried without getting any further, if not shorter for what fails."""
    look_patience_s: ClassVar[float] = 0.0
    """The same in a run that only looks: most are to say at once how it is."""
    heals: ClassVar[bool] = False
    """Whether it is asked again, and done again if need be, before a later step is tried again."""

    passes: ClassVar[tuple[type[AirferryError], ...]] = ()
    """Errors of it that keep no later step of its target from being done."""

    def __init__(self, step_id: str, target: str, *needs: Need) -> None:
        self.id = step_id
        self.target = target
        self.needs = needs

    @property
    def is_reached(self) -> bool:
        """Whether the way to the target is open."""
        return True

    async def reach(self, tell: Reporter) -> None:  # noqa: B027 - most need nothing
        """Open the way to the target; asked before this step takes one of the run's places."""

    def patience_with(self, error: AirferryError) -> float:
        """Return for how many seconds of no progress an error of this step is tried again."""
        return error.patience_s

    async def explained(self, error: AirferryError) -> AirferryError:
        """Return what an error of this step means, as far as the target can still be asked."""
        return error

    @abstractmethod
    async def check(self, tell: Reporter) -> Missing | None:
        """Ask the target what is missing; None if nothing is. Changes nothing."""

    @abstractmethod
    async def apply(self, missing: Missing, tell: Reporter) -> None:
        """Supply what is missing."""


class VerifyStep(Step):
    """A step that only looks: what it finds missing is a failure."""

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        raise StillMissing(missing.what, remedy=missing.remedy)

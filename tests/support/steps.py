"""Steps that do nothing but what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.steps.base import Missing, Need, Reporter, Step, VerifyStep

Answer = Missing | None | Exception | Callable[[], Missing | None]


@dataclass
class Diary:
    """What fake steps did, in order: `target.step: check` and `… apply`."""

    entries: list[str] = field(default_factory=list)

    def of(self, target: str) -> list[str]:
        return [entry for entry in self.entries if entry.startswith(f"{target}.")]


class FakeStep(Step):
    """A step whose checks give the answers of a list, the last one again and again.

    Args:
        where: `target.step`.
        diary: Where it writes what it does.
        checks: An answer for each check: what is missing, None, or an error to raise.
        applies: An error (or None) for each apply.
        needs: `target.step` of others.
        moved: Bytes that each apply tells.
        hold: Waited for in apply.
    """

    title = "a fake"
    patience_s = 7.0  # pauses of 1, 2 and 4 s

    def __init__(
        self,
        where: str,
        diary: Diary,
        checks: Sequence[Answer] = (None,),
        *,
        applies: Sequence[Exception | None] = (None,),
        needs: Sequence[str] = (),
        moved: Sequence[tuple[int, int]] = (),
        hold: asyncio.Event | None = None,
    ) -> None:
        target, _, step_id = where.partition(".")
        super().__init__(step_id, target, *(Need(*need.split(".", 1)) for need in needs))
        self._where = where
        self._diary = diary
        self._checks = list(checks)
        self._applies = list(applies)
        self._moved = moved
        self._hold = hold

    async def check(self, tell: Reporter) -> Missing | None:  # noqa: ARG002
        self._diary.entries.append(f"{self._where}: check")
        answer = self._checks.pop(0) if len(self._checks) > 1 else self._checks[0]
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        self._diary.entries.append(f"{self._where}: apply")
        for done, total in self._moved:
            tell.bytes(done, total)
        if self._hold is not None:
            await self._hold.wait()
        error = self._applies.pop(0) if len(self._applies) > 1 else self._applies[0]
        if error is not None:
            raise error


class FakeVerify(VerifyStep):
    """A verify step that finds something missing, or nothing."""

    title = "a fake that only looks"

    def __init__(self, where: str, answer: Missing | None) -> None:
        target, _, step_id = where.partition(".")
        super().__init__(step_id, target)
        self._answer = answer

    async def check(self, tell: Reporter) -> Missing | None:
        tell.found("all is well")
        return self._answer

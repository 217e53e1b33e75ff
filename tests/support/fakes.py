"""Stand-ins that keep what they are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.telling import Detail
from core.warnings import Warned


@dataclass
class FakeTeller:
    """A step's teller that remembers everything."""

    told: list[tuple[int, int]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    warned: list[Warned] = field(default_factory=list)
    listed: list[Detail] = field(default_factory=list)

    def bytes(self, done: int, total: int) -> None:
        self.told.append((done, total))

    def say(self, message: str) -> None:
        self.said.append(message)

    def found(self, fact: str) -> None:
        self.outcomes.append(fact)

    def log(self, text: str) -> None:
        self.logged.append(text)

    def facts(self, known: Iterable[tuple[str, str]]) -> None:
        self.known.update(known)

    def particulars(self, found: Iterable[Detail]) -> None:
        self.listed = list(found)

    def warn(self, warning: Warned) -> None:
        self.warned.append(warning)

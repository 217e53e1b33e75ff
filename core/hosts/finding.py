"""What preflight has to say of a host: an error that ends the job there, or a warning."""

from __future__ import annotations

from dataclasses import dataclass

from core.warnings import HOST, Warned


@dataclass(frozen=True)
class Finding:
    """Something that preflight has to say of a host.

    Args:
        fatal: The job would fail there.
        what: What is so, to be read behind the host's name.
        remedy: What to do.
        told: The warning that it is, if it is one of a kind of its own.
    """

    fatal: bool
    what: str
    remedy: str
    told: Warned | None = None

    @classmethod
    def warned(cls, warning: Warned) -> Finding:
        """Return a finding that is a warning."""
        return cls(False, warning.what, warning.remedy, warning)

    @property
    def warning(self) -> Warned:
        """What is to be warned of."""
        return self.told or HOST.of(what=self.what, remedy=self.remedy)

"""`bundle take`: bundles from a stick into imagesDir."""

from __future__ import annotations

from collections.abc import Iterator

from core.config import Config
from core.engine.jobs.base import Job
from core.errors import UsageError
from core.steps.base import Step
from core.steps.bundles import BundleTake
from core.steps.work import Work


class Take(Job):
    """Each is copied and compared, and has its name only when all of it is there."""

    files = frozenset()
    has_hosts = False

    def require(self, config: Config) -> None:  # noqa: ARG002
        if not self.request.bundles:
            raise UsageError("no bundle is named", remedy="Name the files on the stick to take.")

    def du_steps(self, work: Work) -> Iterator[Step]:
        yield from (BundleTake(work, file) for file in work.files)

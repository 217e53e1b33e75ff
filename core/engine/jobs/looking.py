"""`check` and `verify`: they only look."""

from __future__ import annotations

from collections.abc import Iterator

from core.config import HostConfig, Mode
from core.engine.jobs.base import IMAGES_DIR, Job
from core.steps.base import Need, Step
from core.steps.du import RegistryVerify
from core.steps.work import Work


class Check(Job):
    """Whether every host can take part: all that would stop the job later, found at once."""

    unneeded = frozenset({IMAGES_DIR})

    def host_steps(self, work: Work, host: HostConfig, needs: list[Need]) -> Iterator[Step]:  # noqa: ARG002
        from core.engine.jobs.on_host import check_steps

        images = not self.request.skip_images
        yield from check_steps(work, host, images=images, read_bundles=False)


class Verify(Job):
    """Whether registry and hosts have what the bundles hold."""

    def du_steps(self, work: Work) -> Iterator[Step]:
        if work.config.mode is not Mode.NONE:
            yield RegistryVerify(work)

    def host_steps(self, work: Work, host: HostConfig, needs: list[Need]) -> Iterator[Step]:  # noqa: ARG002
        from core.engine.jobs.on_host import verify_steps

        yield from verify_steps(work, host, images=not self.request.skip_images)

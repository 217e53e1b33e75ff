"""`host clean`: a host without what Airferry brought."""

from __future__ import annotations

from collections.abc import Iterator

from core.config import HostConfig
from core.engine.jobs.base import DOCKER_REPO, IMAGES_DIR, Job
from core.steps.base import Need, Step
from core.steps.work import Work


class Clean(Job):
    """Tunnel, images and settings go; Docker only if that is asked for, and if it came with us."""

    unneeded = frozenset({IMAGES_DIR, DOCKER_REPO})

    def host_steps(self, work: Work, host: HostConfig, needs: list[Need]) -> Iterator[Step]:  # noqa: ARG002
        from core.engine.jobs.on_host import clean_steps

        yield from clean_steps(work, host, remove_docker=self.request.remove_docker)

"""What a job is. A dry run is the same job: its steps are asked, and nothing is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from core.config import Config, HostConfig, Mode
from core.engine.request import PLANS, RunRequest
from core.errors import UsageError
from core.steps.base import Need, Step
from core.steps.work import Work

IMAGES_DIR, DOCKER_REPO, CA = "imagesDir", "dockerRepo", "privateRegistryCA"


class Job:
    """One job.

    Args:
        request: What is asked of it.
    """

    files: ClassVar[frozenset[str] | None] = None
    """The keys of the config whose files must be there; None for all but `unneeded`."""
    unneeded: ClassVar[frozenset[str]] = frozenset()
    """The keys of the config whose files need not be there."""
    has_hosts: ClassVar[bool] = True
    """Whether it has steps on hosts."""
    writes_cluster_files: ClassVar[bool] = False
    """Whether the files for the cluster are written when the DU's part is done."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request

    @property
    def dry(self) -> bool:
        """Whether it only says what it would do."""
        return self.request.kind in PLANS

    def needs_files_of(self, key: str) -> bool:
        """Whether the files that a key of the config names must be there.

        Args:
            key: As it stands in the config. Who names bundles needs no imagesDir.
        """
        if key == IMAGES_DIR and self.request.bundles:
            return False
        return key not in self.unneeded if self.files is None else key in self.files

    def require(self, config: Config) -> None:
        """Refuse what makes no sense on this site.

        Raises:
            UsageError: with what can be done instead.
        """

    def du_steps(self, work: Work) -> Iterator[Step]:  # noqa: ARG002 - most have some
        """Yield the steps on this machine, in their order."""
        yield from ()

    def host_steps(
        self,
        work: Work,  # noqa: ARG002 - some jobs have none
        host: HostConfig,  # noqa: ARG002
        needs: list[Need],  # noqa: ARG002
    ) -> Iterator[Step]:
        """Yield the steps on one host, in their order.

        Args:
            work: The site.
            host: The host.
            needs: What must be done on this machine before images come.
        """
        yield from ()

    def last_steps(
        self,
        work: Work,  # noqa: ARG002 - few jobs have any
        hosts: list[HostConfig],  # noqa: ARG002
        after: Iterable[Need],  # noqa: ARG002
    ) -> Iterator[Step]:
        """Yield what ends on this machine when all hosts of the run are well without it."""
        yield from ()


def require_registry(config: Config, to: str, instead: str) -> None:
    """Refuse what needs a registry where the site has none.

    Raises:
        UsageError: the site is of mode none.
    """
    if config.mode is Mode.NONE:
        raise UsageError(f"mode none has no registry to {to}", remedy=instead)


def require_own_storage(config: Config) -> None:
    """Refuse to look after a registry that is not there, or not Airferry's.

    Raises:
        UsageError: with what can be done instead.
    """
    require_registry_to_look_after(config)
    if config.mode is Mode.CUSTOM:
        raise UsageError(
            "in mode custom the registry's storage is not Airferry's: nothing is changed there",
            remedy=f"Have it looked after where it runs: {config.registry_base}. What it lacks "
            "comes again with: airferry import",
        )


def require_registry_to_look_after(config: Config) -> None:
    """Refuse to look after a registry where there is none.

    Raises:
        UsageError: the site is of mode none.
    """
    require_registry(
        config,
        "look after: hosts hold the images themselves",
        f"What runs have left in {config.registry_dir} may be deleted while none is "
        "at work; the next run makes it anew.",
    )

"""`import`: bundles into the registry, and nothing on any host."""

from __future__ import annotations

from core.config import Config
from core.engine.jobs.base import CA, IMAGES_DIR, require_registry
from core.engine.jobs.install import Install


class Import(Install):
    """The DU's part of `install`."""

    files = frozenset({IMAGES_DIR, CA})
    has_hosts = False

    def require(self, config: Config) -> None:
        if not self.dry:  # the dry run says what there is to see in mode none, too
            require_registry(
                config,
                "import into",
                "Set privateRegistryType to du or custom, or run: airferry install",
            )

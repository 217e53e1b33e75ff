"""From a bundle into the registry: one pass, and more where one was cut off or misled.

Nothing gets a tag here (`publish` does that), so a bundle that turns out damaged on its last byte
has left nothing but blobs that the registry's garbage collection removes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from core.bundle.source import open_bundle
from core.errors import AirferryError, RegistryError
from core.registry.imports.import_pass import IndexMismatch, Ingested, Job, Pass

UPLOADS = 4


class Import(Job):
    """One bundle on its way into one registry; outlives a pass that was cut off."""

    def run(
        self, progress: Callable[[int], None], say: Callable[[str], None] = lambda _: None
    ) -> Ingested:
        """Put all layers and configs of the bundle into the staging repository.

        May be called again after an error that can pass by itself: layers that this object saw
        stored are then passed over, where the bundle can be sought in without even reading them.

        Args:
            progress: Told the bytes of the file read so far.
            say: Told in words how far it is.

        Raises:
            BundleError: the bundle is not whole, or not what it claims.
            RegistryError: the registry is gone, full or refuses.
            Cancelled: `stop` was set.
        """
        try:
            return self._passes(progress, say)
        except AirferryError as error:
            if self.file.is_pipe and error.transient:
                raise RegistryError(
                    f"{error.what} while {self.file.name} was read",
                    remedy="What comes out of a pipe cannot be read twice: send it again.",
                ) from error
            raise

    def _passes(self, progress: Callable[[int], None], say: Callable[[str], None]) -> Ingested:
        while True:
            try:
                return self._one_pass(progress, say)
            except IndexMismatch as misled:
                self.misleading.add(misled.key)

    def _one_pass(self, progress: Callable[[int], None], say: Callable[[str], None]) -> Ingested:
        with (
            open_bundle(self.file, self.go_on) as opened,
            ThreadPoolExecutor(os.cpu_count(), "pack") as packers,
            ThreadPoolExecutor(UPLOADS, "upload") as uploaders,
            self.client.ended_by(self.stop),
        ):
            one_pass = Pass(self, opened, packers, uploaders, progress, say)
            try:
                members = one_pass.read_all()
            except BaseException as error:
                one_pass.break_down()
                raise one_pass.root_cause(error) from error
            progress(self.file.size_bytes or opened.read_bytes)
            return one_pass.finish(members)

"""Reading and checking bundles beside the screens: with progress, and to be stopped at any time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from core.bundle.catalogue import Catalogue
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import Bundle, BundleFile
from core.config import ensure_state_dir
from core.errors import Cancelled
from core.threads import out_of_thread
from core.words import size
from tui.model.site import Site


@dataclass
class Job:
    """One bundle that is being read.

    Args:
        file: The bundle.
        check: Every byte is compared; else only what is in it is read.
    """

    file: BundleFile
    check: bool
    done_bytes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    _begun: float = field(default_factory=time.monotonic)

    @property
    def words(self) -> str:
        """How far it is."""
        verb = "checking" if self.check else "reading"
        percent = 100 * self.done_bytes // max(self.file.size_bytes, 1)
        return f"{verb} {min(percent, 100)} %, {size(self.done_bytes)}"

    @property
    def rate_words(self) -> str:
        """How fast it goes, and how to stop it."""
        elapsed = max(time.monotonic() - self._begun, 0.1)
        moved = f"{size(self.done_bytes)} of {size(self.file.size_bytes)}"
        return f"{moved}, {size(self.done_bytes / elapsed)}/s. Esc stops it; nothing is lost."

    def go_on(self) -> None:
        """Raise if it was stopped."""
        if self.stop.is_set():
            raise Cancelled("stopped")

    def progress(self, done_bytes: int) -> None:
        """Note the bytes read so far."""
        self.done_bytes = done_bytes


def carry_out(site: Site, job: Job) -> Bundle:
    """Read a bundle and note what is in it. Blocks, but not after it was stopped.

    Raises:
        BundleError: it cannot be read, or is not whole.
        Cancelled: it was stopped.
    """
    read = verify_bundle if job.check else list_bundle
    (bundle, *_) = out_of_thread(lambda: [read(job.file, job.go_on, job.progress)], job.go_on)
    catalogue = Catalogue(ensure_state_dir(site.config))
    known = catalogue.find(job.file)
    if known is None or (known.faults and not known.imported):
        known = None
        bundle = bundle.keeping_registry(bool(site.config.keep_source_registry))
        catalogue.keep(job.file, bundle)
    if job.check:
        catalogue.keep_checked(job.file)
    return known or bundle

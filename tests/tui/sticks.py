"""A stick for the screens: a directory that the kernel's lists call a mounted medium."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.bundle.media import Media
from tests.support.archives import sample_images, write_bundle
from tests.support.sticks import Machine


class TestStick:
    """A stick that is in, with a bundle that is new and one that imagesDir has.

    Args:
        tmp_path: Where it is made.
        is_in: It is in already.
    """

    __test__ = False

    def __init__(self, tmp_path: Path, *, is_in: bool = True) -> None:
        self.path = tmp_path / "media" / "AIR FERRY"
        self.path.mkdir(parents=True)
        self._machine = Machine(tmp_path / "machine")
        if is_in:
            self.put_in()
        self.new = write_bundle(self.path / "release-5.3.tar.gz", sample_images(), compress=True)
        digest = hashlib.sha256(self.new.read_bytes()).hexdigest()
        (self.path / "SHA256SUMS").write_text(f"{digest}  {self.new.name}\n")

    def put_in(self) -> None:
        """Put it in."""
        self._machine.mount(self.path, "8:17", "/dev/sdb1")

    def also_in(self, name: str) -> None:
        """Put another one in, with nothing on it."""
        path = self.path.with_name(name)
        path.mkdir()
        self._machine.mount(path, f"8:{sum(name.encode())}", "/dev/sdx1")

    def pull_out(self) -> None:
        """Pull it out; what lies on it cannot be read any more."""
        self._machine.mountinfo.write_text("")
        self.path.rename(self.path.with_name("pulled"))

    @property
    def media(self) -> Media:
        """The media of this machine: the stick alone."""
        return self._machine.media(self.path.parent)

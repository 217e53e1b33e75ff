"""What a lab host has when it is started: nothing of Docker's, Docker, or all images as well."""

from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import run

# Written once by Docker and then only read, linked or removed: hosts may share the files.
SHARED = "overlay2"


@dataclass(frozen=True)
class DockerStore:
    """What Docker stores on a host, kept where hosts' volumes are, to be copied into them."""

    directory: Path

    def copy_to(self, volume: Path) -> None:
        """Fill a host's volume; layers are hard links, everything else is the host's own.

        Args:
            volume: An empty directory on the same file system.
        """
        run("cp", "-al", self.directory / SHARED, volume)
        own = [path for path in self.directory.iterdir() if path.name != SHARED]
        run("cp", "-a", *own, volume)


@dataclass(frozen=True)
class HostKind:
    """What a host is started from.

    Args:
        image: The image in the lab's engine.
        store: What Docker on it has stored already, if anything.
        notes: A tar of what Airferry has noted on it, unpacked in `/var/lib`; empty for none.
    """

    image: str
    store: DockerStore | None = None
    notes: bytes = b""

"""Real files of this machine, dealt out in portions, as the contents of image layers.

Layers of random bytes would neither compress nor look like anything. These do, and the same
machine deals the same files every time.
"""

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.errors import LabError

SOURCES = (
    "/usr/include",
    "/usr/lib/gcc",
    f"{sys.base_prefix}/lib",
    "/usr/lib",
    "/usr/bin",
    "/usr/share",
)
# One huge file would make a layer of one file.
LARGEST_FILE_BYTES = 16 * 2**20
MEGABYTE = 2**20


@dataclass(frozen=True)
class RealFile:
    """A regular file and how much of a layer it fills."""

    path: Path
    size_bytes: int


def real_files() -> Iterator[RealFile]:
    """Give every usable regular file below the sources once, in a fixed order."""
    seen: set[Path] = set()
    for source in SOURCES:
        for directory, names, files in os.walk(source):
            names.sort()
            for name in sorted(files):
                path = Path(directory, name)
                facts = path.lstat()
                usable = stat.S_ISREG(facts.st_mode) and 0 < facts.st_size < LARGEST_FILE_BYTES
                if usable and path not in seen:
                    seen.add(path)
                    yield RealFile(path, facts.st_size)


def take(files: Iterator[RealFile], megabytes: int) -> list[RealFile]:
    """Take files off the front until they make up a layer of that size.

    Args:
        files: What is left; the files taken are gone from it.
        megabytes: The size of the layer, reached or just passed.

    Raises:
        LabError: The machine has too few files.
    """
    portion: list[RealFile] = []
    size_bytes = 0
    for file in files:
        portion.append(file)
        size_bytes += file.size_bytes
        if size_bytes >= megabytes * MEGABYTE:
            return portion
    raise LabError("this machine has too few files in /usr to make images of")

"""A bundle of this machine's own files, as an engine before 25 writes it.

Made by a process of its own (`python -m tests.bench.bundle PATH`), whose memory must not count as
that of the programs that are measured.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.support.archives import ImageSpec, docker_archive

SOURCES = ("/usr/lib/gcc", "/usr/bin", "/usr/share", "/usr/include", "/usr/lib", "/usr/sbin")
BASE_SOURCE = "/usr/lib/x86_64-linux-gnu"
BASE_BYTES = 200_000_000
LAYER_BYTES = 240_000_000


def real_bundle(path: Path) -> list[str]:
    """Write a bundle of about a gigabyte to `path`; images share a base layer.

    Returns:
        The tags, one an image.
    """
    command = [sys.executable, "-m", "tests.bench.bundle", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    tags: list[str] = json.loads(done.stdout)
    return tags


def _write(path: Path) -> list[str]:
    base = _layer(BASE_SOURCE, BASE_BYTES)
    images = [
        ImageSpec([f"example.org/bench/image-{number}:1"], [base, _layer(source, LAYER_BYTES)])
        for number, source in enumerate(SOURCES)
        if Path(source).is_dir()
    ]
    path.write_bytes(docker_archive(images))
    return [image.tags[0] for image in images]


def _layer(source: str, limit_bytes: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in sorted(Path(source).rglob("*")):
            if file.is_file() and not file.is_symlink():
                tar.add(file, recursive=False)
            if buffer.tell() > limit_bytes:
                break
    return buffer.getvalue()


if __name__ == "__main__":
    print(json.dumps(_write(Path(sys.argv[1]))))

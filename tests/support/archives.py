"""Small bundles made by hand, in the layouts of the tools that write them.

The lab's bundles come from a real engine; these are for the cases that an engine cannot be made to
write, and for tests that must be fast.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from dataclasses import dataclass, field
from pathlib import Path


def layer_tar(seed: int, size_bytes: int = 100_000) -> bytes:
    """Return the tar of a layer with one half-compressible file."""
    noise = random.Random(seed)  # noqa: S311 - reproducible test data, no secret
    content = b"".join(noise.randbytes(64) + b"airferry " * 7 for _ in range(size_bytes // 127))
    return tar_of(f"data/{seed}", content)


def tar_of(name: str, content: bytes) -> bytes:
    """Return a tar with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        add_file(tar, name, content)
    return buffer.getvalue()


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class ImageSpec:
    """An image to be put into a bundle."""

    tags: list[str]
    layers: list[bytes]
    platform: str = "linux/amd64"
    config: bytes = field(init=False)

    def __post_init__(self) -> None:
        operating_system, architecture, *variant = self.platform.split("/")
        config = {
            "architecture": architecture,
            "os": operating_system,
            **({"variant": variant[0]} if variant else {}),
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in self.layers]},
        }
        self.config = json.dumps(config).encode()

    @property
    def image_id(self) -> str:
        return digest_of(self.config)


def docker_archive(images: list[ImageSpec], *, gzip_layers: bool = False) -> bytes:
    """Return a docker-archive as engines before 25 write it: links for repeats, manifest last."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        seen: dict[str, str] = {}
        listing = []
        for image in images:
            names = []
            for number, layer in enumerate(image.layers):
                directory = hashlib.sha256(f"{image.tags}{number}".encode()).hexdigest()
                name = f"{directory}/layer.tar"
                names.append(name)
                add_file(tar, f"{directory}/VERSION", b"1.0")
                if digest_of(layer) in seen:
                    link = tarfile.TarInfo(name)
                    link.type = tarfile.SYMTYPE
                    link.linkname = f"../{seen[digest_of(layer)]}"
                    tar.addfile(link)
                    continue
                seen[digest_of(layer)] = name
                add_file(tar, name, gzip.compress(layer, mtime=0) if gzip_layers else layer)
            config_name = image.image_id.removeprefix("sha256:") + ".json"
            add_file(tar, config_name, image.config)
            listing.append({"Config": config_name, "RepoTags": image.tags, "Layers": names})
        add_file(tar, "manifest.json", json.dumps(listing).encode())
        add_file(tar, "repositories", b"{}")
    return buffer.getvalue()


def add_file(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def sample_images() -> list[ImageSpec]:
    """Return three images that share a base layer; one has two tags."""
    base = layer_tar(1, 3_000_000)
    return [
        ImageSpec(["quay.io/calico/node:v3.20.0"], [base, layer_tar(2)]),
        ImageSpec(["k8s.gcr.io/pause:3.5", "k8s.gcr.io/pause:latest"], [layer_tar(3, 2000)]),
        ImageSpec(["nginx-like:1.21"], [base, layer_tar(4), layer_tar(5, 500_000)]),
    ]


def write_bundle(path: Path, images: list[ImageSpec], *, compress: bool = False) -> Path:
    """Write a docker-archive to a file, gzipped if asked."""
    data = docker_archive(images)
    path.write_bytes(gzip.compress(data, 1) if compress else data)
    return path

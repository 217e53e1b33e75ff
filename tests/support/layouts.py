"""Archives member by member, and the layouts of writers that Debian does not have.

Generated twins: they follow the writers' sources and `formats` notes, and no engine made them.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.support.archives import ImageSpec, digest_of


@dataclass(frozen=True)
class Entry:
    """One member of an archive; `kind` is the type byte of the tar header."""

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""


def symlink(name: str, link: str) -> Entry:
    return Entry(name, kind=tarfile.SYMTYPE, link=link)


def hardlink(name: str, link: str) -> Entry:
    return Entry(name, kind=tarfile.LNKTYPE, link=link)


def tar_bytes(entries: Iterable[Entry], tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of the entries, as Python's tarfile writes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as tar:
        for entry in entries:
            header = tarfile.TarInfo(entry.name)
            header.size, header.type, header.linkname = len(entry.data), entry.kind, entry.link
            tar.addfile(header, io.BytesIO(entry.data))
    return buffer.getvalue()


def entries_of(data: bytes) -> list[Entry]:
    """Return the members of an archive, to be changed and written again."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [
            Entry(
                header.name,
                found.read() if (found := _content(tar, header)) else b"",
                header.type,
                header.linkname,
            )
            for header in tar.getmembers()
        ]


def _content(tar: tarfile.TarFile, header: tarfile.TarInfo) -> io.BufferedReader | None:
    return tar.extractfile(header) if header.isreg() else None  # type: ignore[return-value]


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def hex_of(data: bytes) -> str:
    return digest_of(data).removeprefix("sha256:")


def packed(layer: bytes) -> bytes:
    return gzip.compress(layer, 1, mtime=0)


def crane_entries(images: Sequence[ImageSpec]) -> list[Entry]:
    """Return a docker-archive as go-containerregistry writes it: gzip layers, `sha256:` config."""
    members: dict[str, bytes] = {}
    listing = []
    for image in images:
        members[image.image_id] = image.config
        names = [f"{hex_of(packed(layer))}.tar.gz" for layer in image.layers]
        members.update(zip(names, map(packed, image.layers), strict=True))
        listing.append({"Config": image.image_id, "RepoTags": image.tags, "Layers": names})
    members["manifest.json"] = as_json(listing)
    return [Entry(name, data) for name, data in members.items()]


def podman_entries(images: Sequence[ImageSpec]) -> list[Entry]:
    """Return a docker-archive as podman, skopeo and buildah write it: layers in the root, links."""
    members: dict[str, Entry] = {}
    listing = []
    for image in images:
        names = [f"{hex_of(layer)}.tar" for layer in image.layers]
        for number, (name, layer) in enumerate(zip(names, image.layers, strict=True)):
            chain = hex_of(f"{name}{number}".encode())
            for entry in (
                Entry(name, layer),
                Entry(f"{chain}/VERSION", b"1.0"),
                Entry(f"{chain}/json", as_json({"id": chain})),
                symlink(f"{chain}/layer.tar", f"../{name}"),
            ):
                members[entry.name] = entry
        config = Entry(f"{hex_of(image.config)}.json", image.config)
        members[config.name] = config
        listing.append({"Config": config.name, "RepoTags": image.tags, "Layers": names})
    documents = [Entry("manifest.json", as_json(listing)), Entry("repositories", b"{}")]
    return [*members.values(), *documents]


def jib_entries(image: ImageSpec) -> list[Entry]:
    """Return a docker-archive as jib writes it: `config.json` and gzip layers."""
    names = [f"{hex_of(packed(layer))}.tar.gz" for layer in image.layers]
    members = dict(zip(names, map(packed, image.layers), strict=True))
    members["config.json"] = image.config
    listing = [{"Config": "config.json", "RepoTags": image.tags, "Layers": names}]
    members["manifest.json"] = as_json(listing)
    return [Entry(name, data) for name, data in members.items()]


def nix_entries(image: ImageSpec) -> list[Entry]:
    """Return a docker-archive of nix's dockerTools: hashes of its own, here too long for ustar."""
    store = "nix-store-" * 10
    names = [f"{store}{number}/layer.tar" for number in range(len(image.layers))]
    config_name = f"{hex_of(image.config)}.json"
    listing = [{"Config": config_name, "RepoTags": image.tags, "Layers": names}]
    return [
        *(Entry(name, layer) for name, layer in zip(names, image.layers, strict=True)),
        Entry(config_name, image.config),
        Entry("manifest.json", as_json(listing)),
        Entry("repositories", b"{}"),
    ]


def blob_name(data: bytes) -> str:
    return f"blobs/sha256/{hex_of(data)}"


def descriptor(data: bytes, media_type: str, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


def oci_manifest(image: ImageSpec, *, compress: bool) -> bytes:
    """Return the OCI manifest of an image with gzip or plain layers."""
    kind = f"{OCI_LAYER}+gzip" if compress else OCI_LAYER
    blobs = [packed(layer) if compress else layer for layer in image.layers]
    return as_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(image.config, OCI_CONFIG),
            "layers": [descriptor(blob, kind) for blob in blobs],
        }
    )


def oci_blobs(images: Sequence[ImageSpec], *, compress: bool) -> dict[str, bytes]:
    """Return config, layers and manifest of each image, by member name."""
    found: dict[str, bytes] = {}
    for image in images:
        blobs = [packed(layer) if compress else layer for layer in image.layers]
        for blob in (*blobs, image.config, oci_manifest(image, compress=compress)):
            found[blob_name(blob)] = blob
    return found


def layout_entries(members: dict[str, bytes]) -> list[Entry]:
    marker = Entry("oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
    return [marker, *(Entry(name, data) for name, data in members.items())]


def docker25_entries(images: Sequence[ImageSpec]) -> list[Entry]:
    """Return what `docker save` 25 to 28 writes: OCI layout and `manifest.json` in one."""
    members = oci_blobs(images, compress=False)
    manifests = [
        descriptor(
            oci_manifest(image, compress=False),
            OCI_MANIFEST,
            annotations={"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": "t"},
        )
        for image in images
        for tag in image.tags
    ]
    members["index.json"] = as_json({"schemaVersion": 2, "manifests": manifests})
    members["manifest.json"] = as_json(
        [
            {
                "Config": blob_name(image.config),
                "RepoTags": image.tags,
                "Layers": [blob_name(layer) for layer in image.layers],
            }
            for image in images
        ]
    )
    return layout_entries(members)


def docker29_entries(image: ImageSpec, name: str) -> list[Entry]:
    """Return an OCI layout only, as the containerd store exports it.

    Index within index, an attestation, and a platform that is not in the file.
    """
    members = oci_blobs([image], compress=True)
    statement = as_json({"_type": "https://in-toto.io/Statement/v0.1"})
    attestation = as_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(b"{}", OCI_CONFIG),
            "layers": [descriptor(statement, "application/vnd.in-toto+json")],
        }
    )
    members[blob_name(attestation)] = attestation
    members[blob_name(statement)] = statement
    nested = as_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                descriptor(
                    oci_manifest(image, compress=True),
                    OCI_MANIFEST,
                    platform={"os": "linux", "architecture": "amd64"},
                ),
                descriptor(
                    b"not in the file",
                    OCI_MANIFEST,
                    platform={"os": "linux", "architecture": "arm64"},
                ),
                descriptor(
                    attestation,
                    OCI_MANIFEST,
                    platform={"os": "unknown", "architecture": "unknown"},
                    annotations={"vnd.docker.reference.type": "attestation-manifest"},
                ),
            ],
        }
    )
    members[blob_name(nested)] = nested
    outer = descriptor(nested, OCI_INDEX, annotations={"io.containerd.image.name": name})
    members["index.json"] = as_json({"schemaVersion": 2, "manifests": [outer]})
    return layout_entries(members)

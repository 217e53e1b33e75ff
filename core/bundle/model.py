"""What is known of a bundle: its images, their names and their layers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.bundle.carried import Carried
from core.bundle.left_out import LeftOut, told
from core.bundle.reference import Reference
from core.errors import BundleError, kinds_by_code
from core.printable import printable
from core.words import count

DOCKER_ARCHIVE = "docker-archive"
OCI_LAYOUT = "oci-layout"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def sha256_digest(data: bytes) -> str:
    """Return the digest of bytes as the OCI specs write it: `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Layer:
    """A layer as the registry holds it.

    Args:
        diff_id: Digest of its tar; empty while the bundle was only listed and names none.
        digest: Digest of the blob in the registry; empty while the bundle was only listed.
        size_bytes: Size of that blob; an estimate while the bundle was only listed.
        media_type: What the blob is.
        source_digest: Digest of the layer as it stands in the bundle.
        bundle_bytes: Its size as it stands in the bundle.
        member: The name of its member there.
    """

    diff_id: str
    digest: str
    size_bytes: int
    media_type: str = DOCKER_LAYER_GZIP
    source_digest: str = ""
    bundle_bytes: int = 0
    member: str = field(default="", compare=False)


@dataclass(frozen=True)
class Image:
    """One image of a bundle, for one platform.

    `image_id` is the digest of the config. `manifest` is the text that is pushed, empty for a
    bundle that was only listed; `is_kept` says that it is the bundle's own, to the byte.
    """

    image_id: str
    references: tuple[Reference, ...]
    platform: str
    config_size_bytes: int
    layers: tuple[Layer, ...]
    manifest: str = ""
    manifest_type: str = DOCKER_MANIFEST
    is_kept: bool = False

    @property
    def manifest_digest(self) -> str:
        """The digest under which a registry files the manifest."""
        return sha256_digest(self.manifest.encode())

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers, lowest first."""
        return tuple(layer.diff_id for layer in self.layers)

    @property
    def size_bytes(self) -> int:
        """What its layers have in the registry, or will have."""
        return sum(layer.size_bytes for layer in self.layers)

    @property
    def bundle_bytes(self) -> int:
        """What its layers have in the bundle."""
        return sum(layer.bundle_bytes for layer in self.layers)

    @property
    def title(self) -> str:
        """What people call it: its first name, or its ID where it has none."""
        return self.references[0].familiar if self.references else self.image_id


@dataclass(frozen=True)
class ManifestList:
    """Images for several platforms under the same names: an OCI index, Docker's manifest list.

    The images are in the bundle as well, each with these names. What else it names (attestations)
    is among what the bundle carries. `is_kept` says that somebody may ask for it by its digest, or
    that something else is reached through it alone.
    """

    references: tuple[Reference, ...]
    manifest: str
    manifest_type: str
    is_kept: bool = False

    @property
    def manifest_digest(self) -> str:
        """The digest under which a registry files the list."""
        return sha256_digest(self.manifest.encode())


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a bundle, as it is kept between runs."""

    code: str
    what: str
    remedy: str

    @classmethod
    def of(cls, error: BundleError) -> Fault:
        """Return what an error says."""
        return cls(error.code, error.what, error.remedy)

    @property
    def error(self) -> BundleError:
        """The error that said it."""
        kind = kinds_by_code().get(self.code, BundleError)
        return (kind if issubclass(kind, BundleError) else BundleError)(
            self.what, remedy=self.remedy
        )


@dataclass(frozen=True)
class Contents:
    """What the members of a bundle come to; for the fields see `Bundle`."""

    images: tuple[Image, ...]
    lists: tuple[ManifestList, ...] = ()
    notes: tuple[str, ...] = ()
    layout: str = DOCKER_ARCHIVE
    left_out: tuple[LeftOut, ...] = ()
    carried: tuple[Carried, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds.

    Args:
        name: The file's.
        size_bytes: Of the file.
        images: Those that are whole, where others are not.
        imported: The registry has confirmed all of `images`.
        lists: What ties them together where they are for several platforms.
        notes: What a person should know of it, a sentence each; `remarks` tells all.
        layout: `docker-archive` for all that `docker load` takes, else `oci-layout`.
        left_out: What is not taken of it, and why; it costs nothing.
        carried: What travels with the images, in an order in which each can be put.
        carries: It was imported with what travels with them.
        faults: What is wrong with it. An import takes `images` all the same if that is asked for.
        examined: With which checksums beside it every byte of it was found right, as a digest;
            empty where that was not looked at.
        imported_at: When it was first imported, in seconds since the epoch.
        keeps_registry: Its names on the site begin with the registry that they came from.
    """

    name: str
    size_bytes: int
    images: tuple[Image, ...]
    imported: bool
    lists: tuple[ManifestList, ...] = ()
    notes: tuple[str, ...] = ()
    layout: str = DOCKER_ARCHIVE
    left_out: tuple[LeftOut, ...] = ()
    carried: tuple[Carried, ...] = ()
    carries: bool = True
    faults: tuple[Fault, ...] = ()
    examined: str = ""
    imported_at: float = 0.0
    keeps_registry: bool = False

    @property
    def nameless(self) -> tuple[Image, ...]:
        """The images that nothing names: they get no name in the registry either."""
        return tuple(image for image in self.images if not image.references)

    @property
    def remarks(self) -> tuple[str, ...]:
        """All that a person should know of it, a sentence each."""
        return (*self.notes, *told(self.left_out), *self._nameless_told())

    def _nameless_told(self) -> tuple[str, ...]:
        if not self.nameless:
            return ()
        if len(self.images) == 1:
            return ("its image has no name: give it one with --name NAME:TAG",)
        several = count(len(self.nameless), "image has", "images have")
        return (
            f"{several} no name and cannot be had by one: save them again with names, or each in "
            "a bundle of its own, and give that one with --name",
        )

    @property
    def blobs(self) -> dict[str, int]:
        """Digest and size of every layer, each once."""
        return {layer.digest: layer.size_bytes for image in self.images for layer in image.layers}

    @property
    def references(self) -> dict[Reference, tuple[Image, ...]]:
        """Every name, and the images it stands for: one, or one for each platform."""
        found: dict[Reference, tuple[Image, ...]] = {}
        for image in self.images:
            for reference in image.references:
                found[reference] = (*found.get(reference, ()), image)
        return found

    def list_of(self, reference: Reference) -> ManifestList | None:
        """Return the list that a name stands for, if it stands for several platforms."""
        return next((several for several in self.lists if reference in several.references), None)

    def without(self, references: Iterable[Reference]) -> Bundle:
        """Return the same bundle without some of its names."""
        gone = frozenset(references)
        if not gone:
            return self
        return replace(
            self,
            images=tuple(
                replace(image, references=tuple(r for r in image.references if r not in gone))
                for image in self.images
            ),
            lists=tuple(
                replace(several, references=tuple(r for r in several.references if r not in gone))
                for several in self.lists
            ),
            carried=tuple(one.without(gone) for one in self.carried),
        )

    def keeping_registry(self, kept: bool) -> Bundle:
        """Return the same bundle, its names on the site with the registry they came from or not."""
        if kept == self.keeps_registry:
            return self

        def marked(references: tuple[Reference, ...]) -> tuple[Reference, ...]:
            return tuple(replace(reference, kept=kept) for reference in references)

        return replace(
            self,
            images=tuple(replace(i, references=marked(i.references)) for i in self.images),
            lists=tuple(replace(each, references=marked(each.references)) for each in self.lists),
            carried=tuple(
                replace(each, references=marked(each.references), beside=marked(each.beside))
                for each in self.carried
            ),
            keeps_registry=kept,
        )

    def named(self, reference: Reference) -> Bundle:
        """Return the same bundle with this name for the one image in it.

        Raises:
            BundleError: there are several images (for one platform) in it.
        """
        reference = replace(reference, kept=self.keeps_registry)
        of_one_list = len(self.lists) == 1 and {frozenset(self.lists[0].references)} == {
            frozenset(image.references) for image in self.images
        }
        if len(self.images) != 1 and not of_one_list:
            raise BundleError(
                f"{self.name}: holds {count(len(self.images), 'image')}, so it takes no name",
                remedy="Give --name only with a bundle of one image.",
            )
        return replace(
            self,
            images=tuple(replace(image, references=(reference,)) for image in self.images),
            lists=tuple(replace(several, references=(reference,)) for several in self.lists),
            carried=tuple(one.at(reference) for one in self.carried),
        )


@dataclass(frozen=True)
class BundleFile:
    """Something that is to be imported: a file, its parts, an OCI layout directory, or a pipe.

    Args:
        path: The file, the first part, or the directory.
        size_bytes: Of all of it; 0 where nobody knows (a pipe).
        modified_ns: When it was last changed.
        parts: The files that make it up one after the other, where it was split.
        title: What people call it, where that is not the name of `path`.
        fingerprint: Digest of its first and last bytes: the stick of the next release may hold
            files of the same names, sizes and times.
    """

    path: Path
    size_bytes: int
    modified_ns: int
    parts: tuple[Path, ...] = ()
    title: str = ""
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """The file's name, which is how people speak of it."""
        return printable(self.title or self.path.name)

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read once only."""
        return not self.size_bytes and not self.path.is_file()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to read, one after the other."""
        return self.parts or (self.path,)

    @property
    def key(self) -> str:
        """An identity from name, size, time and ends: a changed or replaced file has another."""
        identity = f"{self.name}\0{self.size_bytes}\0{self.modified_ns}\0{self.fingerprint}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32]

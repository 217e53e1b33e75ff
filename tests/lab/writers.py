"""Bundles written by the real tools of Debian, and what skopeo says is in them.

The rows of the formats notes for which Debian has the tool, plus what a person makes of a bundle by
hand. The tables below are the commands as a user types them.
"""

import json
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab import needs
from tests.lab.shell import run
from tests.lab.writer_tools import Workshop, workshop
from tests.support.archives import ImageSpec, layer_tar, write_bundle

APP, STABLE, TOOL = "quay.io/site/app:1.0", "quay.io/site/app:stable", "tool:2"
BOTH = "quay.io/site/both:1"
AMD64, ARM64 = "amd64", "arm64"
EMPTY_LAYER = bytes(1024)


@dataclass(frozen=True)
class WrittenImage:
    """An image in a bundle, as an independent tool tells it."""

    image_id: str
    """The digest of its config."""
    diff_ids: tuple[str, ...]
    platform: str
    """Such as `linux/amd64`."""
    names: tuple[str, ...]
    """As the bundle has them: familiar, whole, or (no colon in it) a bare tag; may be none."""


@dataclass(frozen=True)
class Written:
    """A bundle and what is in it."""

    writer: str
    """Such as `docker-save`."""
    path: Path
    """The file, the first part of a split file, or the directory of an OCI layout."""
    images: tuple[WrittenImage, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All names, each once."""
        return tuple(dict.fromkeys(name for image in self.images for name in image.names))

    @property
    def image_ids(self) -> frozenset[str]:
        """The config digests of all images."""
        return frozenset(image.image_id for image in self.images)

    @property
    def diff_ids(self) -> Mapping[str, tuple[str, ...]]:
        """The diff IDs of each image, by its ID."""
        return {image.image_id: image.diff_ids for image in self.images}


@dataclass(frozen=True)
class Held:
    """An image that a bundle should hold."""

    reference: str
    """Where skopeo finds it; elsewhere only if skopeo does not read such a bundle."""
    names: tuple[str, ...] = ()
    architecture: str = AMD64


@dataclass(frozen=True)
class Recipe:
    """A bundle to be written: the command, or one in each line."""

    writer: str
    command: str
    images: tuple[Held, ...]
    suffix: str = ".tar"
    """How the file's name ends; empty for a directory."""


@dataclass(frozen=True)
class HandRecipe:
    """What a person makes of a bundle, `$1`, in `$2`; a shell script run in an empty directory."""

    writer: str
    script: str
    suffix: str
    made_from: str = "docker-save"


PREPARATION = """\
docker load --input {source}
podman load --quiet --input {source}
ctr images import --no-unpack --platform linux/amd64 {source}
skopeo copy docker-archive:{directory}/amd64.tar docker://{registry}/site/both:amd64
skopeo copy docker-archive:{directory}/arm64.tar docker://{registry}/site/both:arm64
"""
FETCH = """\
ctr content fetch --plain-http --all-platforms {registry}/site/both:1
ctr images tag {registry}/site/both:1 {both}
"""

APP_IN_ARCHIVE = Held("docker-archive:{path}:{app}", (APP, STABLE))
TOOL_IN_ARCHIVE = Held("docker-archive:{path}:{tool}", (TOOL,))
NAMELESS_IN_ARCHIVE = Held("docker-archive:{path}:@0")
PODMAN_TOOL = f"localhost/{TOOL}"
SAVED = (
    Recipe(
        "docker-save",
        "docker save --output {path} {app} {tool} {stable}",
        (APP_IN_ARCHIVE, TOOL_IN_ARCHIVE),
    ),
    Recipe("docker-save-by-id", "docker save --output {path} {tool_id}", (NAMELESS_IN_ARCHIVE,)),
    Recipe(
        "docker-save-mixed",
        "docker save --output {path} {tool_id} {app}",
        (Held("docker-archive:{source}:{tool}"), Held("docker-archive:{path}:{app}", (APP,))),
    ),
    Recipe(
        "podman-docker-archive",
        "podman save --quiet --format docker-archive --output {path} {app} {stable}",
        (APP_IN_ARCHIVE,),
    ),
    Recipe(
        "podman-docker-archive-by-id",
        "podman save --quiet --format docker-archive --output {path} {tool_id}",
        (NAMELESS_IN_ARCHIVE,),
    ),
    Recipe(
        "podman-multi-image-archive",
        "podman save --quiet --multi-image-archive --output {path} {app} {stable} {podman_tool}",
        (APP_IN_ARCHIVE, Held("docker-archive:{path}:{podman_tool}", (PODMAN_TOOL,))),
    ),
    Recipe(
        "podman-oci-archive",
        "podman save --quiet --format oci-archive --output {path} {app}",
        (Held("oci-archive:{path}", (APP,)),),
    ),
    Recipe(
        "podman-oci-archive-by-id",
        "podman save --quiet --format oci-archive --output {path} {tool_id}",
        (Held("oci-archive:{path}"),),
    ),
    Recipe(
        "podman-oci-archive-uncompressed",
        "podman save --quiet --format oci-archive --uncompressed --output {path} {app}",
        (Held("oci-archive:{path}", (APP,)),),
    ),
    Recipe(
        "podman-oci-dir",
        "podman save --quiet --format oci-dir --output {path} {app}",
        (Held("oci:{path}", (APP,)),),
        suffix="",
    ),
    Recipe(
        "buildah-docker-archive",
        "buildah push --quiet {app} docker-archive:{path}",
        (Held("docker-archive:{path}", (APP,)),),
    ),
    Recipe(
        "buildah-oci-archive",
        "buildah push --quiet {app} oci-archive:{path}:{app}",
        (Held("oci-archive:{path}", (APP,)),),
    ),
    Recipe(
        "buildah-oci-archive-nameless",
        "buildah push --quiet {app} oci-archive:{path}",
        (Held("oci-archive:{path}"),),
    ),
)
COPIED = (
    Recipe(
        "skopeo-docker-archive",
        "skopeo copy --additional-tag {stable} "
        "docker-archive:{source}:{app} docker-archive:{path}:{app}",
        (APP_IN_ARCHIVE,),
    ),
    Recipe(
        "skopeo-docker-archive-nameless",
        "skopeo copy docker-archive:{source}:{app} docker-archive:{path}",
        (NAMELESS_IN_ARCHIVE,),
    ),
    Recipe(
        "skopeo-oci-archive",
        "skopeo copy docker-archive:{source}:{app} oci-archive:{path}:{app}",
        (Held("oci-archive:{path}", (APP,)),),
    ),
    Recipe(
        "skopeo-oci-archive-tag",
        "skopeo copy docker-archive:{source}:{app} oci-archive:{path}:1.0",
        (Held("oci-archive:{path}", ("1.0",)),),
    ),
    Recipe(
        "skopeo-oci-archive-nameless",
        "skopeo copy docker-archive:{source}:{tool} oci-archive:{path}",
        (Held("oci-archive:{path}"),),
    ),
    Recipe(
        "skopeo-oci-archive-zstd",
        "skopeo copy --dest-compress-format zstd "
        "docker-archive:{source}:{app} oci-archive:{path}:{app}",
        (Held("oci-archive:{path}", (APP,)),),
    ),
    Recipe(
        "skopeo-oci-dir",
        "skopeo copy docker-archive:{source}:{app} oci:{path}:{app}\n"
        "skopeo copy docker-archive:{source}:{tool} oci:{path}:2",
        (Held("oci:{path}:{app}", (APP,)), Held("oci:{path}:2", ("2",))),
        suffix="",
    ),
    Recipe(
        "skopeo-oci-archive-all",
        "skopeo copy --all docker://{registry}/site/both:1 oci-archive:{path}:{both}",
        (Held("oci-archive:{path}", (BOTH,)), Held("oci-archive:{path}", (BOTH,), ARM64)),
    ),
)
EXPORTED = (
    Recipe(
        "ctr-export",
        "ctr images export --platform linux/amd64 {path} {app} {stable} docker.io/library/{tool}",
        (APP_IN_ARCHIVE, TOOL_IN_ARCHIVE),
    ),
    Recipe(
        "ctr-export-skip-manifest-json",
        "ctr images export --platform linux/amd64 --skip-manifest-json "
        "{path} {app} docker.io/library/{tool}",
        (
            Held("docker-archive:{source}:{app}", (APP,)),
            Held("docker-archive:{source}:{tool}", (f"docker.io/library/{TOOL}",)),
        ),
    ),
    Recipe(
        "ctr-export-all-platforms",
        "ctr images export --all-platforms {path} {both}",
        (
            Held("docker://{registry}/site/both:1", (BOTH,)),
            Held("docker://{registry}/site/both:1", (BOTH,), ARM64),
        ),
    ),
    Recipe(
        "ctr-export-one-platform",
        "ctr images export --platform linux/amd64 {path} {both}",
        (Held("docker://{registry}/site/both:1", (BOTH,)),),
    ),
)
RECIPES = (*SAVED, *COPIED, *EXPORTED)

UNPACK = 'mkdir all && tar -xf "$1" -C all'
BY_HAND = (
    HandRecipe("hand-tar-dot", f'{UNPACK} && tar -cf "$2" -C all .', ".tar"),
    HandRecipe("hand-tar-pax", f'{UNPACK} && tar --format=pax -cf "$2" -C all .', ".tar"),
    HandRecipe("hand-tar-oci", 'tar -cf "$2" -C "$1" .', ".tar", "skopeo-oci-dir"),
    HandRecipe("hand-gzip", 'gzip -9 -c "$1" > "$2"', ".tar.gz"),
    HandRecipe(
        "hand-gzip-members",
        'split -n 2 "$1" half. && gzip -9 -c half.aa half.ab > "$2"',
        ".tar.gz",
    ),
    HandRecipe("hand-zstd", 'zstd -q -T0 "$1" -o "$2"', ".tar.zst"),
    HandRecipe(
        "hand-zstd-frames",
        'split -n 2 "$1" half. && zstd -q -c half.aa half.ab > "$2"',
        ".tar.zst",
    ),
    HandRecipe("hand-pzstd", 'pzstd -q -p 2 "$1" -o "$2"', ".tar.zst"),
    HandRecipe("hand-xz", 'xz -9 -c "$1" > "$2"', ".tar.xz"),
    HandRecipe("hand-bzip2", 'bzip2 -c "$1" > "$2"', ".tar.bz2"),
    HandRecipe(
        "hand-split-numbers",
        'gzip -9 -c "$1" > whole && split -d -b 250K whole "${2%00}"',
        ".tar.gz.00",
    ),
    HandRecipe(
        "hand-split-letters",
        'gzip -9 -c "$1" > whole && split -b 250K whole "${2%aa}"',
        ".tar.gz.aa",
    ),
    HandRecipe(
        "hand-split-from-one",
        'gzip -9 -c "$1" > whole && split -a 1 --numeric-suffixes=1 -b 250K whole "${2%1}"',
        ".tar.gz.part1",
    ),
)


def source_images() -> list[ImageSpec]:
    """Return two images on one base layer: one with two names and repeated layers, one plain.

    The layers are such that `docker save` writes one link before and one after what it points to.
    """
    base, own = layer_tar(101, 1_000_000), layer_tar(110, 100_000)
    layers = [base, EMPTY_LAYER, own, EMPTY_LAYER, layer_tar(102, 2000), own]
    return [ImageSpec([APP, STABLE], layers), ImageSpec([TOOL], [base, layer_tar(103, 60_000)])]


def platform_images() -> dict[str, ImageSpec]:
    """Return one image for each of two architectures, on one base layer."""
    base = layer_tar(101, 1_000_000)
    found = {}
    for number, architecture in enumerate((AMD64, ARM64)):
        image = ImageSpec([f"both:{architecture}"], [base, layer_tar(104 + number, 50_000)])
        config = {**json.loads(image.config), "architecture": architecture}
        image.config = json.dumps(config).encode()
        found[architecture] = image
    return found


def write_all(directory: Path) -> list[Written]:
    """Write a bundle with each writer; packages that are missing are installed.

    Args:
        directory: Empty; not below `/var/lib`, which the writers do not see.

    Raises:
        LabError: A package, a daemon or a writer failed.
    """
    needs.install_missing(needs.WRITER_PACKAGES)
    with workshop() as shop:
        directory, fields = directory.resolve(), _prepare(shop)
        written = {recipe.writer: _write(shop, recipe, directory, fields) for recipe in RECIPES}
        by_hand = [_write_by_hand(shop, recipe, directory, written) for recipe in BY_HAND]
    return [*written.values(), *by_hand]


def _prepare(shop: Workshop) -> dict[str, str]:
    """Give the writers the images; returns what stands for the fields in commands."""
    images = source_images()
    fields = {
        "source": str(write_bundle(shop.directory / "source.tar", images)),
        "directory": str(shop.directory),
        "registry": shop.registry,
        "app": APP,
        "stable": STABLE,
        "tool": TOOL,
        "tool_id": images[1].image_id,
        "podman_tool": PODMAN_TOOL,
        "both": BOTH,
    }
    for architecture, image in platform_images().items():
        write_bundle(shop.directory / f"{architecture}.tar", [image])
    _run_each(shop, PREPARATION, fields)
    shop.push_list("site/both", (AMD64, ARM64))
    _run_each(shop, FETCH, fields)
    return fields


def _run_each(shop: Workshop, commands: str, fields: Mapping[str, str]) -> None:
    for line in commands.splitlines():
        shop.run(*(word.format_map(fields) for word in shlex.split(line)))


def _write(shop: Workshop, recipe: Recipe, directory: Path, fields: Mapping[str, str]) -> Written:
    path = directory / f"{recipe.writer}{recipe.suffix}"
    filled = {**fields, "path": str(path)}
    _run_each(shop, recipe.command, filled)
    images = []
    for held in recipe.images:
        facts = shop.facts(held.reference.format_map(filled), held.architecture)
        images.append(WrittenImage(facts.image_id, facts.diff_ids, facts.platform, held.names))
    return Written(recipe.writer, path, tuple(images))


def _write_by_hand(
    shop: Workshop, recipe: HandRecipe, directory: Path, written: Mapping[str, Written]
) -> Written:
    made_from = written[recipe.made_from]
    path = directory / f"{recipe.writer}{recipe.suffix}"
    with tempfile.TemporaryDirectory(dir=shop.directory) as empty:
        command = ("sh", "-ec", recipe.script, "sh", made_from.path, path)
        run(*command, cwd=Path(empty))
    return Written(recipe.writer, path, made_from.images)

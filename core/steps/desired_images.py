"""What a host's image cache is to hold: every image of the bundles, under every name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.bundle.model import Bundle, Image
from core.bundle.reference import Reference
from core.config import HostConfig, Mode
from core.errors import HostUnfit
from core.hosts.docker.engine import EngineImage, HostEngine, host_engine
from core.hosts.docker_install.install import docker_serves
from core.steps.base import Missing
from core.steps.work import Work
from core.words import count, some_of

# What runs beside what on one processor.
_ALSO_RUNS = {"amd64": ("amd64", "386"), "arm64": ("arm64", "arm")}
_PASSING_NAME = re.compile(r"localhost:(?P<port>[0-9]{1,5})/(?P<rest>.+)")


@dataclass(frozen=True)
class WantedName:
    """A name that an image must have on a host, and the reference to pull it by."""

    name: str
    reference: Reference
    image: Image


@dataclass(frozen=True)
class ImageDiff:
    """What is not as it should be in a host's cache.

    Args:
        names: Names that are missing, or stand for another image.
        size_bytes: The layers that are missing, as the registry has them.
        leftovers: Names that a run of mode none gave for its own time only, and left behind.
    """

    names: list[WantedName]
    size_bytes: int
    leftovers: tuple[str, ...] = ()

    @property
    def brings(self) -> list[tuple[str, str]]:
        """The names that a host gets, each with the ID of its image."""
        return [(want.name, want.image.image_id) for want in self.names]

    @property
    def by_image(self) -> dict[str, list[WantedName]]:
        """The names by the ID of the image that they are to stand for."""
        found: dict[str, list[WantedName]] = {}
        for want in self.names:
            found.setdefault(want.image.image_id, []).append(want)
        return found


def fits(image: Image, arch: str) -> bool:
    """Whether an image runs on a processor architecture, such as `amd64`."""
    system, _, machine = image.platform.partition("/")
    return system == "linux" and machine.partition("/")[0] in _ALSO_RUNS.get(arch, (arch,))


def wanted_images(work: Work, arch: str) -> Iterator[Image]:
    """Yield the images of the known bundles that a host of an architecture gets, each once."""
    seen: set[str] = set()
    for bundle in work.known_bundles().values():
        for image in bundle.images:
            if image.references and fits(image, arch) and image.image_id not in seen:
                seen.add(image.image_id)
                yield image


async def wanted_names(work: Work, host: HostConfig) -> list[WantedName]:
    """Return every name that a warmed host has: the original ones, and those of the registry.

    Names that stand for images of other platforms only are left out: no host of this one can
    run them.

    Raises:
        HostUnfit: all of them are for other platforms.
    """
    arch = work.facts[host.name].arch
    wanted: dict[str, WantedName] = {}
    prefix = work.config.name_prefix
    bundles = await work.bundles()
    for bundle in bundles:
        for reference, images in bundle.references.items():
            image = _image_for(arch, images)
            if image is None:
                continue
            names = [reference.familiar]
            if work.config.mode is not Mode.NONE:
                names.append(reference.at(prefix))
            for name in names:
                wanted.setdefault(name, WantedName(name, reference, image))
    unfit = unfit_names(bundles, arch)
    if unfit and not wanted:
        raise HostUnfit(
            f"{host.name} is linux/{arch}, and every image is for another platform: "
            f"{some_of(list(unfit))}",
            remedy="Get a bundle with images for this platform.",
        )
    return list(wanted.values())


def unfit_names(bundles: Iterable[Bundle], arch: str) -> tuple[str, ...]:
    """Return the names that stand for images of other platforms only, each with those.

    Of several bundles with one name it is enough that one has it for this platform.
    """
    named: dict[Reference, dict[str, Image]] = {}
    for bundle in bundles:
        for reference, images in bundle.references.items():
            named.setdefault(reference, {}).update({image.image_id: image for image in images})
    return tuple(
        f"{reference.familiar} ({', '.join(image.platform for image in images.values())})"
        for reference, images in named.items()
        if not any(fits(image, arch) for image in images.values())
    )


def _image_for(arch: str, images: tuple[Image, ...]) -> Image | None:
    """Return the image that a host gets when it pulls a name."""
    platform = f"linux/{arch}"
    own = [i for i in images if i.platform == platform or i.platform.startswith(f"{platform}/")]
    fitting = own or [image for image in images if fits(image, arch)]
    # Of v6 and v7, what an engine takes.
    return max(fitting, key=lambda image: image.platform, default=None)


async def lacking_on(work: Work, wanted: list[WantedName], engine: HostEngine) -> ImageDiff:
    """Return the names that are missing on a host, or that stand for another image there."""
    there = await engine.images()
    present = {name: image.image_id for image in there for name in image.names}
    if (await engine.facts()).ids_are_config_digests:
        names = [want for want in wanted if present.get(want.name) != want.image.image_id]
    else:
        names = [
            want
            for want in wanted
            if want.name not in present or await engine.diff_ids(want.name) != want.image.diff_ids
        ]
    size_bytes = _size_to_send(wanted, names, {image.image_id for image in there})
    return ImageDiff(names, size_bytes, _leftovers(work, wanted, there))


def _leftovers(work: Work, wanted: list[WantedName], there: list[EngineImage]) -> tuple[str, ...]:
    """Return the passing names that a run of mode none which was cut off did not take back.

    Those with the port of a lasting registry are left alone: the site may have been, or may still
    be in part, one of mode du.
    """
    if work.config.mode is not Mode.NONE:
        return ()
    ours = {f"{want.reference.site_repository}:{want.reference.tag}" for want in wanted}
    names = (name for image in there for name in image.names)
    found = (_PASSING_NAME.fullmatch(name) for name in names)
    lasting = str(work.config.host_registry_port)
    return tuple(m[0] for m in found if m and m["rest"] in ours and m["port"] != lasting)


async def host_lacks(work: Work, host: HostConfig) -> ImageDiff:
    """Return what a host's cache lacks, and the bytes that would be sent to it."""
    link, wanted = work.link(host), await wanted_names(work, host)
    if work.dry and not await docker_serves(link):
        return ImageDiff(wanted, _size_to_send(wanted, wanted, set()))
    async with host_engine(link) as engine:
        return await lacking_on(work, wanted, engine)


def _size_to_send(wanted: list[WantedName], lacking: list[WantedName], present: set[str]) -> int:
    """Sum up the layers of the images that are not there, without those that others brought."""
    there = {
        layer.diff_id for w in wanted if w.image.image_id in present for layer in w.image.layers
    }
    sizes = {
        layer.diff_id: layer.size_bytes
        for want in lacking
        if want.image.image_id not in present
        for layer in want.image.layers
        if layer.diff_id not in there
    }
    return sum(sizes.values())


async def layers_there(wanted: list[WantedName], engine: HostEngine) -> dict[str, int]:
    """Return how many layers of each image an engine has, counted from the lowest.

    Only the classic store puts an image together from layers that others brought; for the other
    store an image's layers must all come with it.
    """
    if not (await engine.facts()).ids_are_config_digests:
        return {}
    present = {image.image_id for image in await engine.images()}
    images = {want.image.image_id: want.image.diff_ids for want in wanted}
    chains = {
        diff_ids[:count]
        for image_id, diff_ids in images.items()
        if image_id in present
        for count in range(1, len(diff_ids) + 1)
    }
    return {
        image_id: sum(diff_ids[:count] in chains for count in range(1, len(diff_ids) + 1))
        for image_id, diff_ids in images.items()
    }


def missing_of(lacks: ImageDiff) -> Missing | None:
    """Return what lacks in words; None if nothing does."""
    if lacks.names:
        images = {want.image.image_id for want in lacks.names}
        what = f"{count(len(images), 'image')}: {some_of([want.name for want in lacks.names])}"
        return Missing(what, lacks.size_bytes, "Run: airferry configure-hosts")
    if lacks.leftovers:
        what = f"passing names are left over: {some_of(list(lacks.leftovers))}"
        return Missing(what, 0, "Run: airferry configure-hosts")
    return None

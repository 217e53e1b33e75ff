"""Steps about a host's image cache: every image of the bundles is there, under every name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from core.bundle import BundleFile, Image, Reference
from core.config import HostConfig, Mode
from core.errors import HostUnfit
from core.hosts.engine import PULLS_AT_ONCE, HostEngine, host_engine, short_digest
from core.hosts.packages import docker_answers
from core.steps.base import Missing, Teller, VerifyStep, some_of
from core.steps.targets import HostStep
from core.steps.work import Work

UNPACKED_RATIO = 3


@dataclass(frozen=True)
class WantedName:
    """A name that an image must have on a host, and the name to pull it by."""

    name: str
    pull_name: str
    image: Image


@dataclass(frozen=True)
class Lacks:
    """What a host's cache lacks."""

    names: list[WantedName]
    size_bytes: int


async def wanted_names(work: Work, host: HostConfig) -> list[WantedName]:
    """Return every name that a warmed host has: the original ones, and those of the registry.

    Raises:
        HostUnfit: images are there for several platforms, and none is the host's.
    """
    wanted: dict[str, WantedName] = {}
    prefix = work.config.name_prefix
    for bundle in await work.bundles():
        for reference, images in bundle.references.items():
            image = _image_for(work, host, reference, images)
            pull_name = reference.at(prefix)
            names = [reference.familiar]
            if work.config.mode is not Mode.NONE:
                names.append(pull_name)
            for name in names:
                wanted.setdefault(name, WantedName(name, pull_name, image))
    return list(wanted.values())


def _image_for(
    work: Work, host: HostConfig, reference: Reference, images: tuple[Image, ...]
) -> Image:
    """Return the image that a host gets when it pulls a name."""
    if len(images) == 1:
        return images[0]
    platform = f"linux/{work.facts[host.name].arch}"
    fitting = [i for i in images if i.platform == platform or i.platform.startswith(f"{platform}/")]
    if not fitting:
        there = some_of([image.platform for image in images])
        raise HostUnfit(
            f"{host.name} is {platform}; {reference.familiar} is there for {there}",
            remedy="Get a bundle with images for this platform.",
        )
    return max(fitting, key=lambda image: image.platform)  # of v6 and v7, what an engine takes


async def _lacking(wanted: list[WantedName], engine: HostEngine) -> Lacks:
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
    return Lacks(names, _size_to_send(wanted, names, {image.image_id for image in there}))


async def host_lacks(work: Work, host: HostConfig) -> Lacks:
    """Return what a host's cache lacks, and the bytes that would be sent to it."""
    link, wanted = work.link(host), await wanted_names(work, host)
    if work.dry and not await docker_answers(link):
        return Lacks(wanted, _size_to_send(wanted, wanted, set()))
    async with host_engine(link) as engine:
        return await _lacking(wanted, engine)


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


class ImagesWarm(HostStep):
    """Every image is in the host's cache, pulled from the registry."""

    step_id = "images.warm"
    title = "images"

    async def check(self, tell: Teller) -> Missing | None:
        tell.say("asking for the images that are there")
        lacks = await host_lacks(self._work, self._host)
        return _missing(lacks)

    async def apply(self, missing: Missing, tell: Teller) -> None:
        self._require_room(missing, tell)
        wanted = await wanted_names(self._work, self._host)
        async with host_engine(self._link) as engine:
            lacks = await _lacking(wanted, engine)
            by_image: dict[str, list[WantedName]] = {}
            for want in lacks.names:
                by_image.setdefault(want.image.image_id, []).append(want)
            pulls = _Pulls(engine, tell, missing.size_bytes, by_image)
            async with asyncio.TaskGroup() as group:
                for wants in by_image.values():
                    group.create_task(pulls.bring(wants))

    def _require_room(self, missing: Missing, tell: Teller) -> None:
        """Refuse what cannot fit; layers are stored unpacked, about three times what is sent."""
        free_bytes = self._work.facts[self._host.name].store_free_bytes
        room = f"{free_bytes / 1e9:.1f} GB free, {missing.size_bytes / 1e9:.1f} GB to come"
        if free_bytes < missing.size_bytes:
            raise HostUnfit(
                f"{self._host.name}: no room where Docker stores images ({room}, packed)",
                remedy="Make room in /var/lib/docker on the host, then run it again.",
            )
        if free_bytes < UNPACKED_RATIO * missing.size_bytes:
            tell.warn(f"{self._host.name}: room is tight where Docker stores images ({room})")


class _Pulls:
    """The pulls of one host: a few at once, their bytes added up layer by layer."""

    def __init__(
        self,
        engine: HostEngine,
        tell: Teller,
        total_bytes: int,
        by_image: dict[str, list[WantedName]],
    ) -> None:
        self._engine = engine
        self._tell = tell
        self._total_bytes = total_bytes
        self._images = len(by_image)
        self._begun = 0
        self._gate = asyncio.Semaphore(PULLS_AT_ONCE)
        self._received: dict[str, int] = {}
        self._sizes = {
            short_digest(layer.digest): layer.size_bytes
            for wants in by_image.values()
            for layer in wants[0].image.layers
        }

    async def bring(self, wants: list[WantedName]) -> None:
        """Pull one image and give it all its names."""
        async with self._gate:
            self._begun += 1
            pull_name = wants[0].pull_name
            self._tell.say(f"{self._begun} of {self._images}: {pull_name}")
            await self._engine.pull(pull_name, self._count)
            for want in wants:
                if want.name != pull_name:
                    await self._engine.tag(pull_name, want.name)

    def _count(self, layer: str, received_bytes: int | None) -> None:
        """Note a layer's progress; None says that it is complete."""
        if received_bytes is None:
            received_bytes = self._sizes.get(layer, 0)
        self._received[layer] = max(self._received.get(layer, 0), received_bytes)
        self._tell.bytes(sum(self._received.values()), self._total_bytes)


class ImagesLoad(HostStep):
    """Every image is in the host's cache, loaded from the bundles over SSH (no registry)."""

    step_id = "images.warm"
    title = "images"

    async def check(self, tell: Teller) -> Missing | None:
        tell.say("asking for the images that are there")
        lacks = await host_lacks(self._work, self._host)
        if not lacks.names:
            return None
        files = await self._files_of(lacks)
        what = f"{len(lacks.names)} names: {some_of([want.name for want in lacks.names])}"
        return Missing(what, sum(file.size_bytes for file in files))

    async def apply(self, missing: Missing, tell: Teller) -> None:
        lacks = await host_lacks(self._work, self._host)
        sent_before = 0
        for file in await self._files_of(lacks):
            tell.say(f"loading {file.name}")

            def told(done: int, before: int = sent_before) -> None:
                tell.bytes(before + done, missing.size_bytes)

            await self._link.send_files(file.files, self._link.as_root("docker load -q"), told)
            sent_before += file.size_bytes

    async def _files_of(self, lacks: Lacks) -> list[BundleFile]:
        lacking = {want.image.image_id for want in lacks.names}
        return [
            file
            for file in self._work.files
            if lacking & {image.image_id for image in (await self._work.bundle(file)).images}
        ]


class ImagesVerify(HostStep, VerifyStep):
    """Every name on the host stands for the image of the bundles."""

    step_id = "images.verify"
    title = "verify"

    async def check(self, tell: Teller) -> Missing | None:
        tell.say("comparing image IDs")
        missing = _missing(await host_lacks(self._work, self._host))
        if missing is None:
            names = await wanted_names(self._work, self._host)
            tell.found(f"{len(names)} names, each checked by ID")
        return missing


def _missing(lacks: Lacks) -> Missing | None:
    if not lacks.names:
        return None
    images = {want.image.image_id for want in lacks.names}
    what = f"{len(images)} images: {some_of([want.name for want in lacks.names])}"
    return Missing(what, lacks.size_bytes, "Run: airferry configure-hosts")

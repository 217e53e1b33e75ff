"""Steps about a host's image cache: every image of the bundles is there, under every name."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from isal import isal_zlib

from core.bundle.listing import list_bundle
from core.bundle.model import BundleFile
from core.bundle.reference import Reference
from core.bundle.rewrite import WantedImage, write_docker_archive
from core.config import HostConfig, Mode
from core.errors import AirferryError, Cancelled, HostUnfit, ImageUnknown, PullDenied
from core.hosts.daemon import docker_command
from core.hosts.docker.engine import PULLS_AT_ONCE, HostEngine, host_engine
from core.hosts.docker.pull_stream import short_digest
from core.hosts.managed_state import note_brought, note_shared
from core.hosts.ssh.stdin_feed import Emit
from core.secrets import RegistryLogin
from core.steps.asked_again import really_refused
from core.steps.base import Missing, Need, Reporter, VerifyStep
from core.steps.desired_images import (
    ImageDiff,
    WantedName,
    host_lacks,
    lacking_on,
    layers_there,
    missing_of,
    wanted_names,
)
from core.steps.disk_space import UNPACKED_RATIO, store_bytes
from core.steps.targets import HostStep
from core.steps.verify_by_name import lacks_by_name
from core.steps.work import Work
from core.telling import room_fact
from core.warnings import ROOM_TIGHT
from core.words import count, size

TRIED_BYTES = 100_000_000  # larger images are not run for a trial
GZIP_WINDOW = zlib.MAX_WBITS | 16  # zlib's way to ask for gzip


class _ImagesStep(HostStep):
    """Every image is in the host's cache; how it comes there is the class's matter."""

    step_id = "images.warm"
    title = "images"

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("asking for the images that are there")
        lacks = await host_lacks(self._work, self._host)
        if self._work.dry:
            self._tell_room(lacks, tell)
        return missing_of(lacks)

    async def _note(self, wanted: list[WantedName], lacks: ImageDiff) -> None:
        """Note on the host what is about to be brought, and what another site brought of ours."""
        site = self._work.owner
        await note_brought(self._link, lacks.brings, site)
        names = [(want.name, want.image.image_id) for want in wanted]
        await note_shared(self._link, names, site)

    def _tell_room(self, lacks: ImageDiff, tell: Reporter) -> None:
        """Tell what is left where Docker stores when all has come, for Review."""
        facts = self._work.facts[self._host.name]
        images = [wants[0].image for wants in lacks.by_image.values()]
        needed = store_bytes(images, facts.docker, load=self._work.loads)
        tell.facts([room_fact(facts.store_free_bytes - needed, facts.store)])


class ImagesWarm(_ImagesStep):
    """Every image is in the host's cache, pulled from the registry.

    What one try brought stays: the next one pulls the rest.
    """

    _most_bytes = 0
    """What lacked when most did, which is what all tries together are to bring."""

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        self._require_room(missing, tell)
        wanted = await wanted_names(self._work, self._host)
        async with host_engine(self._link) as engine, self._registry() as prefix:
            lacks = await lacking_on(self._work, wanted, engine)
            await self._note(wanted, lacks)
            login = await self._work.pull_login()
            self._most_bytes = max(self._most_bytes, missing.size_bytes)
            pulls = _Pulls(
                *(self._work, engine, tell, lacks.by_image),
                total_bytes=self._most_bytes,
                there_bytes=self._most_bytes - missing.size_bytes,
                prefix=prefix,
                login=login,
            )
            await pulls.bring_all()
            for name in lacks.leftovers:
                await engine.remove(name)

    @asynccontextmanager
    async def _registry(self) -> AsyncIterator[str]:
        """Yield where the host finds the registry; in mode none the way is open only meanwhile."""
        config = self._work.config
        if config.mode is not Mode.NONE:
            yield config.name_prefix
            return
        async with self._link.reverse_port(config.registry_port) as port:
            yield f"localhost:{port}"

    def _require_room(self, missing: Missing, tell: Reporter) -> None:
        """Refuse what cannot fit even packed; preflight has compared it in full."""
        free_bytes = self._work.facts[self._host.name].store_free_bytes
        room = f"{free_bytes / 1e9:.1f} GB free, {missing.size_bytes / 1e9:.1f} GB to come"
        if free_bytes < missing.size_bytes:
            raise HostUnfit(
                f"{self._host.name}: no room where Docker stores images ({room}, packed)",
                remedy="Make room in /var/lib/docker on the host, then run it again.",
            )
        if free_bytes < UNPACKED_RATIO * missing.size_bytes:
            free, needed = size(free_bytes), size(missing.size_bytes)
            tell.warn(ROOM_TIGHT.of(free=free, needed=needed))


class _Pulls:
    """The pulls of one host: a few at once, their bytes added up layer by layer.

    Args:
        work: The run.
        engine: The host's engine.
        tell: Told the bytes.
        by_image: The names that each image is to get.
        total_bytes: What all tries are to bring.
        there_bytes: What earlier tries have brought of it.
        prefix: Where the host finds the registry.
        login: What the registry asks for; Docker gets it with each pull and keeps it nowhere.
    """

    def __init__(
        self,
        work: Work,
        engine: HostEngine,
        tell: Reporter,
        by_image: dict[str, list[WantedName]],
        *,
        total_bytes: int,
        there_bytes: int,
        prefix: str,
        login: RegistryLogin | None,
    ) -> None:
        self._work = work
        self._engine = engine
        self._login = login
        self._tell = tell
        self._by_image = by_image
        self._total_bytes = total_bytes
        self._there_bytes = there_bytes
        self._prefix = prefix
        self._begun = 0
        self._gate = asyncio.Semaphore(PULLS_AT_ONCE)
        self._failure: AirferryError | None = None
        self._received: dict[str, int] = {}
        self._sizes = {
            short_digest(layer.digest): layer.size_bytes
            for wants in by_image.values()
            for layer in wants[0].image.layers
        }

    async def bring_all(self) -> None:
        """Pull all images.

        Where the line is lost, no other pull is begun, and those at work go on to their end:
        Docker throws away what it has of an image whose pull is broken off.

        Raises:
            AirferryError: one of them failed; at once, if that does not pass by itself.
        """
        async with asyncio.TaskGroup() as group:
            for wants in self._by_image.values():
                group.create_task(self._bring_if_it_goes(wants))
        if self._failure is not None:
            raise self._failure

    async def _bring_if_it_goes(self, wants: list[WantedName]) -> None:
        async with self._gate:
            if self._failure is not None:
                return
            try:
                await self._bring(wants)
            except AirferryError as error:
                if not error.transient:
                    raise
                self._failure = self._failure or error

    async def _bring(self, wants: list[WantedName]) -> None:
        """Pull one image and give it all its names."""
        await self._work.pause.over(self._tell.say)
        self._begun += 1
        pull_name = wants[0].reference.at(self._prefix)
        self._tell.say(f"{self._begun} of {len(self._by_image)}: {wants[0].reference.familiar}")
        await self._pull(pull_name, wants[0].reference)
        names = [want.name for want in wants]
        for name in names:
            if name != pull_name:
                await self._engine.tag(pull_name, name)
        if self._work.for_this_run_only:
            await self._engine.remove(pull_name)

    async def _pull(self, name: str, reference: Reference) -> None:
        """Pull an image; once more where a token may have run out in the middle of it."""
        try:
            try:
                await self._engine.pull(name, self, self._login)
            except PullDenied:
                if self._login is None:
                    raise
                await self._engine.pull(name, self, self._login)
        except (PullDenied, ImageUnknown) as error:
            raise await really_refused(self._work, reference, error) from error

    def received(self, layer: str, received_bytes: int | None) -> None:
        """Note a layer's progress; None says that it is complete."""
        if received_bytes is None:
            received_bytes = self._sizes.get(layer, 0)
        self._received[layer] = max(self._received.get(layer, 0), received_bytes)
        self._tell.bytes(self._there_bytes + sum(self._received.values()), self._total_bytes)

    def tries_again(self, layer: str, pause_s: int) -> None:
        """Say that Docker is trying by itself."""
        self._tell.say(
            f"the line to the registry was lost; Docker tries layer {layer} again in {pause_s} s"
        )


class ImagesLoad(_ImagesStep):
    """Every image is in the host's cache, streamed from the bundles into `docker load`.

    Only what the host lacks is sent, compressed, and nothing is stored on the way.
    """

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        async with host_engine(self._link) as engine:
            wanted = await wanted_names(self._work, self._host)
            lacks = await lacking_on(self._work, wanted, engine)
            await self._note(wanted, lacks)
            there = await layers_there(wanted, engine)
        sent = _Sent(tell, missing.size_bytes)
        load = await docker_command(self._link, "load", "-q")
        for file, images in (await self._by_bundle(lacks, there)).items():
            await self._work.pause.over(tell.say)
            tell.say(f"loading {count(len(images), 'image')} of {file.name}")
            stop = threading.Event()
            await self._link.feed_root(load, self._writer(file, images, sent, stop, tell), stop)

    def _writer(
        self,
        file: BundleFile,
        images: list[WantedImage],
        sent: _Sent,
        stop: threading.Event,
        tell: Reporter,
    ) -> Callable[[Emit], None]:
        def or_end() -> None:
            if stop.is_set():
                raise Cancelled("the run was ended")

        def go_on() -> None:
            or_end()
            if self._work.pause.wait(or_end, tell.say):
                tell.say(f"loading {count(len(images), 'image')} of {file.name}")

        def produce(emit: Emit) -> None:
            def send(data: bytes) -> None:
                emit(data)
                sent.add(len(data))

            packed = _Packed(send)
            scratch = self._work.config.state_dir
            write_docker_archive(file, images, packed.take, scratch=scratch, go_on=go_on)
            packed.end()

        return produce

    async def _by_bundle(
        self, lacks: ImageDiff, there: dict[str, int]
    ) -> dict[BundleFile, list[WantedImage]]:
        """Return which bundle is to give which of the lacking images."""
        found: dict[BundleFile, list[WantedImage]] = {}
        lacking = dict(lacks.by_image)
        for file, bundle in (await self._work.usable()).items():
            if not any(image.image_id in lacking for image in bundle.images):
                continue
            if any(not layer.member for image in bundle.images for layer in image.layers):
                bundle = list_bundle(file)  # known from a time when places were not noted
            for image in bundle.images:
                for_names = lacking.pop(image.image_id, [])
                if for_names:
                    names = tuple(want.name for want in for_names)
                    present = there.get(image.image_id, 0)
                    found.setdefault(file, []).append(WantedImage(image, names, present))
        return found


class _Sent:
    """Counts what was sent to one host."""

    def __init__(self, tell: Reporter, total_bytes: int) -> None:
        self._tell = tell
        self._total_bytes = total_bytes
        self._bytes = 0

    def add(self, size_bytes: int) -> None:
        self._bytes += size_bytes
        self._tell.bytes(self._bytes, self._total_bytes)


class _Packed:
    """Makes one gzip stream of what it takes: the line is slower than compressing."""

    def __init__(self, emit: Callable[[bytes], object]) -> None:
        self._emit = emit
        self._packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, GZIP_WINDOW)

    def take(self, data: bytes) -> None:
        self._give(self._packer.compress(data))

    def end(self) -> None:
        self._give(self._packer.flush())

    def _give(self, packed: bytes) -> None:
        if packed:
            self._emit(packed)


class ImagesVerify(HostStep, VerifyStep):
    """Every name on the host stands for the image of the bundles, and the registry is in reach."""

    step_id = "images.verify"
    title = "verify"
    look_patience_s = 60.0  # a line that is cut while it is asked says nothing of the images

    def __init__(self, work: Work, host: HostConfig, *needs: Need) -> None:
        super().__init__(work, host, *needs)
        self._answers: dict[str, str] = {}

    async def check(self, tell: Reporter) -> Missing | None:
        config = self._work.config
        tell.say("comparing image IDs")
        async with host_engine(self._link) as engine:
            wanted = await wanted_names(self._work, self._host)
            missing = missing_of(await lacking_on(self._work, wanted, engine))
            if missing is not None:
                return missing
            if config.mode is not Mode.NONE:
                missing = await lacks_by_name(self._work, self._link, engine, tell, self._answers)
                if missing is not None:
                    return missing
            runs = await self._try_one(wanted, engine, tell) if config.verify_run else ""
        tell.found(f"{count(len(wanted), 'name')}, each checked by ID{runs}")
        return None

    async def _try_one(self, wanted: list[WantedName], engine: HostEngine, tell: Reporter) -> str:
        """Run the smallest image that can be run, and say so."""
        small = [want for want in wanted if want.image.size_bytes <= TRIED_BYTES]
        for want in sorted(small, key=lambda want: want.image.size_bytes):
            if await engine.can_run(want.name):
                tell.say(f"running {want.name}")
                await engine.try_run(want.name)
                return f"; {want.name} runs"
        return "; no small image can be run"

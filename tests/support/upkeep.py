"""A site in mode du with bundles in its registry, whose storage can be damaged and cleared up."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.config import Config, load_config
from core.engine.plan import build_plan
from core.engine.request import RunKind, RunRequest
from core.registry.api.client import RegistryClient
from core.registry.content.staging import STAGE
from core.registry.imports.importer import Import
from core.registry.imports.publish import publish
from core.registry.local.server import RegistryServer
from core.registry.local.storage import LinkType, Storage
from core.steps.base import Step
from core.steps.work import Work
from core.telling import Detail
from tests.support.archives import ImageSpec, digest_of, docker_archive, layer_tar
from tests.support.backups import DuSite, raw
from tests.support.fakes import FakeTeller
from tests.support.layouts import tar_bytes
from tests.support.oci import DOCKER
from tests.support.platforms import several, two_platforms
from tests.support.ports import free_port

BASE = layer_tar(1, 300_000)
APP = ImageSpec(["quay.io/site/app:1", "quay.io/site/app:stable"], [BASE])
TOOL = ImageSpec(["tool:2"], [BASE, layer_tar(3, 4000)])
LISTED = "site/docker:1"


class Upkeep(DuSite):
    """A site with a registry of its own that runs, and bundles in `imgs`; nothing is imported yet.

    Runs are made step by step in this process; `run` has the real command line.
    """

    def __init__(self, directory: Path) -> None:
        self.images = directory / "imgs"
        self.images.mkdir()
        super().__init__(directory, f"127.0.0.1:{free_port()}")

    def mode(self) -> str:
        return f"{super().mode()}\nimagesDir: {self.images}\nlaterBundleWins: true"

    @property
    def site_config(self) -> Config:
        return load_config(self.config)

    @cached_property
    def client(self) -> RegistryClient:
        return RegistryClient(self.address)

    @cached_property
    def storage(self) -> Storage:
        return Storage(self.directory / "registry")

    def put(self, name: str, bundle: bytes) -> None:
        """Put a bundle into imagesDir and import it."""
        path = self.images / name
        path.write_bytes(bundle)
        catalogue, file = Catalogue(self.state_dir), bundle_file(path)
        stop = threading.Event()
        done = Import(file, self.client, catalogue.layers(), stop).run(lambda _: None)
        catalogue.keep(file, done.bundle)
        publish(done.bundle, self.client, stop)

    def fill(self) -> None:
        """Import two bundles: two images that share a layer, and one for two platforms."""
        self.put("a.tar", docker_archive([APP, TOOL]))
        self.put("b.tar", tar_bytes(several(two_platforms(), DOCKER, name=f"quay.io/{LISTED}")))

    async def told(self, kind: RunKind, *backups: Path, generations: int = 0) -> Told:
        """Make a dry run (or a run that only looks), and return what it told."""
        return await self._carry_out(kind, backups, generations, dry=True)

    async def done(self, kind: RunKind, *backups: Path, generations: int = 0) -> Told:
        """Make a run to its end: check, apply, check.

        Raises:
            AirferryError: whatever ends it.
        """
        return await self._carry_out(kind, backups, generations, dry=False)

    def repository(self, name: str) -> Path:
        """Return where a repository has its links, as distribution lays it out."""
        return self.storage.directory / "docker/registry/v2/repositories" / name

    async def _carry_out(
        self, kind: RunKind, backups: Sequence[Path], generations: int, *, dry: bool
    ) -> Told:
        request = RunRequest(kind, self.config, tuple(backups), generations=generations)
        files = tuple(bundle_file(path) for path in backups)
        work = Work(self.site_config, files, dry=dry, generations=generations)
        found = Told()
        try:
            for step in build_plan(request, work):
                await found.add(step, dry=dry)
        finally:
            await work.close()
        return found

    def names(self) -> list[str]:
        """Return what the registry holds, as its API says."""
        return sorted(
            f"{name}:{tag}"
            for name in self.client.repositories()
            if name != STAGE
            for tag in self.client.tags(name)
        )

    def seen(self) -> dict[str, bytes]:
        """Return the manifest of every name, as skopeo gets it."""
        return {name: raw(f"docker://{self.address}/{name}") for name in self.names()}

    def not_pulled(self) -> list[str]:
        """Pull every name with all its platforms from outside; return those that cannot be had.

        skopeo compares every digest.
        """
        place = self.directory / "pulled"
        return [name for name in self.names() if not self._is_pulled(name, place)]

    def _is_pulled(self, name: str, place: Path) -> bool:
        source, target = f"docker://{self.address}/{name}", f"oci:{place}"
        done = subprocess.run(
            ["skopeo", "copy", "--all", "--src-tls-verify=false", source, f"{target}:x"],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def layer(self, name: str) -> str:
        """Return the last layer of an image."""
        repository, _, tag = name.partition(":")
        layers = self.client.manifest(repository, tag)["layers"]
        assert isinstance(layers, list)
        return str(layers[-1]["digest"])

    def manifest(self, name: str) -> str:
        """Return what a name stands for."""
        repository, _, tag = name.partition(":")
        return self.storage.tags()[repository, tag]

    def flip(self, digest: str, seed: int = 1) -> None:
        """Change one bit somewhere in a blob."""
        noise, path = random.Random(seed), self.storage.blob_path(digest)  # noqa: S311 - a place
        data = bytearray(path.read_bytes())
        data[noise.randrange(len(data))] ^= 1 << noise.randrange(8)
        path.write_bytes(bytes(data))


def put_of_schema_1(site: Upkeep) -> str:
    """Store an image of the oldest kind as old registries did; return its layer."""
    layer = site.client.upload_bytes("old", b"a layer of old")
    manifest = {
        "schemaVersion": 1,
        "name": "old",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": layer}],
        "history": [{"v1Compatibility": '{"id": "x"}'}],
    }
    data = json.dumps(manifest, indent=3).encode()
    digest, storage = digest_of(data), site.storage
    storage.blob_path(digest).parent.mkdir(parents=True)
    storage.blob_path(digest).write_bytes(data)
    storage.put_link(storage.link_path(LinkType.REVISION, "old", digest), digest)
    storage.put_tag(("old", "1"), digest)
    return layer


@dataclass
class Told:
    """What the steps of a run told: of each what is missing, and all that they list and warn of."""

    missing: dict[str, str]
    outcomes: list[str]
    listed: list[Detail]
    warned: list[str]

    def __init__(self) -> None:
        self.missing, self.outcomes, self.listed, self.warned = {}, [], [], []

    @property
    def wrong(self) -> set[tuple[str, str]]:
        """What is wrong, and with which blob or name."""
        return {(one.what, one.subject) for one in self.listed}

    async def add(self, step: Step, *, dry: bool) -> None:
        """Carry out one step."""
        tell = FakeTeller()
        try:
            missing = await step.check(tell)
            if missing is not None:
                self.missing[step.id] = missing.what
                if not dry:
                    await step.apply(missing, tell)
                    assert await step.check(tell) is None
        finally:
            self.outcomes += tell.outcomes
            self.listed += tell.listed
            self.warned += [warning.what for warning in tell.warned]


@contextmanager
def upkeep_site(directory: Path) -> Iterator[Upkeep]:
    """Run a site whose registry is empty."""
    site = Upkeep(directory)
    server = RegistryServer(site.site_config)
    try:
        server.start()
        yield site
    finally:
        site.client.close()
        server.stop()

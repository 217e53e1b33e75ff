"""The kinds of hosts: bare ones, and those that Airferry itself has brought further.

A host with Docker is a bare one on which this checkout's own `docker.install` has run; a warm one
has got the sample bundles' images as well. Each is made once and kept in the cache under a key of
all that made it, so a test whose subject comes later does not begin with an installation.
"""

import functools
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from tests.lab import fleet, network, rootfs
from tests.lab.bundles import EXPECTED_NAME
from tests.lab.engine import Engine
from tests.lab.hostkind import DockerStore, HostKind
from tests.lab.labhost import LabHost
from tests.lab.lock import cache_lock
from tests.lab.paths import (
    AIRFERRY_PROGRAM,
    REPOSITORY_ROOT,
    cache_directory,
    make_private,
    write_private,
)
from tests.lab.shell import run
from tests.lab.siteconfig import REGISTRY_PORT
from tests.lab.sitefiles import SiteFiles

RECIPE = 1
BUILDER, BUILDER_NUMBER = "builder", network.MOST_HOSTS + 1
INSTALLERS = ("core/hosts", "core/steps/docker.py")
WARMERS = ("core/bundle", "core/hosts", "core/registry", "core/steps")
UNUSED_FOR_S = 7 * 86400
STOP_DOCKER = "systemctl stop docker.socket docker.service && rm -f /etc/docker/key.json"
NOTES = "/var/lib/airferry-host"
WITH_XATTRS = ("--xattrs", "--xattrs-include=*", "--numeric-owner")


class Has(Enum):
    """What hosts have when a test begins."""

    NOTHING = "bare"
    DOCKER = "docker"
    IMAGES = "warm"


def ensure(engine: Engine, files: SiteFiles, has: Has) -> HostKind:
    """Return a kind of host; what it needs is made now if the cache has none.

    Args:
        engine: The lab's engine; it has the kind's image afterwards.
        files: The lab's files: bundles, the offline Docker, keys.
        has: Which kind.

    Raises:
        LabError: The product could not bring a host that far.
    """
    if has is Has.NOTHING:
        return HostKind(rootfs.IMAGE)
    with_docker = _with_docker(engine, files)
    if has is Has.DOCKER:
        return with_docker
    warm = warm_directory(engine, files)
    store = engine.data_root / warm.name
    if not store.is_dir():
        partial = make_private(store.with_suffix(".partial"))
        run("tar", *WITH_XATTRS, "-C", partial, "-xf", warm / "store.tar")
        partial.rename(store)
    return HostKind(with_docker.image, DockerStore(store), (warm / "notes.tar").read_bytes())


def warm_directory(engine: Engine, files: SiteFiles) -> Path:
    """Return where the content of a warm site is kept, made now if it is not there.

    Args:
        engine: The lab's engine.
        files: The lab's files.

    Returns:
        A directory with `store.tar` and `notes.tar` of a host, `registry` and `bundles` of the DU.
    """
    key = _warm_key(files.directory / EXPECTED_NAME, files.docker_repo)
    with_docker = _with_docker(engine, files)
    return _kept(key, lambda made: _make_warm(engine, files, with_docker, made))


def _with_docker(engine: Engine, files: SiteFiles) -> HostKind:
    kept = _kept(_docker_key(files.docker_repo), lambda made: _make_docker(engine, files, made))
    kind = HostKind(f"airferry-lab-docker:{kept.name}")
    rootfs.import_tar(engine, kept / "root.tar", kind.image)
    return kind


@functools.cache  # every test asks, and the offline Docker has 60 MB to hash
def _docker_key(docker_repo: Path) -> str:
    return _key("docker", [docker_repo, *_sources(INSTALLERS)], rootfs.IMAGE)


@functools.cache
def _warm_key(expected: Path, docker_repo: Path) -> str:
    return _key("warm", [expected, *_sources(WARMERS)], _docker_key(docker_repo))


def _sources(places: Iterable[str]) -> Iterator[Path]:
    """Yield the product's files that decide what becomes of a host."""
    for place in places:
        path = REPOSITORY_ROOT / place
        found = path.rglob("*") if path.is_dir() else [path]
        yield from sorted(each for each in found if each.suffix in (".py", ".sh"))


def _key(kind: str, sources: Iterable[Path], base: str) -> str:
    """Return a name for what these files make."""
    digest = hashlib.sha256(f"{RECIPE} {base}".encode())
    for path in sources:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"hosts-{kind}-{digest.hexdigest()[:16]}"


def _kept(key: str, make: Callable[[Path], None]) -> Path:
    """Return a directory of the cache; one lab makes it, the others wait for that."""
    directory = make_private(cache_directory()) / key
    with cache_lock():
        if not directory.is_dir():
            scratch = Path(tempfile.mkdtemp(prefix="making-", dir=directory.parent))
            try:
                made = make_private(scratch / "made")
                make(made)
                made.rename(directory)
            finally:
                shutil.rmtree(scratch)
        directory.touch()
        _prune(directory.parent)
    return directory


def _prune(cache: Path) -> None:
    """Remove what earlier states of the code made and no lab has used for days."""
    for kept in cache.glob("hosts-*"):
        if time.time() - kept.stat().st_mtime > UNUSED_FOR_S:
            shutil.rmtree(kept)


def _make_docker(engine: Engine, files: SiteFiles, made: Path) -> None:
    with _builder(engine, files, HostKind(rootfs.IMAGE)) as host:
        config = {"privateRegistryType": "none"}
        _install(files, host, made / "du", config, "--skip-docker-img-import")
        host.run("sh", "-c", STOP_DOCKER)
        host.stop()
        engine.cli("export", "--output", made / "root.tar", host.container_id)
    shutil.rmtree(made / "du")


def _make_warm(engine: Engine, files: SiteFiles, with_docker: HostKind, made: Path) -> None:
    with _builder(engine, files, with_docker) as host:
        du = _install(files, host, made / "du", {"privateRegistryType": "du"})
        host.run("sh", "-c", STOP_DOCKER)
        with engine.client() as client:
            chunks, _ = client.api.get_archive(host.container_id, NOTES)
            (made / "notes.tar").write_bytes(b"".join(chunks))
        store = fleet.volume_directory(engine, host.name)
        run("tar", *WITH_XATTRS, "-C", store, "-cf", made / "store.tar", ".")
    (du / "registry").rename(made / "registry")
    (du / "state" / "bundles").rename(made / "bundles")
    shutil.rmtree(du)


@contextmanager
def _builder(engine: Engine, files: SiteFiles, kind: HostKind) -> Iterator[LabHost]:
    """Give a host of the lab that no test sees."""
    try:
        yield fleet.start_host(engine, BUILDER, BUILDER_NUMBER, files, kind)
    finally:
        fleet.remove_host(engine, BUILDER)


def _install(
    files: SiteFiles, host: LabHost, directory: Path, config: Mapping[str, Any], *options: str
) -> Path:
    """Run the product's install on one host, and end what it keeps running on the DU."""
    make_private(directory)
    known_host = fleet.known_host(files, host.name, BUILDER_NUMBER)
    write_private(directory / "known_hosts", known_host)
    whole = {
        **config,
        "dockerRepo": str(files.docker_repo),
        "imagesDir": str(files.images_dir),
        "registryDir": str(directory / "registry"),
        "stateDir": str(directory / "state"),
        "registryPort": REGISTRY_PORT,
        "ssh": {
            "user": "root",
            "key": str(files.key_path),
            "knownHosts": str(directory / "known_hosts"),
        },
        "hosts": [{"name": host.name, "address": host.address}],
    }
    path = directory / "airctl-config.yaml"
    write_private(path, yaml.safe_dump(whole))
    try:
        run(AIRFERRY_PROGRAM, "install", *options, "--config", path)
    finally:
        for service in ("tunnels", "registry"):
            run(AIRFERRY_PROGRAM, service, "stop", "--config", path, check=False)
    return directory

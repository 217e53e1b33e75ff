"""Registries that answer at random: each job that asks one ends well, or with an error in words.

The registry is a fake one, on a real socket, behind a front that spoils some of its answers: no
real one can be made to answer so. A case is one job; which answers are spoiled, and how, comes from
its number, from the request, and from how often that was asked before.
"""

from __future__ import annotations

import random
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle
from core.bundle.model import Bundle
from core.errors import AirferryError, InternalError
from core.printable import printable
from core.registry.api import connections as lines
from core.registry.api import limits as bounded
from core.registry.api import pacing as pace
from core.registry.api import transport as channel
from core.registry.api.client import RegistryClient
from core.registry.content.inventory import delete_names, read_holdings
from core.registry.content.snapshot import read_snapshot
from core.registry.imports.importer import Import
from core.registry.imports.publish import lacks_of_names, publish
from core.registry.integrity.remote_scan import ScanElsewhere
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin
from tests.fuzz.seeds import IMAGES
from tests.fuzz.twists import ALL
from tests.support.archives import write_bundle
from tests.support.backups import backup_of, written
from tests.support.fakeregistry import FakeRegistry, fake_registry
from tests.support.oddfront import Asked, Front, Reply, odd_front

STALL_S = 2.0
SPOILED = (0.02, 0.1, 0.3, 1.0)
LOGIN = RegistryLogin("u", "p", source="typed")
_SESSION = re.compile(r"uploads/[^/?]+.*|\?.*")
Job = Callable[[RegistryClient, Path], object]


def run_case(number: int) -> str:
    """Return `read` or `refused`, as the job of a case ended.

    Raises:
        Exception: an error that is none of ours: what is looked for.
    """
    source = random.Random(f"answers {number}")  # noqa: S311 - reproducible, no secret
    job = JOBS[source.choice(list(JOBS))]
    login = source.choice((LOGIN, NO_REGISTRY_LOGIN))
    share = source.choice(SPOILED)
    with (
        impatient(),
        tempfile.TemporaryDirectory(prefix="airferry-fuzz-") as directory,
        fake_registry(filled()) as fake,
        odd_front(Front(fake.address, twist=Spoiled(number, share))) as front,
        closing(RegistryClient(front.address, login=lambda: login, theirs=True)) as client,
    ):
        try:
            job(client, Path(directory))
        except AirferryError as error:
            _require_words(error)
            return "refused"
    return "read"


class Spoiled:
    """Spoils a share of the answers of a case.

    Args:
        number: The case.
        share: How many of them, from 0 to 1.
    """

    def __init__(self, number: int, share: float) -> None:
        self._number = number
        self._share = share
        self._lock = threading.Lock()
        self._times: Counter[str] = Counter()

    def __call__(self, asked: Asked, reply: Reply) -> Reply:
        key = f"{asked.method} {_SESSION.sub('', asked.path)}"
        with self._lock:
            self._times[key] += 1
            key = f"{self._number} {key} {self._times[key]}"
        source = random.Random(key)  # noqa: S311 - reproducible, no secret
        if source.random() > self._share:
            return reply
        for _ in range(source.choice((1, 1, 2))):
            reply = source.choice(ALL)(source, reply)
        return reply


@contextmanager
def impatient() -> Iterator[None]:
    """Wait for nothing longer than a case may take."""
    hurried = (
        (channel, "STALL_TIMEOUT_S", STALL_S),
        (bounded, "SPARE_S", STALL_S),
        (lines, "CANCEL_PATIENCE_S", 0.1),
        (pace, "FIRST_PAUSE_S", 0.001),
        (pace, "SLOWEST_S", 0.001),
        (pace, "LONGEST_WAIT_S", 0.5),
    )
    before = [(module, name, getattr(module, name)) for module, name, _ in hurried]
    try:
        for module, name, value in hurried:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def filled() -> FakeRegistry:
    """Return a registry that holds some images."""
    content = _content()
    return FakeRegistry(
        blobs=dict(content.blobs),
        repositories={name: set(digests) for name, digests in content.repositories.items()},
        manifests=dict(content.manifests),
    )


@cache
def _content() -> FakeRegistry:
    with (
        tempfile.TemporaryDirectory(prefix="airferry-fuzz-") as directory,
        fake_registry(FakeRegistry()) as fake,
        closing(RegistryClient(fake.address)) as client,
    ):
        _import(client, Path(directory))
        return fake


def _import(client: RegistryClient, directory: Path) -> None:
    stop = threading.Event()
    file = bundle_file(write_bundle(directory / "b.tar", IMAGES))
    done = Import(file, client, LayerIndex(directory / "layers.jsonl"), stop).run(lambda _: None)
    publish(done.bundle, client, stop)
    lacks_of_names(done.bundle, client)


def _import_into_new(client: RegistryClient, directory: Path) -> None:
    client.site_id()
    client.require_rights("new", push=True)
    images = [type(one)([f"{name}-new" for name in one.tags], one.layers) for one in IMAGES]
    stop = threading.Event()
    file = bundle_file(write_bundle(directory / "b.tar", images))
    done = Import(file, client, LayerIndex(directory / "layers.jsonl"), stop).run(lambda _: None)
    publish(done.bundle, client, stop)


def _verify(client: RegistryClient, directory: Path) -> None:
    bundle: Bundle = list_bundle(bundle_file(write_bundle(directory / "b.tar", IMAGES)))
    lacks_of_names(bundle, client)


def _delete(client: RegistryClient, _directory: Path) -> None:
    held = read_holdings(client)
    delete_names(client, held, frozenset((one.repository, one.tag) for one in held[:2]))


def _list(client: RegistryClient, _directory: Path) -> None:
    for one in read_holdings(client):
        if printable(one.name) != one.name:
            raise AssertionError(f"shown as it is: {one.name!r}")
        f"{one.size_bytes / 1e9:.1f}".encode()


def _reach(client: RegistryClient, _directory: Path) -> None:
    client.site_id()
    client.require_rights("a", push=True)


JOBS: dict[str, Job] = {
    "import": _import,
    "import into new": _import_into_new,
    "verify": _verify,
    "list": _list,
    "delete": _delete,
    "backup": lambda client, directory: written(backup_of(client, directory / "backup")),
    "snapshot": lambda client, _: read_snapshot(client, threading.Event(), lambda _text: None),
    "scan": lambda client, _: ScanElsewhere(client, lambda: None).run(lambda _done, _all: None),
    "reach": _reach,
}


def _require_words(error: AirferryError) -> None:
    if isinstance(error, InternalError) or not error.what or not error.remedy:
        raise AssertionError("an error without words") from error
    if printable(error.what) != error.what:
        raise AssertionError(f"not to be shown: {error.what!r}") from error
    error.what.encode()

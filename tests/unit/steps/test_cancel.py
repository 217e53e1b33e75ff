"""A cancel ends an import soon, whatever it waits for, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.bundle.model import BundleFile
from core.config import Config, Mode
from core.errors import Cancelled, RegistryError
from core.registry.api import connections as lines
from core.registry.api import transport as channel
from core.registry.api.client import RegistryClient
from core.registry.imports.import_pass import IngestOptions
from core.registry.imports.importer import Import
from core.registry.imports.publish import publish
from core.steps.base import Missing, Step
from core.steps.bundles import BundleImport
from core.steps.du import RegistryReach, RegistryServe, RegistryVerify
from core.steps.work import Work
from tests.support.archives import ImageSpec, docker_archive, layer_tar, tar_of
from tests.support.fakeregistry import FakeRegistry, fake_registry
from tests.support.fakes import FakeTeller
from tests.support.importing import Importer, tell_nobody
from tests.support.layouts import packed, tar_bytes
from tests.support.oci import PLAIN, zstd_packed
from tests.support.pipes import stalled_pipe
from tests.support.platforms import layout_of, with_layers_packed, write_layout
from tests.support.stored import Storage
from tests.support.waiting import HANG_S

OWN_THREADS = ("upload", "pack", "unpack", "ask", "registry-watch", "airferry-work")
NOISE = random.Random(1).randbytes(24 << 20)  # noqa: S311 - test data, no secret
IMAGE = ImageSpec(["a.b/c:1"], [layer_tar(seed, 1_500_000) for seed in range(3)])
ARCHIVE = docker_archive([IMAGE])
METHODS = ["POST", "PATCH", "PUT", "HEAD"]


def own_threads() -> list[str]:
    """Return the names of our threads that are at work."""
    return [t.name for t in threading.enumerate() if t.name.startswith(OWN_THREADS)]


@pytest.fixture(autouse=True)
def _nothing_else_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that says nothing is not given up here: only the cancel can end a test."""
    monkeypatch.setattr(channel, "STALL_TIMEOUT_S", 2 * HANG_S)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [] == own_threads()


def wait_for(event: threading.Event) -> None:
    assert event.wait(HANG_S)


@contextmanager
def serving(fake: FakeRegistry) -> Iterator[RegistryClient]:
    with fake_registry(fake):
        client = RegistryClient(fake.address)
        yield client
        client.close()


def cancelled_after(
    work: Callable[[], object], begun: Callable[[], None], stop: threading.Event
) -> BaseException | None:
    """Run something in a thread, cancel it when something has begun, and return its error."""
    with ThreadPoolExecutor(1, "test") as threads:
        running = threads.submit(work)
        try:
            begun()
        finally:
            stop.set()
        return running.exception(HANG_S)


@pytest.fixture
def importing(tmp_path: Path) -> Callable[..., Import]:
    def make(client: RegistryClient, path: Path, stop: threading.Event) -> Import:
        index = LayerIndex(tmp_path / "layers.jsonl")
        return Import(bundle_file(path), client, index, stop)

    return make


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "b.tar"
    path.write_bytes(ARCHIVE)
    return path


@pytest.mark.parametrize("also", [[], ["DELETE"]], ids=["", "and-delete"])
@pytest.mark.parametrize("method", METHODS)
def test_a_registry_that_says_nothing_holds_up_no_cancel(
    importing: Callable[..., Import], bundle: Path, method: str, also: list[str]
) -> None:
    fake, stop = FakeRegistry(silent=frozenset([method, *also])), threading.Event()
    with serving(fake) as client:
        error = cancelled_after(
            lambda: importing(client, bundle, stop).run(tell_nobody),
            lambda: fake.wait_until_asked(method),
            stop,
        )
        assert isinstance(error, Cancelled | RegistryError)
        assert [] == own_threads()


def test_a_registry_that_stops_reading_holds_up_no_cancel(
    importing: Callable[..., Import], tmp_path: Path
) -> None:
    """The upload waits in the middle of sending, the reader for room on the belt."""
    path = tmp_path / "b.tar"
    path.write_bytes(docker_archive([ImageSpec(["a.b/c:1"], [tar_of("noise", NOISE)])]))
    fake, stop, told = FakeRegistry(deaf=frozenset({"PATCH"})), threading.Event(), [0]
    news = threading.Condition()

    def tell(done: int) -> None:
        with news:
            told.append(done)
            news.notify()

    def wait_until_nothing_moves() -> None:
        fake.wait_until_asked("PATCH")
        with news:
            while news.wait(1.0):
                pass

    with serving(fake) as client:
        error = cancelled_after(
            lambda: importing(client, path, stop).run(tell), wait_until_nothing_moves, stop
        )
    assert isinstance(error, Cancelled | RegistryError)
    assert told[-1] < len(NOISE)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "PUT", "GET"])
def test_a_registry_that_falls_silent_while_images_are_named(
    importing: Callable[..., Import], bundle: Path, method: str
) -> None:
    """The fake cannot mount, so each blob is sent from one repository to the other."""
    fake, stop = FakeRegistry(), threading.Event()
    with serving(fake) as client:
        done = importing(client, bundle, stop).run(tell_nobody)
        fake.asked.clear()
        fake.silent = frozenset({method})
        error = cancelled_after(
            lambda: publish(done.bundle, client, stop),
            lambda: fake.wait_until_asked(method),
            stop,
        )
    assert isinstance(error, Cancelled | RegistryError)


@contextmanager
def unaccepting() -> Iterator[str]:
    """Listen without accepting, the queue being full: who connects waits."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_registry_that_takes_no_connection_holds_up_no_cancel(
    importing: Callable[..., Import], bundle: Path
) -> None:
    stop, begun = threading.Event(), threading.Event()
    with unaccepting() as address:
        client = RegistryClient(address)
        error = cancelled_after(
            lambda: importing(client, bundle, stop).run(lambda _: begun.set()),
            lambda: wait_for(begun),
            stop,
        )
        client.close()
    assert isinstance(error, Cancelled | RegistryError)


def test_a_pipe_into_which_nothing_comes_holds_up_no_cancel(
    importing: Callable[..., Import], tmp_path: Path
) -> None:
    """One layer came, and is being sent; of the next one only the beginning did."""
    stop, pipe = threading.Event(), tmp_path / "pipe"
    fake = FakeRegistry()
    data = docker_archive([ImageSpec(["a.b/c:1"], [layer_tar(1, 9000), *IMAGE.layers])])
    with serving(fake) as client, stalled_pipe(pipe, data[:60_000]) as gave_up:
        error = cancelled_after(
            lambda: importing(client, pipe, stop).run(tell_nobody),
            lambda: fake.wait_until_asked("POST"),
            stop,
        )
        assert not gave_up.is_set()
    assert isinstance(error, Cancelled)
    assert {} == fake.sessions


@pytest.mark.parametrize("after", [1, 3, 5])
@pytest.mark.parametrize(
    ("pack_bundle", "pack_layer", "recompress"),
    [
        pytest.param(bytes, bytes, False, id="plain"),
        pytest.param(gzip.compress, bytes, False, id="gzip-of-all"),
        pytest.param(bytes, packed, False, id="gzip-layers"),
        pytest.param(bytes, zstd_packed, False, id="zstd-layers"),
        pytest.param(bytes, zstd_packed, True, id="zstd-into-gzip"),
    ],
)
def test_a_cancel_deletes_its_upload_sessions(
    monkeypatch: pytest.MonkeyPatch,
    importer: Importer,
    stored: Storage,
    after: int,
    pack_bundle: Callable[[bytes], bytes],
    pack_layer: Callable[[bytes], bytes],
    recompress: bool,
) -> None:
    monkeypatch.setattr(lines, "CANCEL_PATIENCE_S", 2 * HANG_S)  # nothing has to be cut for it
    importer.options = IngestOptions(recompress=recompress)
    stop, told = threading.Event(), list[int]()

    def tell(done: int) -> None:
        told.append(done)
        if len(told) == after:
            stop.set()

    data = pack_bundle(with_layers_packed(ARCHIVE, pack_layer))
    with pytest.raises(Cancelled):
        importer.ingest(data, tell, stop)
    assert ([], []) == (stored.upload_data(), stored.tags())


def test_a_person_who_cancels_waits_seconds_for_a_silent_registry() -> None:
    """That it is the cancel that ends the waiting is shown above; this is how soon."""
    assert lines.CANCEL_PATIENCE_S <= 3


def test_a_cancel_while_a_directory_is_read(
    monkeypatch: pytest.MonkeyPatch, importer: Importer, stored: Storage, tmp_path: Path
) -> None:
    monkeypatch.setattr(lines, "CANCEL_PATIENCE_S", 2 * HANG_S)
    stop = threading.Event()
    directory = write_layout(tmp_path / "layout", layout_of(IMAGE, PLAIN))
    with pytest.raises(Cancelled):
        importer.ingest(directory, lambda _: stop.set(), stop)
    assert ([], []) == (stored.upload_data(), stored.tags())


def test_a_cancel_before_anything_began(importer: Importer, stored: Storage) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        importer.ingest(tar_bytes(layout_of(IMAGE, PLAIN)), stop=stop)
    assert ([], []) == (stored.upload_data(), stored.tags())


@pytest.fixture
async def open_work(tmp_path: Path, bundle: Path) -> AsyncIterator[Callable[[FakeRegistry], Work]]:
    """Serve a fake as the registry of a site in mode custom with one bundle."""
    with ExitStack() as stack:
        made: list[Work] = []

        def make(fake: FakeRegistry, *, mode: Mode = Mode.CUSTOM) -> Work:
            stack.enter_context(fake_registry(fake))
            config = Config(
                tmp_path / "airctl-config.yaml",
                mode=mode,
                registry_base=fake.address,
                registry_insecure=True,
                registry_port=int(fake.address.partition(":")[2]),
                state_dir=tmp_path / "state",
            )
            made.append(Work(config, (bundle_file(bundle),)))
            return made[-1]

        yield make
        for work in made:
            await work.close()


async def cancelled_while_asking(step: Step, fake: FakeRegistry, method: str) -> None:
    """Cancel a step's check or apply when the registry was asked, and wait until it has ended."""

    async def both() -> None:
        missing = await step.check(FakeTeller())
        await step.apply(missing or Missing("all"), FakeTeller())

    running = asyncio.ensure_future(both())
    await asyncio.to_thread(fake.wait_until_asked, method)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=HANG_S)
    assert {running} == done
    assert running.cancelled()


Make = Callable[[Work, BundleFile], Step]


@pytest.mark.parametrize(
    ("make", "mode", "method"),
    [
        pytest.param(BundleImport, Mode.CUSTOM, "PATCH", id="import-patch"),
        pytest.param(BundleImport, Mode.CUSTOM, "HEAD", id="import-head"),
        pytest.param(
            lambda work, _: RegistryReach(work, push=False), Mode.CUSTOM, "GET", id="reach"
        ),
        pytest.param(lambda work, _: RegistryServe(work), Mode.DU, "GET", id="serve"),
    ],
)
async def test_a_step_that_asks_a_silent_registry_can_be_cancelled(
    open_work: Callable[..., Work], make: Make, mode: Mode, method: str
) -> None:
    fake = FakeRegistry(silent=frozenset({method}))
    work = open_work(fake, mode=mode)
    await cancelled_while_asking(make(work, work.files[0]), fake, method)


@pytest.mark.parametrize("make", [BundleImport, lambda work, _: RegistryVerify(work)])
async def test_asking_for_what_is_there_can_be_cancelled(
    open_work: Callable[..., Work], make: Make
) -> None:
    fake = FakeRegistry()
    work = open_work(fake)
    step = BundleImport(work, work.files[0])
    missing = await step.check(FakeTeller())
    assert missing is not None
    await step.apply(missing, FakeTeller())
    fake.asked.clear()
    fake.silent = frozenset({"HEAD"})
    await cancelled_while_asking(make(work, work.files[0]), fake, "HEAD")

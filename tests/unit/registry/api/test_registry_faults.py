"""What the real registry cannot be made to do, done by a fake one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.errors import (
    AirferryError,
    RegistryBusy,
    RegistryDenied,
    RegistryError,
    RegistryFull,
    RegistryLimited,
    RegistryProxyForbids,
    RegistryStalled,
    RegistryUnreachable,
)
from core.registry.api import pacing as pace
from core.registry.api import transport as channel
from core.registry.api.client import RegistryClient
from core.registry.api.http_errors import Where
from core.registry.api.registry_errors import Refused
from core.registry.content.staging import STAGE
from core.registry.imports.importer import Import
from core.registry.imports.publish import publish
from tests.support.archives import (
    ImageSpec,
    digest_of,
    docker_archive,
    layer_tar,
    tar_of,
    write_bundle,
)
from tests.support.fakeregistry import FakeRegistry, Refusal, fake_registry
from tests.support.pipes import fed_pipe

IMAGE = ImageSpec(["a.b/c:1"], [layer_tar(1, 3_000_000), layer_tar(2, 4000)])
STALL_S = 2.0
Open = Callable[[FakeRegistry], RegistryClient]
RunImport = Callable[[FakeRegistry], None]


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients give up what does not move, for those tests where it never will."""
    monkeypatch.setattr(channel, "STALL_TIMEOUT_S", STALL_S)


@pytest.fixture
def open_fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Serve a fake registry and make a client of it, which is hardly slowed down."""
    monkeypatch.setattr(pace, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(pace, "SLOWEST_S", 0.001)
    with ExitStack() as stack:

        def make(fake: FakeRegistry) -> RegistryClient:
            if not fake.address:
                stack.enter_context(fake_registry(fake))
            client = RegistryClient(fake.address)
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def run_import(open_fake: Open, tmp_path: Path) -> RunImport:
    """Import a bundle into a fake registry, and name its images."""

    def run(fake: FakeRegistry) -> None:
        file = bundle_file(write_bundle(tmp_path / "b.tar", [IMAGE]))
        index, client = LayerIndex(tmp_path / "layers.jsonl"), open_fake(fake)
        done = Import(file, client, index, threading.Event()).run(lambda _: None)
        publish(done.bundle, client, threading.Event())

    return run


def refusing(method: str, status: int, body: bytes = b"", *, hasty: bool = False) -> FakeRegistry:
    def fault(asked: str, _path: str) -> Refusal | None:
        return (status, body) if asked == method else None

    return FakeRegistry(fault=fault, hasty=hasty)


def test_an_import_into_a_registry_that_cannot_mount(run_import: RunImport) -> None:
    fake = FakeRegistry()
    run_import(fake)
    assert {digest_of(IMAGE.config)} < fake.repositories[STAGE]
    assert fake.repositories["c"] == fake.repositories[STAGE]
    assert (3, {}) == (len(fake.blobs), fake.sessions)
    assert "/v2/c/manifests/1" in fake.manifests


def test_a_registry_that_takes_a_little_at_a_time(open_fake: Open) -> None:
    """It takes 64 KiB and pauses: slow, but it never moves no byte for as long as allowed.

    So what waits in the buffers when all was sent must be little enough, too.
    """
    fake = FakeRegistry(pause_s=STALL_S / 40)
    blob = bytes(3 << 20)
    open_fake(fake).upload_stream("a/b", [blob[: 1 << 20]] * 3, lambda: digest_of(blob))
    assert ({digest_of(blob)}, {}) == (fake.repositories["a/b"], fake.sessions)


@pytest.mark.parametrize("hasty", [False, True])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "HEAD"])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b"slowly", RegistryLimited),
        (503, b"later", RegistryBusy),
        (502, b"", RegistryBusy),
        (500, b"oops", RegistryBusy),
        (413, b"too large", RegistryProxyForbids),
        (403, b"DENIED", RegistryDenied),
    ],
)
def test_refusals(
    run_import: RunImport,
    method: str,
    status: int,
    body: bytes,
    error: type[RegistryError],
    hasty: bool,
) -> None:
    """Also of a registry that answers before it has read what is sent, and hangs up."""
    fake = refusing(method, status, body, hasty=hasty)
    with pytest.raises(error, match=f"answered {status} to {method}") as caught:
        run_import(fake)
    assert error is type(caught.value)
    assert fake.address in caught.value.what
    assert {} == fake.sessions


@pytest.mark.parametrize(
    "body",
    [
        b"write: no space left on device",
        b'{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"DriverName":'
        b'"filesystem","Enclosed":{"Op":"write","Path":"/registry/data","Err":28}}}]}',
    ],
    ids=["in words", "by number"],
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_registry_without_room(run_import: RunImport, method: str, body: bytes) -> None:
    fake = refusing(method, 500, body)
    with pytest.raises(RegistryFull, match="no room left"):
        run_import(fake)
    assert {} == fake.sessions


def test_what_was_read_whole_is_stored_though_another_layer_found_no_room(tmp_path: Path) -> None:
    """The session that is deleted gives back room; who waits for a little of it is not cut off."""
    begun: list[str] = []

    def fault(method: str, path: str) -> Refusal | None:
        if method != "PATCH":
            return None
        if "session-0" not in path:
            fake.wait_until_asked("DELETE")
            return None
        begun.append(path)  # it is asked before the body is read, and after that
        return None if len(begun) == 1 else (500, b"no space left on device")

    noise = [
        tar_of(f"noise/{n}", random.Random(n).randbytes(4 << 20))  # noqa: S311
        for n in range(2)
    ]
    file = bundle_file(write_bundle(tmp_path / "b.tar", [ImageSpec(["c:1"], noise)]))
    fake = FakeRegistry(fault=fault, hasty=True)
    index = LayerIndex(tmp_path / "layers.jsonl")
    with fake_registry(fake), closing(RegistryClient(fake.address)) as client:
        importing = Import(file, client, index, threading.Event())
        with pytest.raises(RegistryFull):
            importing.run(lambda _: None)
        assert (1, {}) == (len(fake.blobs), fake.sessions)
        fake.fault = lambda _method, _path: None
        done = importing.run(lambda _: None)
    assert (1, 1) == (done.sent_layers, done.kept_layers)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_repository_that_is_not_known(run_import: RunImport, method: str) -> None:
    with pytest.raises(RegistryError, match=f"answered 404 to {method}.*NAME_UNKNOWN"):
        run_import(refusing(method, 404, b"NAME_UNKNOWN"))


@pytest.mark.parametrize("code", [b"BLOB_UPLOAD_INVALID", b"BLOB_UPLOAD_UNKNOWN"])
def test_an_upload_that_the_registry_lost_may_be_tried_again(
    run_import: RunImport, code: bytes
) -> None:
    fake = refusing("PUT", 404, b'{"errors":[{"code":"' + code + b'"}]}')
    with pytest.raises(RegistryBusy, match="answered 404 to PUT") as caught:
        run_import(fake)
    assert caught.value.transient


@pytest.mark.parametrize("hasty", [False, True])
def test_a_proxy_that_limits_uploads_has_a_remedy(run_import: RunImport, hasty: bool) -> None:
    with pytest.raises(RegistryError, match="answered 413") as caught:
        run_import(refusing("PATCH", 413, b"<html>nginx</html>", hasty=hasty))
    assert "client_max_body_size" in caught.value.remedy
    assert not caught.value.transient


def test_what_can_pass_is_told_from_what_cannot() -> None:
    kinds: list[type[AirferryError]] = [
        RegistryUnreachable,
        RegistryStalled,
        RegistryBusy,
        RegistryFull,
        RegistryError,
    ]
    assert [True, True, True, False, False] == [kind.transient for kind in kinds]


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "HEAD"])
def test_a_registry_that_never_answers_is_given_up(run_import: RunImport, method: str) -> None:
    with pytest.raises(RegistryStalled, match="moved no byte"):
        run_import(FakeRegistry(silent=frozenset({method})))


@pytest.mark.usefixtures("_impatient")
def test_a_registry_that_stops_reading_is_given_up(open_fake: Open) -> None:
    client = open_fake(FakeRegistry(deaf=frozenset({"PATCH"})))
    endless = (bytes(1 << 20) for _ in range(1 << 10))
    with pytest.raises(RegistryStalled, match="moved no byte"):
        client.upload_stream("a/b", endless, lambda: "unused")


def test_a_mount_that_opens_a_session_is_closed_and_the_blob_sent(open_fake: Open) -> None:
    fake = FakeRegistry()
    client = open_fake(fake)
    digest = client.upload_bytes("stage", b"content")
    assert not client.mount("a/b", digest, "stage")
    assert {} == fake.sessions
    client.copy_blob("a/b", digest, "stage")
    assert (7, {}) == (client.blob_size("a/b", digest), fake.sessions)


def test_what_comes_out_of_a_pipe_is_not_tried_again(open_fake: Open, tmp_path: Path) -> None:
    """The registry's error can pass by itself, but what was read is gone from the pipe."""
    client = open_fake(refusing("PATCH", 503, b"later"))
    index = LayerIndex(tmp_path / "layers.jsonl")
    with fed_pipe(tmp_path / "pipe", docker_archive([IMAGE])) as pipe:
        importing = Import(bundle_file(pipe), client, index, threading.Event())
        with pytest.raises(AirferryError, match="answered 503 to PATCH") as caught:
            importing.run(lambda _: None)
    assert (False, True) == (caught.value.transient, "pipe" in caught.value.remedy)


def test_naming_again_sends_no_blob_that_is_there(run_import: RunImport) -> None:
    """A registry that cannot mount has every blob sent to each repository, but only once."""
    fake = FakeRegistry()
    run_import(fake)
    sent = fake.count("PATCH")
    lost = "/v2/c/manifests/1"
    del fake.manifests[lost]
    run_import(fake)
    assert lost in fake.manifests
    assert sent == fake.count("PATCH")


def test_a_blob_that_is_gone_when_it_is_to_be_copied(open_fake: Open) -> None:
    """What the registry says instead of the blob is not sent as one."""
    fake = FakeRegistry()
    client = open_fake(fake)
    with pytest.raises(RegistryError, match="answered 404 to GET"):
        client.copy_blob("a/b", digest_of(b"gone"), "stage")
    assert (0, {}) == (fake.count("PATCH"), fake.sessions)


def test_a_small_blob_is_sent_once(open_fake: Open) -> None:
    fake = FakeRegistry()
    client = open_fake(fake)
    assert client.upload_bytes("a/b", b"x") == client.upload_bytes("a/b", b"x")
    assert 1 == fake.count("PUT")


def test_an_upload_whose_source_breaks_down_is_deleted(open_fake: Open) -> None:
    fake = FakeRegistry()

    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise RegistryError("the reader broke down")

    with pytest.raises(RegistryError, match="the reader broke down"):
        open_fake(fake).upload_stream("a/b", pieces(), lambda: "unused")
    assert ({}, {}) == (fake.sessions, fake.blobs)


@pytest.mark.parametrize(
    ("status", "words"), [(401, "asks for a login"), (404, "answered 404"), (302, "answered 302")]
)
def test_what_answers_but_is_no_registry_of_ours(open_fake: Open, status: int, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        open_fake(refusing("GET", status)).site_id()


def test_site_id_of_a_foreign_registry_is_empty(open_fake: Open) -> None:
    assert "" == open_fake(FakeRegistry()).site_id()


def test_nobody_there() -> None:
    client = RegistryClient("127.0.0.1:9")
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:9 does not answer"):
        client.site_id()
    client.close()


def test_a_storage_that_the_registry_may_not_use_is_not_waited_for() -> None:
    """Its answer as recorded: tests run as root, whom no mode keeps out."""
    body = (
        b'{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":'
        b'{"DriverName":"filesystem","Enclosed":{"Op":"open","Path":"/r/docker","Err":13}}}]}'
    )
    error = Refused(Where("r:1"), "GET", "/v2/_catalog", 500, body).error()
    assert (False, True) == (error.transient, "what it stores: Permission denied" in str(error))
    assert "belong to the user" in error.remedy

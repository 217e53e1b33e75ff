"""What the real registry cannot be made to do, done by a fake one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.bundle import Checkpoint, bundle_file
from core.errors import (
    AirferryError,
    RegistryError,
    RegistryFull,
    RegistryStalled,
    RegistryUnreachable,
)
from core.registry import STAGE, RegistryClient, ingest
from core.registry import client as client_module
from tests.support.archives import ImageSpec, digest_of, layer_tar, write_bundle
from tests.support.fakeregistry import FakeRegistry, Refusal, fake_registry

IMAGE = ImageSpec(["a.b/c:1"], [layer_tar(1, 3_000_000), layer_tar(2, 4000)])
Open = Callable[[FakeRegistry], RegistryClient]


@pytest.fixture
def open_fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Serve a fake registry and make a client that waits half a second at most."""
    monkeypatch.setattr(client_module, "STALL_TIMEOUT_S", 0.5)
    with ExitStack() as stack:

        def make(fake: FakeRegistry) -> RegistryClient:
            stack.enter_context(fake_registry(fake))
            client = RegistryClient(fake.address)
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def run_import(open_fake: Open, tmp_path: Path) -> Callable[[FakeRegistry], None]:
    def run(fake: FakeRegistry) -> None:
        file = bundle_file(write_bundle(tmp_path / "b.tar", [IMAGE]))
        checkpoint = Checkpoint(tmp_path / "checkpoint")
        ingest(file, open_fake(fake), checkpoint, threading.Event(), lambda _: None)

    return run


def refusing(method: str, status: int, body: bytes = b"") -> FakeRegistry:
    def fault(asked: str, _path: str) -> Refusal | None:
        return (status, body) if asked == method else None

    return FakeRegistry(fault=fault)


def test_the_fake_takes_an_import(run_import: Callable[[FakeRegistry], None]) -> None:
    fake = FakeRegistry()
    run_import(fake)
    assert {digest_of(IMAGE.config)} < fake.repositories[STAGE]
    assert (3, {}) == (len(fake.blobs), fake.sessions)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b"slowly", RegistryUnreachable),
        (503, b"later", RegistryUnreachable),
        (502, b"", RegistryUnreachable),
        (500, b"write: no space left on device", RegistryFull),
        (500, b"oops", RegistryError),
        (413, b"too large", RegistryError),
        (403, b"DENIED", RegistryError),
        (404, b"NAME_UNKNOWN", RegistryError),
    ],
)
def test_refusals(
    run_import: Callable[[FakeRegistry], None],
    method: str,
    status: int,
    body: bytes,
    error: type[RegistryError],
) -> None:
    fake = refusing(method, status, body)
    with pytest.raises(error) as caught:
        run_import(fake)
    assert error is type(caught.value)
    assert fake.address in caught.value.what
    assert {} == fake.sessions


def test_what_can_pass_is_told_from_what_cannot() -> None:
    kinds: list[type[AirferryError]] = [
        RegistryUnreachable,
        RegistryStalled,
        RegistryFull,
        RegistryError,
    ]
    assert [True, True, False, False] == [kind.transient for kind in kinds]


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "HEAD"])
def test_a_registry_that_never_answers_is_given_up(
    run_import: Callable[[FakeRegistry], None], method: str
) -> None:
    with pytest.raises(RegistryStalled, match="moved no byte"):
        run_import(FakeRegistry(silent=frozenset({method})))


def test_a_mount_that_opens_a_session_is_closed_and_the_blob_sent(open_fake: Open) -> None:
    fake = FakeRegistry()
    client = open_fake(fake)
    digest = client.upload_bytes("stage", b"content")
    assert not client.mount("a/b", digest, "stage")
    assert {} == fake.sessions
    client.copy_blob("a/b", digest, "stage")
    assert (7, {}) == (client.blob_size("a/b", digest), fake.sessions)


def test_a_small_blob_is_sent_once(open_fake: Open) -> None:
    fake = FakeRegistry()
    client = open_fake(fake)
    assert client.upload_bytes("a/b", b"x") == client.upload_bytes("a/b", b"x")
    assert 1 == sum(line.startswith("PUT") for line in fake.asked)


def test_an_upload_whose_source_breaks_down_is_deleted(open_fake: Open) -> None:
    fake = FakeRegistry()

    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise RegistryError("the reader broke down")

    with pytest.raises(RegistryError, match="the reader broke down"):
        open_fake(fake).upload_stream("a/b", pieces(), lambda: "unused")
    assert ({}, {}) == (fake.sessions, fake.blobs)


def test_a_damaged_blob_is_not_believed(open_fake: Open) -> None:
    fake = FakeRegistry()
    client = open_fake(fake)
    digest = client.upload_bytes("a/b", b"x")
    fake.blobs[digest] = b"y"
    with pytest.raises(RegistryError, match="returned a damaged blob"):
        client.read_blob("a/b", digest)


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

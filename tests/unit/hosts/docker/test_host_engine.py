"""The way to a host's engine: what a session and a process on the host each cost."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import docker.errors
import pytest

from core.errors import DockerLineLost
from core.hosts.docker import engine
from core.hosts.docker.engine import HostEngine, open_client
from core.secrets import RegistryLogin
from tests.support.fakedocker import FakeDocker
from tests.support.processes import running


async def test_one_connection_serves_all_questions(tmp_path: Path) -> None:
    docker = FakeDocker({"site:5000/pause:1": "sha256:1"}, "site:5000")
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await docker.serve(reader, writer)
        writer.close()

    def ask() -> list[str]:
        client = open_client(f"unix://{path}")
        client.info()
        list(client.pull("site:5000/pause", tag="1", stream=True, decode=True))
        client.tag("site:5000/pause:1", "pause", "1")
        names = [name for image in client.images() for name in image["RepoTags"]]
        client.close()
        return names

    path = tmp_path / "docker.sock"
    async with await asyncio.start_unix_server(serve, path=str(path)):
        names = await asyncio.to_thread(ask)
    assert ["site:5000/pause:1", "pause:1"] == names
    assert 1 == len(connections)


def test_what_killed_engines_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Directories of processes that live, and what is not ours by its name, stay."""
    with running(["true"]) as gone:
        gone.wait()
    left = tmp_path / f"airferry-{gone.pid}-abcd_123"
    left.mkdir()
    (left / "s").write_bytes(b"")
    stay = [
        tmp_path / f"airferry-{os.getpid()}-abcd_123",
        tmp_path / f"airferry-{gone.pid}-abcd_123-of-somebody",
        tmp_path / "airferry-bench",
    ]
    for path in stay:
        path.mkdir()
    (tmp_path / f"airferry-{gone.pid}-linked_1").symlink_to(stay[2])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = engine._socket_directory()
    assert made.name.startswith(f"airferry-{os.getpid()}-")
    assert sorted([*stay, made]) == sorted(
        path for path in tmp_path.iterdir() if not path.is_symlink()
    )
    assert stay[2].is_dir()


def test_a_socket_has_a_path_that_fits_whatever_tmpdir_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / ("x" * 60) / ("y" * 60)
    far.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(far))
    made = engine._socket_directory()
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(made / "s"))
    finally:
        shutil.rmtree(made)
    assert [] == list(far.iterdir())


class Answers:
    """An engine that tells what came with each pull, and answers it."""

    def __init__(self, *events: dict[str, object], has: Sequence[str] = ()) -> None:
        self.events = events
        self.logins: list[dict[str, str]] = []
        self._has = has

    def pull(self, repository: str, **how: Any) -> list[dict[str, object]]:  # noqa: ANN401, ARG002
        self.logins.append(how["auth_config"])
        return list(self.events)

    def inspect_image(self, name: str) -> dict[str, object]:
        if name not in self._has:
            raise docker.errors.NotFound("no such image")
        return {}


class Inline:
    """Runs the SDK's calls at once."""

    async def call(self, work: Callable[[], object]) -> object:
        return work()


def engine_of(client: Answers) -> HostEngine:
    return HostEngine("h", cast(Any, client), cast(Any, Inline()))


async def test_docker_gets_the_login_with_a_pull_and_never_one_of_this_machine() -> None:
    client = Answers(END)
    engine = engine_of(client)
    await engine.pull("r/a:1", Diary())
    await engine.pull("r/a:1", Diary(), RegistryLogin("carrier", "pw"))
    await engine.pull("r/a:1", Diary(), RegistryLogin(identity_token="t"))  # noqa: S106
    expected = [{}, {"username": "carrier", "password": "pw"}, {"identitytoken": "t"}]
    assert expected == client.logins


class Diary:
    """What is told of a pull."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int | None]] = []

    def received(self, layer: str, received_bytes: int | None) -> None:
        self.entries.append((layer, received_bytes))

    def tries_again(self, layer: str, pause_s: int) -> None:
        self.entries.append((f"{layer} again", pause_s))


EVENTS: list[dict[str, object]] = [
    {"status": "Pulling from a", "id": "1"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "aa"},
    {"status": "Downloading", "progressDetail": {"current": 5, "total": 9}, "id": "aa"},
    {"status": "Retrying in 5 seconds", "progressDetail": {}, "id": "aa"},
    {"status": "Retrying in 1 second", "progressDetail": {}, "id": "aa"},
    {"status": "Verifying Checksum", "progressDetail": {}, "id": "aa"},
    {"status": "Download complete", "progressDetail": {}, "id": "aa"},
    {"status": "Extracting", "progressDetail": {"current": 3, "total": 9}, "id": "aa"},
    {"status": "Already exists", "progressDetail": {}, "id": "bb"},
    {"status": "Digest: sha256:00"},
]
END: dict[str, object] = {"status": "Status: Downloaded newer image for r/a:1"}


async def test_events_of_a_pull() -> None:
    told = Diary()
    await engine_of(Answers(*EVENTS, END)).pull("r/a:1", told)
    assert [("aa", 5), ("aa again", 5), ("aa again", 1), ("aa", None)] == told.entries


@pytest.mark.parametrize("key", ["error", "errorDetail"])
async def test_an_error_in_the_stream_of_a_pull(key: str) -> None:
    """A pull that failed is HTTP 200; the error is an event."""
    eof = "unexpected EOF"
    said: dict[str, object] = {"error": eof, "errorDetail": {"message": eof}}
    client = Answers(*EVENTS, {key: said[key]})
    with pytest.raises(DockerLineLost, match="h: pulling r/a:1: unexpected EOF"):
        await engine_of(client).pull("r/a:1", Diary())


@pytest.mark.parametrize("until", [0, 4, 9, len(EVENTS)])
async def test_a_stream_that_ends_before_its_end_is_no_success(until: int) -> None:
    with pytest.raises(DockerLineLost, match="h: pulling r/a:1: Docker broke it off") as caught:
        await engine_of(Answers(*EVENTS[:until])).pull("r/a:1", Diary())
    assert caught.value.transient


async def test_an_engine_that_never_says_how_a_pull_ended() -> None:
    """The containerd store's first engines do not; the image is there then."""
    await engine_of(Answers(*EVENTS, has=["r/a:1"])).pull("r/a:1", Diary())

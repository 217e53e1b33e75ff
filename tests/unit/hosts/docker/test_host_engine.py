"""The way to a host's engine: what a session and a process on the host each cost."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from core.errors import AirferryError, HostDiskFull, PullDenied, PullFailed
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

    def __init__(self, *events: dict[str, object]) -> None:
        self.events = events
        self.logins: list[dict[str, str]] = []

    def pull(self, repository: str, **how: Any) -> list[dict[str, object]]:  # noqa: ANN401, ARG002
        self.logins.append(how["auth_config"])
        return list(self.events)


class Inline:
    """Runs the SDK's calls at once."""

    async def call(self, work: Callable[[], object]) -> object:
        return work()


def engine_of(client: Answers) -> HostEngine:
    return HostEngine("h", cast(Any, client), cast(Any, Inline()))


async def test_docker_gets_the_login_with_a_pull_and_never_one_of_this_machine() -> None:
    client = Answers()
    engine = engine_of(client)
    await engine.pull("r/a:1", lambda *_: None)
    await engine.pull("r/a:1", lambda *_: None, RegistryLogin("carrier", "pw"))
    await engine.pull("r/a:1", lambda *_: None, RegistryLogin(identity_token="t"))  # noqa: S106
    expected = [{}, {"username": "carrier", "password": "pw"}, {"identitytoken": "t"}]
    assert expected == client.logins


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("unauthorized: authentication required", PullDenied),
        ("Head https://r/v2/a/manifests/1: no basic auth credentials", PullDenied),
        ("denied: requested access to the resource is denied", PullDenied),
        ("unexpected EOF", PullFailed),
        ("write /x: no space left on device", HostDiskFull),
    ],
)
async def test_what_docker_says_of_a_pull(said: str, kind: type[AirferryError]) -> None:
    with pytest.raises(kind, match="h: pulling r/a:1") as caught:
        await engine_of(Answers({"error": said})).pull("r/a:1", lambda *_: None)
    assert kind is type(caught.value)

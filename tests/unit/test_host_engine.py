"""The way to a host's engine: what a session and a process on the host each cost."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.hosts.engine import open_client
from tests.support.fakedocker import FakeDocker


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

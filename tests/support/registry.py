"""A fresh registry of CNCF distribution for one test or measurement."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.registry.server import find_program

START_TIMEOUT_S = 10.0


@contextmanager
def fresh_registry(base: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """Run an empty registry on a free port; yields `host:port`.

    Args:
        base: Where its storage goes, which is removed with it.
        host: The address it listens on: loopback, or this machine's in the lab's network.
    """
    with tempfile.TemporaryDirectory(dir=base, prefix="registry-") as directory:
        address = f"{host}:{_free_port(host)}"
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": directory}, "delete": {"enabled": True}},
            "http": {"addr": address, "secret": "bench"},
        }
        path = Path(directory) / "settings.yml"
        path.write_text(json.dumps(settings), encoding="utf-8")
        process = subprocess.Popen(
            [find_program(), "serve", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(address)
            yield address
        finally:
            process.terminate()
            process.wait()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return

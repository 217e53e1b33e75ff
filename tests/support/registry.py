"""A fresh registry of CNCF distribution for one test or measurement."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.config import Config
from core.registry.api.client import SITE_HEADER, RegistryClient
from core.registry.local.server import RegistryServer, find_program
from tests.support.ports import free_port
from tests.support.waiting import HANG_S


@dataclass
class RunningRegistry:
    """A registry: where it listens and stores; it can be stopped, and started again with it all."""

    address: str
    directory: Path
    certificate: tuple[Path, Path] | None = None
    site_id: str = ""
    auth: Mapping[str, object] = field(default_factory=dict)
    read_only: bool = False
    deletes: bool = True
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """Its process; 0 when it is stopped."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it and wait until it listens."""
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.directory)},
                "delete": {"enabled": self.deletes},
                "maintenance": {"readonly": {"enabled": self.read_only}},
            },
            "http": {"addr": self.address, "secret": "bench", **self._tls(), **self._headers()},
            **({"auth": self.auth} if self.auth else {}),
        }
        path = self.directory / "settings.yml"
        path.write_text(json.dumps(settings), encoding="utf-8")
        self._process = subprocess.Popen(
            [find_program(), "serve", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for(self.address)

    def _headers(self) -> dict[str, object]:
        return {"headers": {SITE_HEADER: [self.site_id]}} if self.site_id else {}

    def _tls(self) -> dict[str, object]:
        if self.certificate is None:
            return {}
        certificate, key = self.certificate
        return {"tls": {"certificate": str(certificate), "key": str(key)}}

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(HANG_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise
            finally:
                self._process = None


@contextmanager
def fresh_registry(
    base: Path, host: str = "127.0.0.1", certificate: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """Run an empty registry on a free port; yields `host:port`.

    Args:
        base: Where its storage goes, which is removed with it.
        host: The address it listens on: loopback, or this machine's in the lab's network.
        certificate: A certificate and its key, for TLS; plain HTTP without.
    """
    with running_registry(base, host, certificate) as registry:
        yield registry.address


@contextmanager
def running_registry(
    base: Path,
    host: str = "127.0.0.1",
    certificate: tuple[Path, Path] | None = None,
    auth: Mapping[str, object] | None = None,
) -> Iterator[RunningRegistry]:
    """Do the same for those who want to look at it or its storage, or stop it for a while.

    Args:
        base: As above.
        host: As above.
        certificate: As above.
        auth: How it asks for a login: the section `auth` of its settings.
    """
    with tempfile.TemporaryDirectory(dir=base, prefix="registry-") as directory:
        registry = RunningRegistry(
            f"{host}:{free_port(host)}", Path(directory), certificate, auth=auth or {}
        )
        try:
            registry.start()
            yield registry
        finally:
            registry.stop()


@contextmanager
def site_registry(config: Config, base: Path) -> Iterator[RegistryClient]:
    """Run the registry of a site in mode du on the config's port; yields a client of it."""
    server = RegistryServer(config)
    with tempfile.TemporaryDirectory(dir=base, prefix="registry-") as directory:
        registry = RunningRegistry(server.address, Path(directory), site_id=server.site_id())
        client = RegistryClient(server.address)
        try:
            registry.start()
            yield client
        finally:
            client.close()
            registry.stop()


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + HANG_S
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return

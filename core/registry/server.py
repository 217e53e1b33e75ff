"""The registry on the DU: CNCF distribution, bound to loopback, storing in `registryDir`."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from core.config import Config, Mode, ensure_state_dir
from core.errors import (
    RegistryEngineMissing,
    RegistryError,
    RegistryPortTaken,
    RegistryUnreachable,
)
from core.files import write_atomically
from core.registry.client import SITE_HEADER, RegistryClient
from core.service import Service

PROGRAMS = ("docker-registry", "registry")
START_TIMEOUT_S = 20.0
_POLL_S = 0.1


@dataclass(frozen=True)
class RegistryStatus:
    """What can be said of the DU's registry."""

    address: str
    running: bool
    ours: bool
    pid: int | None
    directory: str


class RegistryServer:
    """The registry that a config in mode `du` asks for.

    Args:
        config: The site's config.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._state_dir = config.state_dir
        self.address = f"127.0.0.1:{config.registry_port}"

    def site_id(self) -> str:
        """Return the random id by which this site's registry is told from any other."""
        path = ensure_state_dir(self._config) / "site-id"
        if not path.exists():
            write_atomically(path, secrets.token_hex(16))
        return path.read_text(encoding="ascii")

    def status(self, client: RegistryClient | None = None) -> RegistryStatus:
        """Ask the registry itself, not the pid file.

        Args:
            client: A client of it; one for this question only if None.
        """
        if client is None:
            client = RegistryClient(self.address)
            try:
                return self.status(client)
            finally:
                client.close()
        try:
            found = client.site_id()
        except RegistryUnreachable:
            found = None
        except RegistryError:
            found = ""
        return RegistryStatus(
            address=self.address,
            running=found is not None,
            ours=found == self.site_id(),
            pid=self._service().pid(),
            directory=str(self._config.registry_dir),
        )

    def settings_fit(self) -> bool:
        """Whether the running registry was started with what the config says now."""
        try:
            return self._settings_path.read_text(encoding="utf-8") == self._settings()
        except FileNotFoundError:
            return False

    def reads_only(self) -> bool:
        """Whether the registry was started for reading only, by a run that was killed since."""
        try:
            settings = json.loads(self._settings_path.read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        return "readonly" in settings["storage"]["maintenance"]

    def start(self, *, read_only: bool = False) -> None:
        """Start the registry with the config's settings and wait until it answers.

        Args:
            read_only: It takes nothing and deletes nothing; `settings_fit` says no then, so that
                whatever comes next starts it as it should be, also when this process is killed.

        Raises:
            RegistryEngineMissing: no registry program is installed.
            RegistryPortTaken: something else listens on the port.
            RegistryError: it does not come up; the end of its log is in the message.
        """
        service = self._service(find_program())
        service.stop()
        self._require_free_port()
        self._config.registry_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(self._settings_path, self._settings(read_only=read_only))
        service.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.status().ours:
                return
            if service.pid() is None:
                break
            time.sleep(_POLL_S)
        raise RegistryError(
            f"the registry does not come up at {self.address}: {_tail(service.log_path)}",
            remedy=f"Look at {service.log_path}.",
        )

    def require_startable(self) -> None:
        """Refuse what would keep it from starting.

        Raises:
            RegistryEngineMissing: no registry program is installed.
            RegistryPortTaken: something else listens on the port.
        """
        find_program()
        if self._service().pid() is None:
            self._require_free_port()

    def stop(self) -> bool:
        """Stop the registry; False if it did not run."""
        return self._service().stop()

    @property
    def _settings_path(self) -> Path:
        return self._state_dir / "registry.yml"

    def _service(self, program: str = "registry") -> Service:
        ensure_state_dir(self._config)
        return Service(
            name="airferry-registry",
            description="Airferry: the registry of this site",
            argv=(program, "serve", str(self._settings_path)),
            state_dir=self._state_dir,
        )

    def _settings(self, *, read_only: bool = False) -> str:
        """Write the registry's own config.

        There is no cache of blob descriptors: after garbage collection it would go on saying that
        deleted blobs are there (distribution#3743).
        """
        purging = {"enabled": True, "age": "24h", "interval": "1h", "dryrun": False}
        settings = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self._config.registry_dir)},
                "delete": {"enabled": True},
                "maintenance": {
                    "uploadpurging": purging,
                    **({"readonly": {"enabled": True}} if read_only else {}),
                },
            },
            "http": {
                "addr": self.address,
                "secret": self.site_id(),
                "headers": {SITE_HEADER: [self.site_id()]},
            },
        }
        return json.dumps(settings, indent=1)  # JSON is YAML

    def _require_free_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._config.registry_port))
            except OSError as error:
                raise RegistryPortTaken(
                    f"port {self._config.registry_port} on this machine is taken by another program"
                ) from error


def registry_client(config: Config) -> RegistryClient:
    """Return a client of the site's registry: the DU's own, or in mode custom the existing one."""
    if config.mode is not Mode.CUSTOM:
        return RegistryClient(RegistryServer(config).address)
    address, _, prefix = config.registry_base.partition("/")
    return RegistryClient(
        address, prefix=prefix, insecure=config.registry_insecure, ca=config.registry_ca
    )


def has_program() -> bool:
    """Whether a registry program is installed on this machine."""
    return any(shutil.which(name) for name in PROGRAMS)


def find_program() -> str:
    """Return the registry program of this machine.

    Raises:
        RegistryEngineMissing: there is none.
    """
    for name in PROGRAMS:
        found = shutil.which(name)
        if found:
            return found
    raise RegistryEngineMissing(f"no registry program found here ({' or '.join(PROGRAMS)})")


def _tail(path: Path) -> str:
    """Return the line of a log that says why the program ended, else its last line."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return "no log"
    telling = [line for line in lines if line.startswith("panic:") or "level=fatal" in line]
    return (telling or lines or ["its log is empty"])[-1][:300]

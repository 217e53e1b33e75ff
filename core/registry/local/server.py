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
    RegistryMoved,
    RegistryPortTaken,
    RegistryUnreachable,
)
from core.files import write_atomically
from core.registry.api.client import SITE_HEADER, RegistryClient
from core.registry.api.credentials import find_login
from core.registry.local.relocate import Move, holds_content, noted_move
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin
from core.service import Service

PROGRAMS = ("docker-registry", "registry")
START_TIMEOUT_S = 60.0
_POLL_S = 0.1


@dataclass(frozen=True)
class RegistryStatus:
    """What can be said of the DU's registry."""

    address: str
    running: bool
    ours: bool
    pid: int | None
    directory: str


@dataclass(frozen=True)
class Served:
    """The settings with which the DU's registry was last started."""

    address: str
    directory: Path


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

    def served(self) -> Served | None:
        """Return the settings with which it was last started; None if it never was."""
        try:
            found = json.loads(self._settings_path.read_bytes())
            directory = found["storage"]["filesystem"]["rootdirectory"]
            return Served(found["http"]["addr"], Path(directory))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def move(self) -> Move | None:
        """Return what is to be moved before it may start: a move that broke off comes first."""
        noted, served = noted_move(self._state_dir), self.served()
        if noted or served is None:
            return noted
        old, new = served.directory, self._config.registry_dir
        if old == new or not holds_content(old) or (new.exists() and old.samefile(new)):
            return None
        return Move(old, new)

    def store_in(self, directory: Path) -> None:
        """Have it store in a directory from its next start on."""
        write_atomically(self._settings_path, self._settings(directory), durable=True)

    @property
    def is_for_one_run(self) -> bool:
        """Whether a run of mode none started it, for its own time only."""
        return self._one_run_path.exists()

    @property
    def is_installed(self) -> bool:
        """Whether it runs, or is to come back after a reboot."""
        return self._service().is_installed

    def foreign_state(self) -> str:
        """Return what another site's registry on this machine was started with, if there is one."""
        return self._service().foreign_state()

    def start_for_one_run(self) -> None:
        """Start it for the time of a run; raises as `start` does."""
        ensure_state_dir(self._config)
        self._start(for_one_run=True)

    def start(self, *, read_only: bool = False) -> None:
        """Start the registry with the config's settings and wait until it answers.

        Args:
            read_only: It takes nothing and deletes nothing; `settings_fit` says no then, so that
                whatever comes next starts it as it should be, also when this process is killed.

        Raises:
            RegistryMoved: what it stored is in another directory than the config says.
            RegistryEngineMissing: no registry program is installed.
            RegistryPortTaken: something else listens on the port.
            RegistryError: it does not come up; the end of its log is in the message.
        """
        self._start(for_one_run=False, read_only=read_only)

    def _start(self, *, for_one_run: bool, read_only: bool = False) -> None:
        self.require_in_place()
        service = self._service(find_program())
        if self._changes_port():
            self._require_free_port()  # else what serves hosts now would be stopped for nothing
        service.stop()
        self._require_free_port()
        if for_one_run:
            self._one_run_path.touch()
        else:
            self._one_run_path.unlink(missing_ok=True)
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

    def require_in_place(self) -> None:
        """Refuse to start it where what it stored is not.

        Raises:
            RegistryMoved: the content is in another directory than the config says.
        """
        move = self.move()
        if move is not None and noted_move(self._state_dir):
            raise RegistryMoved(
                f"moving the registry's content from {move.source} to {move.target} broke off",
                remedy="Run: airferry reconfigure (it completes the move).",
            )
        if move is not None:
            raise RegistryMoved(
                f"the registry's content is in {move.source}; registryDir is now {move.target}"
            )

    def _changes_port(self) -> bool:
        served = self.served()
        return served is not None and served.address != self.address

    def start_as_it_was(self) -> None:
        """Start it with the settings that it had, after a change of them failed."""
        if self.served() is not None and noted_move(self._state_dir) is None:
            self._service(find_program()).start()

    def require_startable(self) -> None:
        """Refuse what would keep it from starting.

        Raises:
            RegistryEngineMissing: no registry program is installed.
            RegistryPortTaken: something else listens on the port.
        """
        find_program()
        if self._service().pid() is None or self._changes_port():
            self._require_free_port()

    def stop(self) -> bool:
        """Stop the registry; False if it did not run."""
        stopped = self._service().stop()
        self._one_run_path.unlink(missing_ok=True)
        return stopped

    @property
    def _one_run_path(self) -> Path:
        return self._state_dir / "registry-for-one-run"

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

    def _settings(self, directory: Path | None = None, *, read_only: bool = False) -> str:
        """Write the registry's own config.

        There is no cache of blob descriptors: after garbage collection it would go on saying that
        deleted blobs are there (distribution#3743).
        """
        purging = {"enabled": True, "age": "24h", "interval": "1h", "dryrun": False}
        settings = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(directory or self._config.registry_dir)},
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


def registry_client(config: Config, typed: RegistryLogin = NO_REGISTRY_LOGIN) -> RegistryClient:
    """Return a client of the site's registry: the DU's own, or in mode custom the existing one.

    Args:
        config: The site.
        typed: The login that was typed for the existing one; it may also be known elsewhere.
    """
    if config.mode is not Mode.CUSTOM:
        return RegistryClient(RegistryServer(config).address)
    address, _, prefix = config.registry_base.partition("/")
    return RegistryClient(
        address,
        prefix=prefix,
        insecure=config.registry_insecure,
        ca=config.registry_ca,
        login=lambda: find_login(config, typed),
        theirs=True,
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

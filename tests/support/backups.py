"""Registries with something in them, backed up and looked at from outside."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from core.bundle.discovery import bundle_file
from core.engine.journal import JournalReader, TaskRow
from core.registry.api.client import RegistryClient
from core.registry.backup.archive import BackupArchive, open_saved
from core.registry.backup.writer import Backup, BackupWanted
from core.registry.content.snapshot import RegistrySnapshot, read_snapshot
from core.registry.local.blob_files import BlobFiles
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.importing import Importer
from tests.support.layouts import tar_bytes
from tests.support.oci import DOCKER
from tests.support.platforms import several, two_platforms
from tests.support.waiting import HANG_S

PROGRAM = [sys.executable, "-c", "import core.cli; raise SystemExit(core.cli.main())"]
BIG = 3_000_000
APP = ImageSpec(["quay.io/site/app:1", "quay.io/site/app:stable"], [layer_tar(1, BIG)])
TOOL = ImageSpec(["tool:2"], [layer_tar(1, BIG), layer_tar(3, 4000)])
NEWER = ImageSpec(["tool:3"], [layer_tar(1, BIG), layer_tar(7, BIG)])
CREATED = "2026-11-20T14:02:00+00:00"


def fill(importer: Importer) -> None:
    """Put two images, and two for two platforms each, into a registry."""
    importer.put(docker_archive([APP, TOOL]))
    importer.put(tar_bytes(several(two_platforms())))
    importer.put(tar_bytes(several(two_platforms(), DOCKER, name="quay.io/site/docker:1")))


def seen_from_outside(address: str, names: list[str]) -> dict[str, bytes]:
    """Return the manifest of each name, and those in lists, as skopeo gets them."""
    return {name: raw(f"docker://{address}/{name}") for name in names}


def raw(name: str) -> bytes:
    """Return a manifest as skopeo gets it, from a registry or out of an archive."""
    tls = ["--tls-verify=false"] if name.startswith("docker:") else []
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", *tls, name], capture_output=True, check=True
    )
    return done.stdout


def snapshot_of(client: RegistryClient) -> RegistrySnapshot:
    return read_snapshot(client, threading.Event(), lambda _: None)


def backup_of(
    client: RegistryClient,
    directory: Path,
    name: str = "backup.tar",
    *,
    created: str = CREATED,
    part_bytes: int = 0,
    earlier: tuple[BackupArchive, ...] = (),
    config: bytes = b"# a config\n",
    files: BlobFiles | None = None,
) -> Backup:
    """Return the backup of a registry, not written yet."""
    directory.mkdir(exist_ok=True)
    wanted = BackupWanted(directory, name, created, config, part_bytes, earlier)
    return Backup(snapshot_of(client), client, wanted, threading.Event(), files=files)


def written(backup: Backup) -> Path:
    """Write a backup and return its (first) file."""
    return backup.run(lambda _: None, lambda _: None)[0]


def saved(path: Path) -> BackupArchive:
    return open_saved(bundle_file(path))


@dataclass
class Site:
    """A site whose registry is another's (mode custom), with a real command line."""

    directory: Path
    address: str
    state_dir: Path = field(init=False)

    def __post_init__(self) -> None:
        self.state_dir = self.directory / "state"
        self.config.write_text(
            f"{self.mode()}\nstateDir: {self.state_dir}\n"
            "duFqdn: secret-of-another-tool  # pw: hunter2\n"
        )

    def mode(self) -> str:
        """Return the lines of the config that say what registry it has."""
        return (
            f"privateRegistryType: custom\nprivateRegistryBase: {self.address}\n"
            "privateRegistryInsecure: true"
        )

    @property
    def config(self) -> Path:
        return self.directory / "airctl-config.yaml"

    @property
    def reader(self) -> JournalReader:
        return JournalReader(self.state_dir)

    def command(self, name: str, *arguments: str | Path) -> list[str]:
        return [*PROGRAM, *name.split(), "--config", str(self.config), *map(str, arguments)]

    def run(self, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(name, *arguments),
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    def task(self, step: str) -> TaskRow:
        """Return a step of the newest run."""
        newest = self.reader.runs()[0].id
        return next(task for task in self.reader.tasks(newest) if task.step == step)


class DuSite(Site):
    """A site with a registry of its own."""

    def mode(self) -> str:
        port = self.address.rpartition(":")[2]
        directory = self.directory / "registry"
        return f"privateRegistryType: du\nregistryPort: {port}\nregistryDir: {directory}"


def visible(directory: Path) -> list[str]:
    """Return the names of the files in a directory that are not hidden."""
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


def hidden(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith("."))


def damage(path: Path, place: int | None = None) -> None:
    """Change one bit of a file, in its middle if no place is given."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 if place is None else place)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))

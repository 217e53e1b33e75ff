"""The programs that write bundles, each with everything of its own and nothing of the machine's.

Docker and containerd are private daemons, podman and buildah have a store of their own, and all of
them run where `/var/lib` is an empty place that vanishes with them, because skopeo and its kin keep
what they know about layers there and let it decide what they write next.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import urllib3

from tests.lab import processes
from tests.lab.__main__ import spare_engine
from tests.lab.engine import Engine
from tests.lab.errors import LabError
from tests.lab.needs import SEARCH_PATH
from tests.lab.paths import make_private
from tests.lab.shell import GUARD_S, run, until
from tests.support.archives import digest_of
from tests.support.registry import fresh_registry

STOP_S = 60.0
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
WITH_EMPTY_VAR_LIB = 'mount -t tmpfs none /var/lib && exec "$@"'

CONTAINERD_SETTINGS = """\
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/opt"
"""
PODMAN_SETTINGS = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "{directory}/libpod"
[network]
network_config_dir = "{directory}/networks"
"""
REGISTRY_SETTINGS = """\
[[registry]]
location = "{registry}"
insecure = true
"""


@dataclass(frozen=True)
class Facts:
    """What skopeo tells of one image."""

    image_id: str
    """The digest of its config."""
    diff_ids: tuple[str, ...]
    platform: str
    """Such as `linux/amd64`."""


@dataclass(frozen=True)
class Workshop:
    """A directory with the daemons and settings that the programs work with."""

    directory: Path
    engine: Engine
    containerd: Path
    """The socket on which containerd answers."""
    registry: str
    """An empty registry on loopback, `host:port`, plain HTTP."""

    def run(self, program: str, *argv: str) -> str:
        """Run a program to its end and return what it wrote.

        Args:
            program: Any; docker, ctr, podman and buildah are led to what is theirs here.
            argv: Its arguments.

        Raises:
            LabError: It failed or took too long.
        """
        hidden = ("unshare", "--mount", "sh", "-c", WITH_EMPTY_VAR_LIB, "sh")
        command = (*hidden, program, *self._places(program), *argv)
        done = run(*command, env=self._environment(), cwd=self.directory)
        return done.stdout

    def facts(self, reference: str, architecture: str) -> Facts:
        """Ask skopeo about an image, in a bundle or elsewhere.

        Args:
            reference: In skopeo's form, such as `docker-archive:/path:name`.
            architecture: Which image of a list is meant.

        Raises:
            LabError: skopeo does not find it or cannot read it.
        """
        which = ("--override-os=linux", f"--override-arch={architecture}")
        text = self.run("skopeo", *which, "inspect", "--config", "--raw", reference)
        config = json.loads(text)
        return Facts(
            digest_of(text.encode()),
            tuple(config["rootfs"]["diff_ids"]),
            f"{config['os']}/{config['architecture']}",
        )

    def push_list(self, repository: str, architectures: Iterable[str]) -> None:
        """Make tag 1 in the registry a list of the images that are tagged by architecture there.

        Args:
            repository: Its path in the registry.
            architectures: The tags, in the order of the list.

        Raises:
            LabError: The registry lacks an image or refuses the list.
        """
        entries = []
        for architecture in architectures:
            pushed = f"docker://{self.registry}/{repository}:{architecture}"
            manifest = self.run("skopeo", "inspect", "--raw", pushed).encode()
            entries.append(
                {
                    "mediaType": json.loads(manifest)["mediaType"],
                    "digest": digest_of(manifest),
                    "size": len(manifest),
                    "platform": {"os": "linux", "architecture": architecture},
                }
            )
        with urllib3.PoolManager() as connections:
            answer = connections.request(
                "PUT",
                f"http://{self.registry}/v2/{repository}/manifests/1",
                json={"schemaVersion": 2, "mediaType": MANIFEST_LIST, "manifests": entries},
                headers={"Content-Type": MANIFEST_LIST},
                timeout=GUARD_S,
                retries=False,
            )
        if answer.status != HTTPStatus.CREATED:
            raise LabError(f"the registry refuses a list: {answer.status} {answer.data!r}")

    def write_settings(self) -> None:
        """Write what the programs read instead of the machine's settings."""
        make_private(self.directory / "temporary")
        make_private(self._settings("registries").parent)
        for name, text in (("containers", PODMAN_SETTINGS), ("registries", REGISTRY_SETTINGS)):
            filled = text.format(directory=self.directory, registry=self.registry)
            self._settings(name).write_text(filled, encoding="utf-8")

    def _places(self, program: str) -> tuple[str, ...]:
        store = (
            f"--root={self.directory / 'store'}",
            f"--runroot={self.directory / 'store-run'}",
            "--storage-driver=vfs",
        )
        places: dict[str, tuple[str, ...]] = {
            "docker": (f"--host={self.engine.url}",),
            "ctr": (f"--address={self.containerd}",),
            "podman": store,
            "buildah": store,
        }
        return places.get(program, ())

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": SEARCH_PATH,
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory / "temporary"),
            "CONTAINERS_CONF": str(self._settings("containers")),
        }

    def _settings(self, name: str) -> Path:
        return self.directory / ".config" / "containers" / f"{name}.conf"


@contextmanager
def workshop() -> Iterator[Workshop]:
    """Give a workshop; at the end all that it started has ended and all that it had is gone.

    Raises:
        LabError: A daemon does not start.
    """
    with tempfile.TemporaryDirectory(prefix="airferry-writers-", dir="/tmp") as name:
        directory = Path(name)
        try:
            with (
                spare_engine() as engine,
                _own_containerd(make_private(directory / "containerd")) as socket,
                fresh_registry(directory) as registry,
            ):
                made = Workshop(directory, engine, socket, registry)
                made.write_settings()
                yield made
        finally:
            processes.unmount_below(directory)


@contextmanager
def _own_containerd(directory: Path) -> Iterator[Path]:
    """Run a containerd that stores images and can do nothing else; yields its socket."""
    socket, settings = directory / "socket", directory / "config.toml"
    settings.write_text(CONTAINERD_SETTINGS.format(directory=directory), encoding="utf-8")
    options = {"config": settings, "root": directory / "root", "state": directory / "state"}
    command = ["containerd", *(f"--{name}={value}" for name, value in options.items())]
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, f"--address={socket}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": SEARCH_PATH},
        )

    def answers_or_ended() -> bool:
        asked = run("ctr", f"--address={socket}", "version", check=False)
        return asked.returncode == 0 or process.poll() is not None

    try:
        until(answers_or_ended, "the writers' containerd answers", every_s=0.1)
        if process.poll() is not None:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise LabError(f"the writers' containerd does not start: {' | '.join(lines[-1:])}")
        yield socket
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child: ask first, insist later."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""The ways to get a bundle into a registry; each begins with an empty one."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.engine.request import RunKind, RunRequest
from tests.bench.measure import (
    BenchError,
    Figure,
    Reading,
    into,
    measured,
    peak_bytes,
    processor_s,
    total,
)
from tests.lab import needs
from tests.lab.engine import Engine
from tests.support.registry import RunningRegistry, running_registry

DOCKER_TIMEOUT_S = 900.0
# An import may pass over padding, but not over layers.
MOST = 0.9
ENGINE = [sys.executable, "-m", "core.engine"]


def airferry(base: Path, bundle: Path) -> Figure:
    """Import with Airferry."""
    with _site(base, bundle) as (registry, request):
        return into(registry, lambda: measured(ENGINE, request))


def airferry_twice(base: Path, bundle: Path) -> tuple[Figure, Figure]:
    """Import with Airferry, then ask for the same again."""
    with _site(base, bundle) as (registry, request):
        cold = into(registry, lambda: measured(ENGINE, request))
        return cold, into(registry, lambda: measured(ENGINE, request))


def airferry_throttled(base: Path, bundle: Path, rate: float) -> tuple[Figure, float]:
    """Import with Airferry from a slow source.

    Args:
        base: Where temporary files go.
        bundle: The bundle.
        rate: Bytes a second.

    Returns:
        The figure, and the seconds between the last byte read and the end.

    Raises:
        BenchError: Airferry reads the bundle in a way that is not throttled.
    """
    record = base / "reading.json"
    slow = [sys.executable, "-m", "tests.bench.throttled", str(bundle), str(rate), str(record)]
    with _site(base, bundle) as (registry, request):
        figure = into(registry, lambda: measured(slow, request))
    reading = Reading(**json.loads(record.read_text(encoding="utf-8")))
    if reading.read_bytes < MOST * bundle.stat().st_size:
        raise BenchError(f"only {reading.read_bytes} bytes were read at the stick's speed")
    return figure, figure.ended_at_s - reading.last_byte_at_s


@contextmanager
def _site(base: Path, bundle: Path) -> Iterator[tuple[RunningRegistry, str]]:
    """Give an empty registry and the line that asks an engine to import the bundle into it."""
    with (
        running_registry(base) as registry,
        tempfile.TemporaryDirectory(dir=base, prefix="state-") as state,
    ):
        config = Path(state) / "airctl-config.yaml"
        config.write_text(
            f"privateRegistryType: custom\nprivateRegistryBase: {registry.address}\n"
            f"privateRegistryInsecure: true\nhosts: []\nstateDir: {state}\n",
            encoding="utf-8",
        )
        request = RunRequest(RunKind.IMPORT, config, bundles=(bundle,)).to_json()
        try:
            yield registry, f"{request}\n"
        except BenchError:
            report = f"from core.cli import main; main(['report', '--config', {str(config)!r}])"
            subprocess.run([sys.executable, "-c", report], check=False)
            raise


def prototype(base: Path, bundle: Path, program: Path) -> Figure:
    """Import with a prototype: PROGRAM BUNDLE HOST PORT."""
    with running_registry(base) as registry:
        host, _, port = registry.address.partition(":")
        command = [sys.executable, str(program), str(bundle), host, port]
        return into(registry, lambda: measured(command))


def skopeo(base: Path, bundle: Path, tags: list[str]) -> Figure:
    """Copy image by image with skopeo."""
    with running_registry(base) as registry:
        commands = [
            [
                *("skopeo", "copy", "-q", "--dest-tls-verify=false"),
                f"docker-archive:{bundle}:{tag}",
                f"docker://{_at(registry, tag)}",
            ]
            for tag in tags
        ]
        return into(registry, lambda: total(measured(command) for command in commands))


def docker(base: Path, bundle: Path, tags: list[str]) -> Figure:
    """Load, tag and push with a private engine.

    The processor time is the engine's, containerd's and the commands', the memory the engine's.

    Raises:
        LabError: there is no engine to be had on this machine.
    """
    needs.check_machine()
    with tempfile.TemporaryDirectory(prefix="airferry-bench-") as directory:
        engine = Engine(Path(directory) / "engine")
        try:
            engine.start()
            with running_registry(base) as registry:
                return into(registry, lambda: _load_and_push(engine, bundle, tags, registry))
        finally:
            engine.stop()


def _load_and_push(
    engine: Engine, bundle: Path, tags: list[str], registry: RunningRegistry
) -> Figure:
    pids = _pids(engine)
    begun, cpu_begun = time.monotonic(), sum(map(processor_s, pids)) + _commands_s()
    engine.cli("load", "--input", bundle, timeout_s=DOCKER_TIMEOUT_S)
    for tag in tags:
        engine.cli("tag", tag, _at(registry, tag))
        engine.cli("push", _at(registry, tag), timeout_s=DOCKER_TIMEOUT_S)
    wall_s = time.monotonic() - begun
    cpu_s = sum(map(processor_s, pids)) + _commands_s() - cpu_begun
    return Figure(wall_s, cpu_s, peak_bytes(pids[0]))


def _pids(engine: Engine) -> list[int]:
    containerd = engine.directory / "exec" / "containerd" / "containerd.pid"
    if engine.pid is None:
        raise BenchError("the private dockerd has ended")
    return [engine.pid, int(containerd.read_text(encoding="ascii"))]


def _commands_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _at(registry: RunningRegistry, tag: str) -> str:
    """Return where an image of the bundle goes: the domain is the registry's."""
    return f"{registry.address}/{tag.partition('/')[2]}"

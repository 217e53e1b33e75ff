"""Airferry's ways to warm hosts, measured with what the DU's services do meanwhile."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from tests.bench.host_sheet import HostFigure
from tests.bench.journal_watch import EngineWatch
from tests.bench.measure import BenchError, Figure, measured, processor_s
from tests.bench.peers import ON_HOST
from tests.lab.labhost import LabHost
from tests.lab.program import Program

SERVICES = ("airferry-registry", "airferry-tunnels")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def configure_hosts(program: Program, hosts: list[LabHost]) -> HostFigure:
    """Warm hosts with Airferry; whatever it needs on the DU runs already."""
    names = [word for host in hosts for word in ("--host", host.name)]
    with EngineWatch(program.state_dir) as watch:
        figure = on_the_line(
            hosts,
            service_pids(program),
            lambda: measured(program.command("configure-hosts", *names)),
        )
    report = program.report()
    if report["state"] != "done":
        raise BenchError(f"Airferry did not warm the hosts: {json.dumps(report)[-2000:]}")
    steps = [step for target in report["targets"] for step in target["steps"]]
    warm_s = max(step["seconds"] for step in steps if step["id"] == "images.warm")
    return replace(figure, warm_s=warm_s, cpu_s=figure.cpu_s + watch.cpu_s)


def on_the_line(hosts: list[LabHost], pids: list[int], work: Callable[[], Figure]) -> HostFigure:
    """Measure work, what it sends to hosts, and what processes of the DU do for it."""
    bytes_before, cpu_before = received_bytes(hosts), sum(map(processor_s, pids))
    hosts_before = hosts_processor_s(hosts)
    figure = work()
    cpu_s = sum(map(processor_s, pids)) - cpu_before + figure.cpu_s
    hosts_cpu_s = hosts_processor_s(hosts) - hosts_before
    line_bytes = received_bytes(hosts) - bytes_before
    return HostFigure(figure.wall_s, None, line_bytes, cpu_s, hosts_cpu_s)


def hosts_processor_s(hosts: list[LabHost]) -> float:
    """Return the processor time of the hosts, all together, by their control groups."""
    usage = (
        "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || "
        "sed -n 's/^usage_usec \\(.*\\)/\\1000/p' /sys/fs/cgroup/cpu.stat"
    )
    return sum(int(host.run("sh", "-c", usage).stdout) for host in hosts) / 1e9


def received_bytes(hosts: list[LabHost]) -> int:
    """Return what the hosts' interfaces have received, all together."""
    counter = "/sys/class/net/eth0/statistics/rx_bytes"
    return sum(int(host.run("cat", counter).stdout) for host in hosts)


def service_pids(program: Program) -> list[int]:
    """Return the DU's processes that run beside the engine."""
    records = [program.state_dir / f"{name}.pid" for name in SERVICES]
    return [int(json.loads(path.read_bytes())["pid"]) for path in records if path.exists()]


def empty_caches(hosts: list[LabHost]) -> None:
    """Leave no image on any host, and no copied bundle."""
    script = f"rm -f {ON_HOST}; docker system prune --all --force >/dev/null; docker image ls -q"
    with ThreadPoolExecutor(len(hosts)) as pool:
        for done in pool.map(lambda host: host.run("sh", "-c", script), hosts):
            if done.stdout.strip():
                raise BenchError(f"images stay on a host: {done.stdout}")


def require_images(hosts: list[LabHost], count: int) -> None:
    """Say no to a row that left less on a host than it should have."""
    for host in hosts:
        there = set(host.run("docker", "image", "ls", "--quiet", "--no-trunc").stdout.split())
        if len(there) != count:
            raise BenchError(f"{host.name} has {len(there)} images, not {count}")


def layer_sizes(registry_port: int, repository: str) -> dict[str, int]:
    """Return the compressed sizes in bytes of an image's layers, by digest."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{registry_port}/v2/{repository}/manifests/1",
        headers={"Accept": MANIFEST},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
        layers = json.load(answer)["layers"]
    return {layer["digest"]: int(layer["size"]) for layer in layers}


@contextmanager
def cleaned_up(program: Program) -> Iterator[Program]:
    """Stop what an installation runs on the DU at the end."""
    try:
        yield program
    finally:
        program.clean_up()

"""The hosts as containers: made, identified, started and removed, several at a time."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.lab import keys, network
from tests.lab.engine import Engine
from tests.lab.labhost import LabHost
from tests.lab.rootfs import IMAGE
from tests.lab.sitefiles import SiteFiles

NETWORK = "airferry-lab"
AT_ONCE = 8

# What systemd needs to be PID 1, short of `--privileged`, which asks for capabilities that a
# machine may not have itself.
RUN_OPTIONS = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run",
    "--tmpfs=/tmp:exec,mode=1777",
    "--env=container=docker",
    "--stop-signal=SIGRTMIN+3",
)


def make_network(engine: Engine) -> None:
    """Make the lab's network and its bridge, unless they are there."""
    if engine.cli("network", "inspect", NETWORK, check=False).returncode != 0:
        engine.cli(
            *("network", "create", "--driver=bridge"),
            *(f"--subnet={network.SUBNET}", f"--gateway={network.DU_ADDRESS}"),
            *("--opt", f"com.docker.network.bridge.name={network.BRIDGE}", NETWORK),
        )


def start_hosts(engine: Engine, count: int, files: SiteFiles) -> list[LabHost]:
    """Start hosts that have never seen Docker, and wait until they are ready.

    Args:
        engine: The lab's engine.
        count: How many.
        files: The site's files, which keep the keys.

    Returns:
        The hosts, by number.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda number: _start(engine, number, files), range(1, count + 1)))


def remove_containers(engine: Engine) -> None:
    """Remove every container of the engine, with its volumes."""
    identifiers = engine.cli("ps", "--all", "--quiet", "--no-trunc").stdout.split()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda each: engine.cli("rm", "--force", "--volumes", each), identifiers))


def remove_network(engine: Engine) -> None:
    """Remove the lab's network, and with it the bridge."""
    if engine.cli("network", "inspect", NETWORK, check=False).returncode == 0:
        engine.cli("network", "rm", NETWORK)


def known_hosts(hosts: Iterable[LabHost]) -> str:
    """Return a known_hosts file with the keys that are in the containers."""
    lines = []
    for host in hosts:
        algorithm, key = host.run("cat", f"/{keys.HOST_KEY}.pub").stdout.split()[:2]
        lines.append(f"{host.name},{host.address} {algorithm} {key}\n")
    return "".join(lines)


def _start(engine: Engine, number: int, files: SiteFiles) -> LabHost:
    name, address = f"worker-{number:02}", network.host_address(number)
    container_id = engine.cli(
        *("create", "--name", name, "--hostname", name, *RUN_OPTIONS),
        *("--network", NETWORK, "--ip", address, "--dns", network.DU_ADDRESS),
        *("--volume", "/var/lib/docker", IMAGE),
    ).stdout.strip()
    host_key = keys.ensure_key(files.host_keys_dir / name, name)
    identity = keys.identity_archive(host_key, files.key_path)
    with engine.client() as client:
        client.api.put_archive(container_id, "/", identity)
    engine.cli("start", container_id)
    host = LabHost(name, address, container_id, engine)
    host.wait_ready()
    return host

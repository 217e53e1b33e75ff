"""The hosts as containers: made, identified, started and removed, several at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab import keys, network
from tests.lab.engine import Engine
from tests.lab.hostkind import HostKind
from tests.lab.labhost import LabHost
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


def start_hosts(engine: Engine, count: int, files: SiteFiles, kind: HostKind) -> list[LabHost]:
    """Start hosts of a kind that have met nobody yet, and wait until they are ready.

    Args:
        engine: The lab's engine, which has the kind's image.
        count: How many.
        files: The site's files, which keep the keys.
        kind: What the hosts have.

    Returns:
        The hosts, by number.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(
            pool.map(
                lambda number: start_host(engine, network.host_name(number), number, files, kind),
                range(1, count + 1),
            )
        )


def start_host(engine: Engine, name: str, number: int, files: SiteFiles, kind: HostKind) -> LabHost:
    """Start one host and wait until it is ready.

    Args:
        engine: The lab's engine, which has the kind's image.
        name: The host's name; its keys are kept under it.
        number: Gives its address.
        files: The site's files, which keep the keys.
        kind: What the host has.
    """
    address, volume = network.host_address(number), _volume(name)
    engine.cli("volume", "create", volume)
    if kind.store:
        kind.store.copy_to(volume_directory(engine, name))
    container_id = engine.cli(
        *("create", "--name", name, "--hostname", name, *RUN_OPTIONS),
        *("--network", NETWORK, "--ip", address, "--dns", network.DU_ADDRESS),
        *("--volume", f"{volume}:/var/lib/docker", kind.image),
    ).stdout.strip()
    identity = keys.identity_archive(host_key(files, name), files.key_path)
    with engine.client() as client:
        client.api.put_archive(container_id, "/", identity)
        if kind.notes:
            client.api.put_archive(container_id, "/var/lib", kind.notes)
    engine.cli("start", container_id)
    host = LabHost(name, address, container_id, engine)
    host.wait_ready()
    return host


def host_key(files: SiteFiles, name: str) -> Path:
    """Return a host's private key, made now if it has none."""
    return keys.ensure_key(files.host_keys_dir / name, name)


def remove_containers(engine: Engine) -> None:
    """Remove every container of the engine, with its volumes."""
    identifiers = engine.cli("ps", "--all", "--quiet", "--no-trunc").stdout.split()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda each: engine.cli("rm", "--force", each), identifiers))
    volumes = engine.cli("volume", "ls", "--quiet").stdout.split()
    if volumes:
        engine.cli("volume", "rm", *volumes)


def remove_host(engine: Engine, name: str) -> None:
    """Remove one host with its volume, whatever of them is there."""
    for thing in (("rm", "--force", name), ("volume", "rm", "--force", _volume(name))):
        engine.cli(*thing, check=False)


def remove_network(engine: Engine) -> None:
    """Remove the lab's network, and with it the bridge."""
    if engine.cli("network", "inspect", NETWORK, check=False).returncode == 0:
        engine.cli("network", "rm", NETWORK)


def known_hosts(files: SiteFiles, count: int) -> str:
    """Return a known_hosts file with the keys that hosts of a site have."""
    return "".join(known_host(files, network.host_name(n), n) for n in range(1, count + 1))


def known_host(files: SiteFiles, name: str, number: int) -> str:
    """Return a host's line of that file."""
    algorithm, key = keys.public_half(host_key(files, name)).split()[:2]
    return f"{name},{network.host_address(number)} {algorithm} {key}\n"


def volume_directory(engine: Engine, name: str) -> Path:
    """Return where on this machine a host's Docker stores."""
    shown = engine.cli("volume", "inspect", "--format", "{{.Mountpoint}}", _volume(name))
    return Path(shown.stdout.strip())


def _volume(name: str) -> str:
    return f"docker-of-{name}"

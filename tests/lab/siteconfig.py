"""The site's config file, and what Airferry keeps running because of it."""

from collections.abc import Callable
from pathlib import Path

import yaml

from tests.lab.network import host_address, host_name
from tests.lab.paths import AIRFERRY_PROGRAM, lab_number, write_private
from tests.lab.shell import run
from tests.lab.sitefiles import SiteFiles

REGISTRY_PORT = 5100 + lab_number()
HOST_REGISTRY_PORT = 5001
CONCURRENCY = 16


def write(files: SiteFiles, count: int) -> None:
    """Write the config that an operator would have written for this site.

    Args:
        files: The site's files.
        count: How many hosts it has.
    """
    config = {
        "privateRegistryType": "du",
        "dockerRepo": str(files.docker_repo),
        "imagesDir": str(files.images_dir),
        "registryDir": str(files.registry_dir),
        "stateDir": str(files.state_dir),
        "registryPort": REGISTRY_PORT,
        "hostRegistryPort": HOST_REGISTRY_PORT,
        "ssh": {
            "user": "root",
            "key": str(files.key_path),
            "knownHosts": str(files.known_hosts_path),
            "concurrency": CONCURRENCY,
        },
        "hosts": [
            {"name": host_name(number), "address": host_address(number)}
            for number in range(1, count + 1)
        ],
    }
    text = yaml.safe_dump(config, sort_keys=False)
    write_private(files.config_path, f"# Made by the lab\n{text}")


def stop_airferry(config: Path, say: Callable[[str], None]) -> None:
    """Stop the tunnels and the registry that Airferry started on this machine.

    Args:
        config: The site's config file.
        say: Told about a failure, which does not keep the lab from going.
    """
    if not (AIRFERRY_PROGRAM.is_file() and config.is_file()):
        return
    for service in ("tunnels", "registry"):
        stopped = run(
            *(AIRFERRY_PROGRAM, service, "stop", "--config", config),
            check=False,
        )
        if stopped.returncode != 0:
            said = stopped.stderr.strip().splitlines()[-1:] or ["it did not say why"]
            say(f"airferry {service} stop: exit {stopped.returncode}: {said[0]}")

"""The lab's network: one bridge, fixed addresses, no way out.

The private dockerd makes no firewall rules and turns no forwarding on, so that a machine's own
Docker is not disturbed and the site is as closed as the real ones are.
"""

import ipaddress
from pathlib import Path

from tests.lab.paths import lab_number
from tests.lab.shell import run

BRIDGE = f"airferry-lab{lab_number()}"
SUBNET = ipaddress.IPv4Network(f"10.{78 + lab_number()}.0.0/24")
DU_ADDRESS = str(SUBNET[1])
FIRST_HOST = 11
MOST_HOSTS = 200


def host_address(number: int) -> str:
    """Return the address of a host, which is counted from 1."""
    return str(SUBNET[FIRST_HOST + number - 1])


def host_name(number: int) -> str:
    """Return the name of a host, which is counted from 1."""
    return f"worker-{number:02}"


def bridge_exists() -> bool:
    """Tell whether the lab's bridge is there."""
    return Path("/sys/class/net", BRIDGE).exists()


def remove_bridge() -> None:
    """Remove the bridge where an engine that died has left it."""
    if bridge_exists():
        run("ip", "link", "delete", BRIDGE)


def interface_name(index: int) -> str | None:
    """Return the name of this machine's interface with that index."""
    for entry in Path("/sys/class/net").iterdir():
        index_file = entry / "ifindex"
        if index_file.is_file() and int(index_file.read_text()) == index:
            return entry.name
    return None

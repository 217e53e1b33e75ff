"""The site's CA where Docker looks for it: `/etc/docker/certs.d/REGISTRY/ca.crt`.

Docker reads it at every pull, so the engine is not restarted for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from core.hosts.managed_state import DIRECTORY, noted
from core.hosts.ssh.connection import HostConnection

_CERTS = "/etc/docker/certs.d"
_NOTES = f"{DIRECTORY}/certificates"
_WRITE = f"""
set -eu
mkdir -p "{_CERTS}/$1" {DIRECTORY}
printf '%s\\n' "$1" >>{_NOTES}
printf %s "$2" >"{_CERTS}/$1/ca.crt.airferry-new"
mv "{_CERTS}/$1/ca.crt.airferry-new" "{_CERTS}/$1/ca.crt"
"""
_REMOVE = f"""
set -eu
for registry in "$@"; do
    rm -f "{_CERTS}/$registry/ca.crt"
    rmdir "{_CERTS}/$registry" 2>/dev/null || true
    grep -vxF -e "$registry" {_NOTES} >{_NOTES}.new || true
    mv {_NOTES}.new {_NOTES}
done
[ -s {_NOTES} ] || rm -f {_NOTES}
rmdir {DIRECTORY} 2>/dev/null || true
"""


async def trusts(link: HostConnection, registry: str, ca: Path) -> bool:
    """Whether a host's Docker has this CA for a registry (`host[:port]`)."""
    place = f"{_CERTS}/{registry}/ca.crt"
    done = await link.run_root('sha256sum <"$1" 2>/dev/null || true', place)
    return done.out[:64] == hashlib.sha256(ca.read_bytes()).hexdigest()


async def trust(link: HostConnection, registry: str, ca: Path) -> None:
    """Give a host's Docker a CA for a registry, atomically."""
    await link.run_root(_WRITE, registry, ca.read_text(encoding="ascii"))


async def trusted(link: HostConnection) -> list[str]:
    """Return the registries whose CA was given to a host."""
    return list(dict.fromkeys((await noted(link, _NOTES)).split()))


async def distrust(link: HostConnection, registries: Iterable[str]) -> None:
    """Take away the CAs that were given for some registries."""
    await link.run_root(_REMOVE, *registries)

"""The site's CA where Docker looks for it: `/etc/docker/certs.d/REGISTRY/ca.crt`.

Docker reads it at every pull, so the engine is not restarted for it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.hosts.brought import DIRECTORY, noted
from core.hosts.connection import HostLink

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
while read -r registry; do
    rm -f "{_CERTS}/$registry/ca.crt"
    rmdir "{_CERTS}/$registry" 2>/dev/null || true
done <{_NOTES}
rm -f {_NOTES}
rmdir {DIRECTORY} 2>/dev/null || true
"""


async def trusts(link: HostLink, registry: str, ca: Path) -> bool:
    """Whether a host's Docker has this CA for a registry (`host[:port]`)."""
    place = f"{_CERTS}/{registry}/ca.crt"
    done = await link.run_root('sha256sum <"$1" 2>/dev/null || true', place)
    return done.out[:64] == hashlib.sha256(ca.read_bytes()).hexdigest()


async def trust(link: HostLink, registry: str, ca: Path) -> None:
    """Give a host's Docker a CA for a registry, atomically."""
    await link.run_root(_WRITE, registry, ca.read_text(encoding="ascii"))


async def distrust(link: HostLink, *, dry: bool = False) -> bool:
    """Take away the CAs that were given; False if none was.

    Args:
        link: The host.
        dry: Only tell whether there is anything to do.
    """
    given = (await noted(link, _NOTES)).strip()
    if given and not dry:
        await link.run_root(_REMOVE)
    return bool(given)

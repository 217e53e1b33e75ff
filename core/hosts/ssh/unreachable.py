"""Why no connection to a host's sshd came about, and what helps against that very cause."""

from __future__ import annotations

import errno
import os
import socket

from core.errors import HostUnreachable

_THEN = "; then: airferry configure-hosts --only-failed"
_REFUSED = (
    "The host is there, but nothing takes connections at that port: start sshd on it (systemctl "
    "start ssh), or mend the port in the config. A firewall may refuse as well" + _THEN
)
_RESET = (
    "The host is there, but what listens on that port, or a firewall before it, resets the "
    "connection. See sshd's log on the host (journalctl -u ssh -u sshd)" + _THEN
)
_NO_NAME = (
    "Mend the address in the config, or make the name known to this machine (/etc/hosts, or its "
    "name server; try: getent hosts NAME)" + _THEN
)
_NO_NAME_SERVER = (
    "Write the host's IP address into the config, add the name to /etc/hosts, or mend this "
    "machine's name server (/etc/resolv.conf)" + _THEN
)
_NO_NETWORK = (
    "This machine has no way to that network: mend its routes (ip route), or the host's address "
    "in the config" + _THEN
)
_OWN_FIREWALL = (
    "This machine's own firewall forbids it (nft list ruleset): allow connections to the host's "
    "SSH port" + _THEN
)
_NO_INTERFACE = (
    "Mend the address in the config. A link-local one needs this machine's interface: fe80::1%eth0"
)
_NO_FILES_LEFT = (
    "This machine allows Airferry no more open files: raise the limit (ulimit -n), or lower "
    "ssh.concurrency"
)
_REMEDIES = {
    errno.ECONNREFUSED: _REFUSED,
    errno.ECONNRESET: _RESET,
    errno.EPIPE: _RESET,
    errno.ENETUNREACH: _NO_NETWORK,
    errno.EAFNOSUPPORT: _NO_NETWORK,
    errno.EADDRNOTAVAIL: _NO_NETWORK,
    errno.EACCES: _OWN_FIREWALL,
    errno.EPERM: _OWN_FIREWALL,
    errno.EINVAL: _NO_INTERFACE,
    errno.EMFILE: _NO_FILES_LEFT,
    errno.ENFILE: _NO_FILES_LEFT,
}
# What sshd on a host on the way says of the next one (strerror of its system).
_SAID = {
    "connection refused": _REFUSED,
    "connection reset": _RESET,
    "name or service not known": _NO_NAME,
    "temporary failure in name resolution": _NO_NAME_SERVER,
}


def unreachable(where: str, error: OSError) -> HostUnreachable:
    """Return our error for what the system says of a connection.

    Args:
        where: The host, for messages.
        error: What the system says.
    """
    if isinstance(error, socket.gaierror):
        again = error.errno == socket.EAI_AGAIN
        said = "no name server answers" if again else "nobody knows this name"
        remedy = _NO_NAME_SERVER if again else _NO_NAME
        return HostUnreachable(f"{where}: {said}: {error.strerror}", remedy=remedy)
    if isinstance(error, TimeoutError) or not error.errno:
        return HostUnreachable(f"{where}: no answer in time")
    # asyncio's own words ("Connect call failed ('10.0.0.1', 22)") stand in strerror.
    said = os.strerror(error.errno).lower()
    return HostUnreachable(f"{where}: {said}", remedy=_REMEDIES.get(error.errno, ""))


def unreachable_from_jump(where: str, said: str) -> HostUnreachable:
    """Return our error for what the last host on the way says of the connection.

    Args:
        where: The host, for messages.
        said: The words of that host's sshd.
    """
    remedy = next((known for mark, known in _SAID.items() if mark in said.lower()), "")
    return HostUnreachable(f"{where}: {said}", remedy=remedy)

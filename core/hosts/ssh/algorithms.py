"""The algorithms that are offered to a host's sshd, the ones that are wanted first."""

from __future__ import annotations

from core.hosts.ssh.known_hosts import HostKeys

# AES-GCM first: chacha20 takes twice the processor time where AES is in hardware. With the last
# two, all are there that OpenSSH offers: a host may be set to any one of them.
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
    "chacha20-poly1305@openssh.com",
    "aes192-ctr",
)
# In OpenSSH's order, so that a new key is the one that ssh would show. The last is for sshd of the
# time before 2016, which has no other for its RSA key.
HOST_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
)
_CERTIFICATE = "-cert-v01@openssh.com"


def host_key_algorithms(known: HostKeys, certificates: bool) -> list[str]:
    """Return what a host may prove itself with: first what is known of it, then all else.

    Args:
        known: What is known of the host.
        certificates: Ask for a certificate before anything else.
    """
    kept = set(known.algorithms)
    first = [algorithm for algorithm in HOST_KEYS if algorithm in kept]
    plain = [*first, *(algorithm for algorithm in HOST_KEYS if algorithm not in kept)]
    if not certificates:
        return plain
    signed = [a.removesuffix("@openssh.com") + _CERTIFICATE for a in HOST_KEYS]
    return [*signed, *plain]

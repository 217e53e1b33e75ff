"""SSH keys of the site: one for the DU, one for each host, made once and kept until `down`.

Hosts are recreated often. Their keys stay, as those of a machine that is installed again from the
same inventory would, so that `known_hosts` stays true.
"""

import hashlib
import io
import tarfile
from pathlib import Path

from tests.lab.archives import add_directory, add_text
from tests.lab.paths import make_private
from tests.lab.shell import run

HOST_KEY = "etc/ssh/ssh_host_ed25519_key"


def ensure_key(path: Path, comment: str) -> Path:
    """Return a private ed25519 key, made now if there is none."""
    if not path.is_file():
        make_private(path.parent)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
    return path


def public_half(key: Path) -> str:
    """Return the public line that belongs to a private key's file."""
    return key.with_name(f"{key.name}.pub").read_text(encoding="utf-8")


def identity_archive(host_key: Path, client_key: Path) -> bytes:
    """Return a tar that makes a container this host and no other.

    Args:
        host_key: The host's private key.
        client_key: The key whose owner may log in as root.

    Returns:
        The tar: host key, authorized key and machine id, with their modes.
    """
    host_public = public_half(host_key)
    machine_id = hashlib.sha256(host_public.encode()).hexdigest()[:32]
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        add_text(tar, HOST_KEY, host_key.read_text(encoding="utf-8"), 0o600)
        add_text(tar, f"{HOST_KEY}.pub", host_public)
        add_directory(tar, "root/.ssh", 0o700)
        add_text(tar, "root/.ssh/authorized_keys", public_half(client_key), 0o600)
        add_text(tar, "etc/machine-id", machine_id + "\n", 0o444)
    return content.getvalue()

"""Private key files on the DU."""

from __future__ import annotations

from pathlib import Path

import asyncssh

# Those that asyncssh takes where none is named.
USERS_KEYS = tuple(Path(f"~/.ssh/id_{kind}").expanduser() for kind in ("ed25519", "ecdsa", "rsa"))


def is_locked(path: Path) -> bool:
    """Whether a private key file needs a passphrase."""
    try:
        asyncssh.read_private_key(str(path))
    except asyncssh.KeyImportError as error:
        # Which of the two it is stands in the words only: an encrypted key of the new format
        # raises KeyEncryptionError, one of the old formats this.
        return "passphrase" in str(error).lower()
    except asyncssh.KeyEncryptionError:
        return True
    except OSError:
        return False
    return False

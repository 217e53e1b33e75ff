"""Whether this machine has room for files in memory."""

from __future__ import annotations

import shutil
from pathlib import Path


def memory_with(need_bytes: int) -> Path | None:
    """Return where files lie in memory, None if there is less room than needed.

    Args:
        need_bytes: How much.
    """
    memory = Path("/dev/shm")
    try:
        roomy = memory.is_mount() and shutil.disk_usage(memory).free >= need_bytes
    except OSError:
        return None
    return memory if roomy else None

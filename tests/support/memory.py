"""Whether this machine has room for files in memory."""

from __future__ import annotations

import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
MEMINFO = Path("/proc/meminfo")
GROUPS = Path("/sys/fs/cgroup")
KIB = 1024


def memory_with(need_bytes: int) -> Path | None:
    """Return where files lie in memory, None if there is less room than needed.

    The size of a tmpfs is only what it may take: without memory behind it, a machine stands still.

    Args:
        need_bytes: How much.
    """
    try:
        free = [shutil.disk_usage(MEMORY).free, available_bytes(), *group_rooms()]
    except (OSError, ValueError):
        return None
    return MEMORY if MEMORY.is_mount() and min(free) >= need_bytes else None


def available_bytes() -> int:
    """Return what this machine can still give without swapping (`proc_meminfo(5)`)."""
    for line in MEMINFO.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * KIB
    raise ValueError("no MemAvailable")


def group_rooms() -> list[int]:
    """Return what the control groups of this process still allow, those that have a limit.

    Read from both versions of control groups (`cgroups(7)`); cached files count as used.
    """
    rooms = []
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers == "":
            root, limit_name, used_name = GROUPS, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root = GROUPS / "memory"
            limit_name, used_name = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        group = root / own.strip("/")
        for directory in (group, *group.parents):
            if not directory.is_relative_to(root):
                break
            limit, used = _number(directory / limit_name), _number(directory / used_name)
            if limit is not None and used is not None:
                rooms.append(limit - used)
    return rooms


def _number(path: Path) -> int | None:
    """Return the number in a file; None without a file (the root has none), or without a limit."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return None if text == "max" else int(text)

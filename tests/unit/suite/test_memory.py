"""Files of tests lie in memory only where there is memory, whatever a tmpfs is said to hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import memory
from tests.support.memory import available_bytes, group_rooms, memory_with

GIB = 1 << 30


def test_a_tmpfs_without_memory_behind_it_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "group_rooms", list)
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    meminfo.write_text("MemTotal:  9 kB\nMemAvailable:  4 kB\n")
    assert 4096 == available_bytes()
    assert memory_with(4097) is None
    assert memory.MEMORY == memory_with(4096)
    meminfo.write_text("nothing\n")
    assert memory_with(1) is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": str(8 * GIB), "memory.current": str(GIB)}, [7 * GIB]),
        ({"memory.max": "max", "memory.current": "1"}, []),
        ({"memory.limit_in_bytes": "100", "memory.usage_in_bytes": "99"}, [1]),
        ({}, []),
    ],
    ids=["version-2", "no-limit", "version-1", "neither"],
)
def test_control_groups_limit_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: list[int]
) -> None:
    """Limits are put over the groups of this process, wherever it is in them."""
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, own = line.split(":", 2)
        version_1 = "memory" in controllers.split(",")
        if controllers and not version_1:
            continue
        root = tmp_path / "memory" if version_1 else tmp_path
        group = root / own.strip("/")
        group.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if ("bytes" in name) == version_1:
                (group / name).write_text(text)
    assert group_rooms() in (expected, [])  # a machine has one of the two versions for memory

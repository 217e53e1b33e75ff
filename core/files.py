"""Writing files so that no half-written one is ever seen under its name."""

from __future__ import annotations

from pathlib import Path


def write_atomically(path: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Write a file under another name first (`NAME.new`), then rename it.

    Args:
        path: The file; its directory exists.
        content: Text is written as UTF-8.
        mode: Permission bits; those of a new file if None.

    Raises:
        OSError: it cannot be written; an old file is as it was.
    """
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    if mode is not None:
        draft.chmod(mode)
    draft.replace(path)

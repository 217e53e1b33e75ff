"""RESULTS.md: a section for each bench, each written anew by its own run only."""

from __future__ import annotations

import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def put_section(path: Path, text: str) -> None:
    """Put a section into the file, in place of the one with the same title if there is one.

    Args:
        path: The file; made if it is not there.
        text: The section, whose first line is its title (`# title`).
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = [part.strip() for part in re.split(r"^(?=# )", before, flags=re.MULTILINE)]
    title = text.partition("\n")[0]
    places = [n for n, part in enumerate(sections) if part.partition("\n")[0] == title]
    if places:
        sections[places[0]] = text.strip()
    else:
        sections.append(text.strip())
    path.write_text("\n\n".join(part for part in sections if part) + "\n", encoding="utf-8")

"""What the registry holds, as lines of its screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from core.words import count, size
from tui.terminal.text import fit, safe, signed, wrapped

if TYPE_CHECKING:
    from core.engine.holdings import Held

HEADING = f"    {'name':<34}{'size':>9}  {'for':<9}from bundle"
SHARED = "Images of one base share parts: together they take less."
ORDERS: Mapping[str, Callable[[Held], object]] = {
    "name": lambda entry: entry.name,
    "size": lambda entry: (-entry.size_bytes, entry.name),
    "bundle": lambda entry: (entry.bundle, entry.name),
}
"""What `s` sorts by, one after the other."""


def held_line(entry: Held) -> Text:
    """Return a name's line of the table."""
    if entry.problem:
        return signed("x", f"{fit(entry.name, 33)} {safe(entry.problem, 200)}")
    platforms = entry.platforms or ("?",)
    more = f" +{len(platforms) - 1}" if len(platforms) > 1 else ""
    platform = fit(platforms[0].removeprefix("linux/") + more, 8)
    origin = fit(entry.bundle, 20) if entry.bundle else "not known"
    return signed("=", f"{fit(entry.name, 33)} {size(entry.size_bytes):>9}  {platform} {origin}")


def fields_of(entry: Held) -> Sequence[str]:
    """Return what `/` looks into."""
    return entry.name, entry.bundle, *entry.platforms, entry.problem


def heading(entries: Sequence[Held], address: str, order: str) -> Text:
    """Return the line above the table."""
    where = f"{count(len(entries), 'name')} in the registry {safe(address, 40)}"
    return Text(f"{fit(where, 56)}{f'by {order}':>20}", "bold")


def held_lines(entry: Held, prefix: str, width: int = 76) -> list[Text]:
    """Return all that is known of a name.

    Args:
        entry: The name.
        prefix: What hosts write before it.
        width: Cells of a line.
    """
    pairs = [
        ("name", entry.name),
        ("on hosts", f"{prefix}/{entry.name}"),
        ("size", size(entry.size_bytes)),
        ("for", ", ".join(entry.platforms) or "not known"),
        ("from", entry.bundle or "not known: no import of this site brought it"),
        ("digest", entry.digest),
        *(("image", image) for image in entry.image_ids),
    ]
    if entry.problem:
        pairs.insert(1, ("problem", entry.problem))
    lines = [
        Text(f"{'' if number else label:<10}{part}")
        for label, value in pairs
        for number, part in enumerate(wrapped(value, width - 10))
    ]
    return [*lines, Text(), *(Text(part) for part in wrapped(SHARED, width))]


def question_lines(entry: Held) -> list[str]:
    """Return what should be known before a name is deleted."""
    lines = [
        f"{entry.name}, {size(entry.size_bytes)}",
        "",
        "Hosts that have the image keep it. Hosts that lack it can get it no more.",
        "Other names of the same image stay.",
    ]
    if entry.comes_back:
        lines.append(
            f"! {entry.comes_back} in imagesDir has this name: until it is imported again the "
            "site counts as not whole, and the next import brings the name back."
        )
    elif not entry.bundle:
        lines.append("! No bundle that this site knows brings it back.")
    else:
        lines.append(f"! It came with {entry.bundle}, which is not in imagesDir any more.")
    return lines

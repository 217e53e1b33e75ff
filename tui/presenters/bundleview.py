"""What is known of the bundles, as lines of the Bundles screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from core.bundle.discovery import Ignored
from core.bundle.model import Bundle, BundleFile
from core.words import count, size
from tui.model.bundle_locations import NOT_THERE, Entry, InRegistry, Place, Shelves, new_and_here
from tui.terminal.text import day, end_of, fit, safe, signed, when, wrapped

NAME_WIDTH, STATE_WIDTH = 35, 21
HEADING = f"    {'bundle':<{NAME_WIDTH}}{'size':>9}{'images':>7}  state"
ABOUT_LINES = 2


@dataclass(frozen=True)
class Saying:
    """A bundle's state: a sign, and words that may be longer than their column."""

    sign: str
    words: str


def state_of(entry: Entry, in_registry: InRegistry | None) -> Saying:
    """Return what there is to say of a bundle."""
    bundle = entry.bundle
    if entry.gap:
        return Saying("x", entry.gap.replace(f"{entry.file.name}.", ".", 1))
    if entry.taken:
        return Saying("-", "in imagesDir already")
    if bundle is None:
        return Saying(".", "not read yet")
    if bundle.faults and not entry.on_stick:
        return _faulty(bundle)
    if in_registry is not None:
        new, there = new_and_here(bundle, in_registry)
        if new and bundle.imported and not entry.on_stick:
            return Saying("!", f"registry lacks {new} of {new + there}")
        if not bundle.imported or entry.on_stick:
            checked = ", checked" if entry.checked_at else ""
            return Saying(".", f"{new} new, {there} here already{checked}")
    if bundle.imported and not entry.on_stick:
        return Saying("=", "imported")
    if entry.checked_at:
        return Saying("=", f"checked, whole {day(entry.checked_at)}")
    return Saying(".", "read, not imported")


def _faulty(bundle: Bundle) -> Saying:
    if bundle.imported:
        return Saying("!", f"imported, {len(bundle.faults)} left out")
    first, *more = [fault.what.removeprefix(f"{bundle.name}: ") for fault in bundle.faults]
    return Saying("x", f"{first}; and {count(len(more), 'more fault')}" if more else first)


def bundle_line(entry: Entry, saying: Saying) -> Text:
    """Return a bundle's line of the table."""
    images = str(len(entry.bundle.images)) if entry.bundle else "-"
    rest = (
        f"{fit(name_of(entry.file), NAME_WIDTH - 1)} {size(entry.file.size_bytes):>9}"
        f"{images:>7}  {safe(saying.words, 200)}"
    )
    return signed(saying.sign, rest)


def name_of(file: BundleFile) -> str:
    """Return how a bundle is called, with the number of its parts."""
    return f"{file.name} ({count(len(file.parts), 'part')})" if file.parts else file.name


def stick_line(stick: Place, free_bytes: int) -> Text:
    """Return the line above the bundles of a stick.

    Args:
        stick: The stick.
        free_bytes: The room in imagesDir.
    """
    new = stick.new
    where = f"stick {end_of(str(stick.path), 28)}"
    if stick.error:
        return signed("x", f"{where}: {safe(stick.error.removeprefix(f'{stick.path}: '), 100)}")
    if not stick.entries:
        return Text(f"  {where}: no bundle on it")
    if not new:
        return signed("-", f"{where}: nothing new")
    needed = sum(file.size_bytes for file in new)
    words = f"{count(len(new), 'new bundle')}, {size(needed)} to take (+)"
    if needed > free_bytes:
        return signed("!", f"{where}: {words}, {size(free_bytes)} free", "bold")
    return signed("+", f"{where}: {words}", "bold")


def ignored_line(other: Ignored) -> Text:
    """Return the line of a file that is no bundle."""
    return Text(f"  {fit(other.name, NAME_WIDTH - 1)} ignored: {safe(other.reason, 100)}")


def heading(shelves: Shelves) -> Text:
    """Return the line above the table: how much, the room, and where."""
    if shelves.here.error.endswith(NOT_THERE):
        return signed("!", f"imagesDir {NOT_THERE}", "bold")
    if shelves.here.error:
        return signed("x", "imagesDir cannot be listed", "bold red")
    files = [entry.file for entry in shelves.here.entries]
    total = size(sum(file.size_bytes for file in files))
    free = size(shelves.room.images_free)
    what = f"{count(len(files), 'bundle')}, {total}, {free} free in"
    return Text(f"{what} {end_of(str(shelves.here.path), 76 - len(what))}", "bold")


def room_line(shelves: Shelves) -> Text:
    """Return what an import needs in the registry; empty where it needs nothing."""
    room = shelves.room
    if not room.registry_needs:
        return Text()
    needs = f"An import needs about {size(room.registry_needs)} in registryDir"
    if room.registry_needs > room.registry_free:
        return signed("x", f"{needs}, only {size(room.registry_free)} are free there.", "bold")
    return Text(f"{needs}; {size(room.registry_free)} are free there.")


def about_lines(entry: Entry, saying: Saying, width: int) -> list[Text]:
    """Return what does not fit into a bundle's line, for beside the table.

    Args:
        entry: The bundle.
        saying: Its state.
        width: Cells of a line.
    """
    file = entry.file
    lines = [Text(part, "bold") for part in wrapped(name_of(file), width)]
    lines += [Text(part) for part in wrapped(f"in {file.path.parent}", width, "  ")]
    lines += [Text(), *(Text(part) for part in wrapped(f"{saying.sign} {saying.words}", width))]
    if entry.checked_at:
        lines.append(Text(f"found whole on {when(entry.checked_at)}"))
    if entry.bundle:
        names = [image.title for image in entry.bundle.images]
        lines += [Text(), Text(count(len(names), "image"), "bold")]
        lines += [Text(fit(name, width)) for name in names]
    return lines


def below_line(entry: Entry | None, saying: Saying | None, width: int) -> Text:
    """Return what of a bundle's line was cut, for below the table; empty where nothing was."""
    if entry is None or saying is None:
        return Text()
    name, words = name_of(entry.file), safe(saying.words)
    cut = [name] if len(name) >= NAME_WIDTH else []
    cut += [words] if len(words) > STATE_WIDTH else []
    return Text("\n".join(wrapped(": ".join(cut), width)[:ABOUT_LINES]) if cut else "")


def bundle_lines(bundle: Bundle, in_registry: InRegistry | None = None) -> list[Text]:
    """Return a bundle's images, each with its names and whether the registry has it."""
    unit = "in the registry" if bundle.imported else "to send, about"
    total = f"{count(len(bundle.images), 'image')}, {size(bundle.size_bytes)}"
    if in_registry is not None:
        new, there = new_and_here(bundle, in_registry)
        total += f": {new} new, {there} in the registry already"
    lines = [
        Text(total),
        Text(),
        Text(f"{'image':<42} {'platform':<14} {unit:>15}", "bold"),
    ]
    for image in bundle.images:
        total = size(image.size_bytes)
        first, *others = [reference.familiar for reference in image.references] or ["(no name)"]
        lines.append(
            Text(f"{fit(first, 42)} {fit(image.platform, 14)} {total:>15}"),
        )
        lines += [Text(f"  also {safe(name, 66)}") for name in others]
    lines += [Text(f"x {safe(fault.what, 200)}") for fault in bundle.faults]
    lines += [Text(f"! {safe(note, 200)}") for note in bundle.remarks]
    return lines


def question_lines(files: Sequence[BundleFile], shelves: Shelves) -> list[str]:
    """Return what should be known before bundles are taken from a stick."""
    shown = [f"{size(file.size_bytes):>9}  {fit(file.name, 52)}" for file in files[:6]]
    if len(files) > len(shown):
        shown.append(f"           and {len(files) - len(shown)} more")
    needed = sum(file.size_bytes for file in files)
    free = shelves.room.images_free
    room = f"{size(needed)} of the {size(free)} that are free there."
    if needed > free:
        room = f"There is no room: {size(needed)} are needed, {size(free)} are free there."
    they = "It is" if len(files) == 1 else "They are"
    where = f"{they} copied into {end_of(str(shelves.here.path), 48)}:"
    return [*shown, "", where, room, "Checksums beside them on the stick are compared."]

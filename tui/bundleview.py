"""What is known of the bundles, as lines of the Bundles table."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from core.bundle import Bundle, BundleFile, Catalogue, Ignored, find_bundles
from core.engine.report import count, size
from core.errors import AirferryError
from tui.site import Site
from tui.text import fit, safe, signed

HEADING = f"    {'bundle':<37}{'size':>10}{'images':>8}  state"


@dataclass(frozen=True)
class Shelf:
    """What lies in imagesDir."""

    files: tuple[BundleFile, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    known: Mapping[str, Bundle] | None = None
    free_bytes: int = 0
    error: str = ""
    remedy: str = ""


def look(site: Site) -> Shelf:
    """List imagesDir and what is known of its bundles. Blocks as long as the directory does."""
    directory = site.config.images_dir
    try:
        files, ignored = find_bundles(directory)
    except AirferryError as error:
        return Shelf(error=error.what, remedy=error.remedy)
    catalogue = Catalogue(site.config.state_dir)
    found = {file.key: catalogue.find(file) or site.listed.get(file.key) for file in files}
    known = {key: bundle for key, bundle in found.items() if bundle}
    return Shelf(tuple(files), tuple(ignored), known, shutil.disk_usage(directory).free)


def bundle_line(file: BundleFile, bundle: Bundle | None, note: str = "") -> Text:
    """Return a bundle's line of the table.

    Args:
        file: The file.
        bundle: What is known of it, if anything is.
        note: What is happening to it, or went wrong, instead of its state.
    """
    images = str(len(bundle.images)) if bundle else "-"
    state = "not read yet"
    sign = "."
    if bundle:
        sign, state = ("=", "imported") if bundle.imported else (".", "read, not imported")
    if note:
        sign, state = ("x", note) if note.startswith("x ") else (">", note)
        state = state.removeprefix("x ")
    rest = f"{fit(file.name, 36)} {size(file.size_bytes):>9}{images:>8}  {safe(state, 200)}"
    return signed(sign, rest)


def ignored_line(other: Ignored) -> Text:
    """Return the line of a file that is no bundle."""
    return Text(f"  {fit(other.name, 36)} ignored: {safe(other.reason, 100)}")


def bundle_lines(bundle: Bundle) -> list[Text]:
    """Return a bundle's images, each with its names."""
    unit = "in the registry" if bundle.imported else "to send, about"
    lines = [
        Text(f"{count(len(bundle.images), 'image')}, {size(bundle.size_bytes)}"),
        Text(),
        Text(f"{'image':<42} {'platform':<14} {unit:>15}", "bold"),
    ]
    for image in bundle.images:
        total = size(sum(layer.size_bytes for layer in image.layers))
        first, *others = [reference.familiar for reference in image.references] or ["(no name)"]
        lines.append(
            Text(f"{fit(first, 42)} {fit(image.platform, 14)} {total:>15}"),
        )
        lines += [Text(f"  also {safe(name, 66)}") for name in others]
    lines += [Text(f"! {safe(note, 200)}") for note in bundle.notes]
    return lines


def heading(shelf: Shelf, site: Site) -> Text:
    """Return the line above the table: where, how much, and the room."""
    total = size(sum(file.size_bytes for file in shelf.files))
    where = safe(str(site.config.images_dir))
    what = f"{count(len(shelf.files), 'bundle')}, {total}, {size(shelf.free_bytes)} free"
    return Text(f"{what} in {where}", "bold")


def unread(shelf: Shelf) -> Sequence[BundleFile]:
    """Return the bundles of which nothing is known yet."""
    return [file for file in shelf.files if file.key not in (shelf.known or {})]

"""The tables of `make bench-backup`, and their targets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from textwrap import fill

from tests.bench.account import WIDTH
from tests.bench.table import Sheet

BACKUP = "Airferry, backup"
TAR = "`tar` of the storage directory"
TAR_SYNCED = "the same, synced"
TAR_SAFE = "the same, synced and read back (`sha256sum`)"
SKOPEO = "`skopeo sync` to a directory"
RESTORE = "Airferry, restore"
UNTAR = "`tar -x` into a storage directory"
UNTAR_SYNCED = "the same, synced  "
UNTAR_SAFE = "the same, synced and read back (`sha256sum`)  "
SKOPEO_BACK = "`skopeo sync` from a directory"

_BESIDE = {
    **dict.fromkeys((BACKUP, TAR, TAR_SYNCED, TAR_SAFE, SKOPEO), TAR),
    **dict.fromkeys((RESTORE, UNTAR, UNTAR_SYNCED, UNTAR_SAFE, SKOPEO_BACK), UNTAR),
}
_ABOUT = (
    "Made by `make bench-backup`: a registry (CNCF distribution) with the layers of 11 images, "
    "backed up and restored into an empty one, on {cores} cores. `tar` takes the storage directory "
    "as it is, without asking the registry, and looks at nothing that it copies; so there are rows "
    "with what Airferry does besides: the archive is brought to the disk, read from there and "
    "compared. Rounds are interleaved; a row is its best round."
)
_HEADER = (
    "| what | rounds | wall s | ratio to tar | CPU s, own | CPU s, registry | peak MB |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def section(sheets: Mapping[str, Sheet], load: float) -> str:
    """Return the section for RESULTS.md.

    Args:
        sheets: The figures of each place.
        load: The load average of the machine before.
    """
    parts = [
        "# Backup and restore, side by side",
        fill(_ABOUT.format(cores=os.cpu_count()), WIDTH),
    ]
    for title, sheet in sheets.items():
        parts += [f"{title[0].upper()}{title[1:]}, {sheet.notes[0]}:", _table(sheet)]
    parts += ["## What limits them", *(fill(text, WIDTH) for text in _limits(sheets))]
    parts += ["## Targets for backup and restore", _targets(sheets)]
    parts += [
        "## Notes on backup and restore",
        f"- Load average of the machine before: {load:.1f}.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(sheet: Sheet) -> str:
    return "\n".join([_HEADER, *(_row(sheet, label) for label in sheet.rows)])


def _row(sheet: Sheet, label: str) -> str:
    figure, ratio = sheet.best(label), sheet.ratio(label, _BESIDE[label])
    if figure is None or ratio is None:
        raise KeyError(label)
    registry = "-" if figure.registry_cpu_s is None else f"{figure.registry_cpu_s:.2f}"
    cells = [
        label.strip(),
        str(len(sheet.rows[label])),
        f"{figure.wall_s:.2f}",
        f"{ratio:.2f}",
        f"{figure.cpu_s:.2f}",
        registry,
        f"{figure.peak_bytes / 1e6:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _limits(sheets: Mapping[str, Sheet]) -> Iterator[str]:
    """Say where the time goes, with the figures of the first place."""
    sheet = next(iter(sheets.values()))
    figures = [sheet.best(label) for label in (BACKUP, TAR_SAFE, SKOPEO, RESTORE, SKOPEO_BACK)]
    if None in figures:
        return
    backup, safe, skopeo, restore, back = (figure for figure in figures if figure is not None)
    yield (
        f"Backup: {backup.cpu_s:.2f} CPU s of its own, the start of the program among them, and "
        f"{backup.registry_cpu_s or 0:.2f} of the registry's, whose directory the blobs are read "
        "from. Each byte is copied once, read back from the medium while more is written, and "
        "hashed twice there, side by side: for its blob and for the file's checksum. Tar, synced "
        f"and summed once, takes {safe.cpu_s:.2f}, skopeo {skopeo.cpu_s:.2f}."
    )
    yield (
        f"Restore: {restore.cpu_s:.2f} CPU s of its own and {restore.registry_cpu_s or 0:.2f} of "
        "the registry's. Each byte is hashed once, on its way from the backup to where the "
        "registry stores; that is synced, then the registry is asked whether it knows the blob. "
        f"skopeo takes {back.cpu_s:.2f} and {back.registry_cpu_s or 0:.2f}: Go's SHA-256 in the "
        "registry is what limits who goes through it. Unpacking a tar hashes nothing and asks "
        "nobody."
    )
    yield (
        "Plain tar copies memory to memory and leaves the rest to the kernel; two hashes of each "
        "byte take as long again as that copy, whoever makes them."
    )


def _targets(sheets: Mapping[str, Sheet]) -> str:
    lines = [
        "| target | wanted | wall | | CPU s, registry's too |",
        "| --- | --- | --- | --- | --- |",
    ]
    for title, sheet in sheets.items():
        for what, label, other, sign, bound in (
            ("backup, to tar", BACKUP, TAR, "<=", 1.5),
            ("backup, to tar synced", BACKUP, TAR_SYNCED, "<=", 1.5),
            ("backup, to tar synced and read back", BACKUP, TAR_SAFE, "<=", 1.5),
            ("backup, to skopeo", BACKUP, SKOPEO, "<", 1.0),
            ("restore, to tar", RESTORE, UNTAR, "<=", 1.5),
            ("restore, to tar synced", RESTORE, UNTAR_SYNCED, "<=", 1.5),
            ("restore, to tar synced and read back", RESTORE, UNTAR_SAFE, "<=", 1.5),
            ("restore, to skopeo", RESTORE, SKOPEO_BACK, "<", 1.0),
        ):
            found = sheet.ratio(label, other) or 0.0
            met = found <= bound if sign == "<=" else found < bound
            verdict = "met" if met else "**not met**"
            cpu = _cpu_s(sheet, label) / _cpu_s(sheet, other)
            cells = [f"{title}: {what}", f"{sign} {bound:g} times", f"{found:.2f}", verdict]
            lines.append(f"| {' | '.join(cells)} | {cpu:.2f} |")
    return "\n".join(lines)


def _cpu_s(sheet: Sheet, label: str) -> float:
    """Return the processor time of a row, the registry's part included."""
    figure = sheet.best(label)
    if figure is None:
        raise KeyError(label)
    return figure.cpu_s + (figure.registry_cpu_s or 0.0)

"""The report of a run as files, for whoever is not at this machine: on a stick, most of the time.

Two files of the same name: Markdown for people, JSON for programs. Both are on the disk when this
returns, because the stick is pulled at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from core.engine.journal import LogLine, RunRow, State, TaskRow
from core.engine.report import particulars_of, report_record, report_text
from core.errors import of_local_files
from core.files import write_atomically
from core.printable import printable

SUFFIXES = (".md", ".json")


def report_name(run: int) -> str:
    """Return what the report of a run is called, without a suffix."""
    return f"airferry-report-{run}"


def export_report(
    place: Path,
    run: RunRow,
    state: State,
    tasks: Iterable[TaskRow],
    log: Iterable[LogLine] = (),
) -> tuple[Path, Path]:
    """Write the report of a run as Markdown and as JSON, and return both paths.

    Args:
        place: A directory, in which they get names of their own; else the name that they are to
            have, with or without one of the two suffixes.
        run: The run.
        state: How it fares in truth.
        tasks: Its tasks.
        log: Lines of its log that are to be in it.

    Raises:
        LocalFilesError: they cannot be written; neither is ever half there.
    """
    tasks, log = list(tasks), list(log)
    particulars = particulars_of(log)
    record = report_record(run, state, tasks, particulars)
    text = report_text(run, state, tasks, particulars, log)
    if log:
        record["log"] = [asdict(line) for line in log]
    # A terminal on which the file is shown must not obey what hosts said.
    text = "\n".join(printable(line) for line in text.split("\n"))
    stem = place / report_name(run.id) if place.is_dir() else place
    if stem.suffix in SUFFIXES:
        stem = stem.with_suffix("")
    paths = tuple(stem.with_name(stem.name + suffix) for suffix in SUFFIXES)
    contents = (text, json.dumps(record, indent=1))
    try:
        for path, content in zip(paths, contents, strict=True):
            data = f"{content}\n".encode("utf-8", "backslashreplace")
            write_atomically(path, data, durable=True)
    except OSError as error:
        raise of_local_files(error, str(place)) from error
    return paths[0], paths[1]

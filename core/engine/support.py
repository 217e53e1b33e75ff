"""The support bundle: one file that says all there is to say of a site, and none of its secrets.

What goes in is named here, file by file; nothing is swept up. Every text is masked on its way.
"""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import tarfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from core.config import Config, missing_files, parse_config
from core.engine.export import report_name
from core.engine.journal import JournalReader, LogLine, RunRow
from core.engine.launcher import true_state
from core.engine.machine import SERVICES, log_of, services, system, versions
from core.engine.masking import masked, masked_config
from core.engine.report import report_record, report_text
from core.engine.request import CHANGING
from core.errors import DuDiskFull, LocalFilesError, UsageError, of_local_files
from core.files import rename_durably, sync_file

RUNS = 5
MAX_LOG_LINES = 20_000
TAIL_BYTES = 512 << 10
SUFFIX = ".tar.gz"
LOGS = ("engine.log", "screens.log")
STATUS_FILES = ("tunnels/status.json", "tunnels/wanted.json")
Entry = tuple[str, str]

_README = """\
This is a support bundle of Airferry, made on {host} at {at}.

Send it to whoever helps you with the site. You may look into it first: it is a
tar archive of text files, and nothing else.

  report-N.md      how the run went, in words (report-N.json: the same as data)
  journal.jsonl    what the last {runs} runs did, step by step, with their logs
  config.yaml      the site's config; secrets are replaced by ********
  problems.txt     what is wrong with that config, if anything is
  versions.txt     versions of Airferry and of what it stands on
  system.txt       operating system, memory, clock, room on the disks
  services.txt     whether engine, registry and tunnels run
  logs/            the ends of the logs of engine, screens, registry and tunnels
  tunnels/         which tunnels are wanted, and how each fares

What is in it about your site: names and addresses of hosts, names of images and
bundles, paths, users. What is not in it: passwords, private keys, images.
"""


def write_support_bundle(config: Config, place: Path, run: int | None = None) -> Path:
    """Write a support bundle and return its path; it is on the disk then.

    Args:
        config: The site; may be one with problems.
        place: The directory to write it into, or the file that it is to be.
        run: The run whose report is in it; the newest that changed things if None.

    Raises:
        UsageError: there is no such run.
        LocalFilesError: it cannot be written; nothing of it is left then.
    """
    path = _path_at(place)
    draft = path.with_name(f".{path.name}.new")
    try:
        with _whole_or_gone(draft) as file:
            _write(file, _entries(config, run, path.parent), path.name.removesuffix(SUFFIX))
        rename_durably((draft, path))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DuDiskFull(
                f"{path.parent}: no room for the support bundle",
                remedy="Make room there, or write it elsewhere: airferry support --to DIRECTORY",
            ) from error
        raise of_local_files(error, str(path)) from error
    return path


def _path_at(place: Path) -> Path:
    if place.is_dir():
        at = time.strftime("%Y%m%d-%H%M%S")
        return place / f"airferry-support-{socket.gethostname()}-{at}{SUFFIX}"
    return place if place.name.endswith(SUFFIX) else place.with_name(place.name + SUFFIX)


@contextmanager
def _whole_or_gone(draft: Path) -> Iterator[BinaryIO]:
    """Yield a new file that only its owner may read, which is gone if it does not get whole."""
    try:
        draft.unlink(missing_ok=True)  # of a try that was killed
        # Where others may write, one of them may have put a link there.
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            yield file
            sync_file(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _write(file: BinaryIO, entries: Iterable[Entry], root: str) -> None:
    now = time.time()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in entries:
            data = text.encode("utf-8", "backslashreplace")
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size, member.mtime, member.mode = len(data), int(now), 0o600
            archive.addfile(member, io.BytesIO(data))


def _entries(config: Config, run: int | None, place: Path) -> Iterator[Entry]:
    """Yield what goes in; what cannot be read says so in its place."""
    at = time.strftime("%Y-%m-%d %H:%M:%S %z")
    yield "README.txt", _README.format(host=socket.gethostname(), at=at, runs=RUNS)
    yield "versions.txt", _lines(versions())
    yield "system.txt", masked(_lines(system(config, place)))
    yield from _config_entries(config)
    yield "services.txt", _lines(services(config.state_dir))
    yield from _journal_entries(config, run)
    for name in LOGS:
        yield f"logs/{name}", masked(_tail(config.state_dir / name))
    for name in SERVICES:
        path, said = log_of(name, config.state_dir)
        yield f"logs/{name}.log", masked(_tail(path) if path else said)
    for name in STATUS_FILES:
        yield name, masked(_tail(config.state_dir / name))


def _config_entries(config: Config) -> Iterator[Entry]:
    try:
        text = config.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield "problems.txt", f"{config.path}: {error}\n"
        return
    found, problems = parse_config(text, config.path)
    problems = [*problems, *missing_files(found)]
    yield "problems.txt", masked(_lines(str(problem) for problem in problems) or "none\n")
    left_out = "# left out: it is not YAML, so that its secrets cannot be told from the rest\n"
    yield "config.yaml", masked_config(text) or (left_out if text.strip() else text)


def _journal_entries(config: Config, run: int | None) -> Iterator[Entry]:
    reader = JournalReader(config.state_dir)
    try:
        rows = reader.runs()
        chosen = _chosen(rows, run)
        if chosen:
            state, tasks = true_state(chosen, config.state_dir), reader.tasks(chosen.id)
            name = report_name(chosen.id).removeprefix("airferry-")
            yield f"{name}.md", masked(report_text(chosen, state, tasks)) + "\n"
            record = _masked_record(report_record(chosen, state, tasks))
            yield f"{name}.json", json.dumps(record, indent=1) + "\n"
        told = [row for n, row in enumerate(rows) if n < RUNS or row is chosen]
        yield "journal.jsonl", "".join(_journal_lines(reader, told))
    except LocalFilesError as error:
        yield "journal.jsonl", json.dumps({"error": masked(error.what)}) + "\n"


def _chosen(rows: list[RunRow], run: int | None) -> RunRow | None:
    if run is None:
        return next((row for row in rows if row.kind in CHANGING), rows[0] if rows else None)
    for row in rows:
        if row.id == run:
            return row
    raise UsageError(f"there is no run {run}", remedy="List them: airferry runs")


def _journal_lines(reader: JournalReader, rows: Iterable[RunRow]) -> Iterator[str]:
    for row in rows:
        records = [{"record": "run", **asdict(row)}]
        records += [{"record": "task", "run": row.id, **asdict(t)} for t in reader.tasks(row.id)]
        records += [{"record": "log", "run": row.id, **asdict(line)} for line in _log(reader, row)]
        for record in records:
            yield json.dumps(_masked_record(record)) + "\n"


def _log(reader: JournalReader, row: RunRow) -> Iterable[LogLine]:
    """Return the last lines of a run's log."""
    kept: deque[LogLine] = deque(maxlen=MAX_LOG_LINES)
    while found := reader.log(row.id, after=kept[-1].id if kept else 0):
        kept += found
    return kept


# The same few words stand in thousands of rows.
_masked_again = lru_cache(maxsize=4096)(masked)


def _masked_record(value: object) -> object:
    """Mask every text in a record."""
    if isinstance(value, str):
        return _masked_again(value)
    if isinstance(value, dict):
        return {key: _masked_record(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked_record(each) for each in value]
    return value


def _tail(path: Path) -> str:
    """Return the end of a file, from the beginning of a line."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - TAIL_BYTES))
            data = file.read(TAIL_BYTES)
    except FileNotFoundError:
        return "(there is none)\n"
    except OSError as error:
        return f"(cannot be read: {error.strerror})\n"
    if length > TAIL_BYTES:
        data = b"(its beginning is left out)\n" + data.partition(b"\n")[2]
    return data.decode("utf-8", "replace")


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

"""How a run ended, in plain words, for Done."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from rich.text import Text

from core.config import Config, Mode
from core.engine.causes import causes_of, warnings_of
from core.engine.journal import ENDED_WELL, State
from core.engine.report import Target, clock, targets_of
from core.engine.request import UPKEEP, RunKind
from core.errors import RegistryDamaged
from core.telling import NOTED, Detail
from core.words import count, size
from tui.model.overview import THIS_MACHINE
from tui.model.site import RunSnapshot
from tui.presenters.changing import left_lines
from tui.presenters.planview import cause_lines, warning_lines
from tui.terminal.text import fit, names, safe, signed, wrapped

_READY = {
    RunKind.VERIFY: "registry and hosts have every image of the bundles",
    RunKind.TAKE: "the bundles are in imagesDir",
    RunKind.IMPORT: "every image of the bundles is in the registry, checked part by part",
    RunKind.BACKUP: "the backup was written, read back and compared",
    RunKind.RESTORE: "the registry holds what the backup says, part by part",
    RunKind.CLEAN: "what Airferry brought there is gone",
    RunKind.REGISTRY_VERIFY: "all that the registry has stored is whole",
    RunKind.REPAIR: "all that the registry has stored is whole again",
    RunKind.GC: "the registry holds nothing that no image needs",
    RunKind.KEEP: "the registry holds the newest bundles only",
    RunKind.CHECK: "every host can take part; nothing was changed",
}
LINE = 76
_KEYS = (
    (
        re.compile(r"([;,] then): airferry configure-hosts --only-failed"),
        r"\1 press r: only what failed is done again",
    ),
    (
        re.compile(r"^Mend it: airferry registry verify --repair"),
        "Press r: Review shows what can be mended",
    ),
)
"""Remedies that name a command, and the key that does the same here."""
_BEFORE = ("registry.serve", "registry.reach")
_WORDS = {RunKind.CLEAN: "clean", RunKind.CHECK: "fit"}


def headline(snapshot: RunSnapshot) -> Text:
    """Return the one sentence that says how it went."""
    hosts = _hosts(snapshot)
    ready = [host for host in hosts if host.state in ENDED_WELL]
    if snapshot.state is State.CANCELLED:
        words = "The run was cancelled. What is done stays, and is not done twice."
    elif snapshot.state is State.INTERRUPTED:
        words = "The run was interrupted: its engine died. What is done is not done twice."
    elif not snapshot.state.went_well and not _failures(snapshot):
        words = "The run ended with an error."
    elif snapshot.run.kind == RunKind.REGISTRY_VERIFY and _is_damaged(snapshot):
        words = "The registry is not whole."
    elif not hosts:
        words = "Done." if snapshot.state.went_well else "This machine's part failed."
    elif len(ready) == len(hosts) and _failures(snapshot):
        words = "The hosts are ready, but this machine's part failed."
    else:
        words = _of_hosts(len(ready), len(hosts), _WORDS.get(RunKind(snapshot.run.kind), "ready"))
    if snapshot.state is State.PARTIAL:
        return Text(f"{words}  Of the bundles {snapshot.run.message}.", "bold yellow")
    return Text(words, "bold green" if snapshot.state is State.DONE else "bold red")


def _of_hosts(good: int, every: int, word: str) -> str:
    if good < every:
        return f"{good} of {count(every, 'host')} {word}.  {every - good} not."
    return f"All hosts are {word}." if every > 1 else f"The host is {word}."


def verdict_lines(snapshot: RunSnapshot, config: Config, *, files: bool = False) -> list[Text]:
    """Return everything below the headline.

    Args:
        snapshot: The run as it ended.
        config: The site.
        files: There are files for the cluster, which a key shows.
    """
    run = snapshot.run
    lines = [Text(f"run {run.id}, {run.kind}, mode {safe(run.mode)}, {clock(run.seconds)}"), Text()]
    lines += [Text(line) for line in _achieved(snapshot, config, files=files)]
    if run.message and snapshot.state is not State.PARTIAL:
        lines += [Text(), Text(safe(run.message), "bold")]
    causes = causes_of(snapshot.tasks)
    if causes:
        lines.append(Text())
    for cause in causes:
        lines += cause_lines(replace(cause, remedy=_with_keys(cause.remedy)))
    blocked = [t.name for t in targets_of(snapshot.tasks) if t.state is State.BLOCKED]
    if blocked:
        lines.append(Text(f"not tried    {names(blocked)}"))
    warned = warning_lines(warnings_of(snapshot.tasks, run))
    return [*lines, *([Text()] if warned else []), *warned]


def _with_keys(remedy: str) -> str:
    for command, key in _KEYS:
        remedy = command.sub(key, remedy)
    return remedy


def _achieved(snapshot: RunSnapshot, config: Config, *, files: bool) -> list[str]:
    hosts = _hosts(snapshot)
    ready = [host for host in hosts if host.state in ENDED_WELL]
    kind = RunKind(snapshot.run.kind)
    lines = []
    if snapshot.state.went_well:
        default = "every image is there under its name; pulled and checked by ID"
        what = _READY.get(kind, default if hosts else "this machine's part is done")
        lines.append(f"ready        {what}")
        if snapshot.state is State.PARTIAL:
            lines.append("             but for what was left out, as was asked for: see below")
    if kind is RunKind.TAKE:
        return [*lines, *_taken(snapshot)]
    if kind in (RunKind.BACKUP, RunKind.RESTORE):
        said = [task.message for task in snapshot.tasks if task.step == f"registry.{kind}"]
        return [*lines, *(_folded(kind, " ".join(said)) if any(said) else [])]
    if kind in UPKEEP:
        own = [task for task in snapshot.tasks if not task.step.startswith(_BEFORE)]
        said = [task.message for task in own if task.state in ENDED_WELL and task.message]
        return [*lines, *(line for words in said for line in _folded("registry", words))]
    if hosts:
        word = _WORDS.get(kind, "ready")
        lines.append(f"hosts        {len(ready)} of {len(hosts)} {word}")
        idle = sum(host.nothing_to_do for host in hosts)
        if idle:
            lines.append(f"             {idle} had everything already: nothing was changed there")
    if kind in _WORDS:
        return lines
    here = sum(t.bytes_done for t in targets_of(snapshot.tasks) if t.name == THIS_MACHINE)
    there = sum(host.bytes_done for host in hosts)
    if here or there:
        lines.append(f"moved        {size(here)} read here, {size(there)} sent to hosts")
    if kind is RunKind.RECONFIGURE:
        lines += left_lines(snapshot.tasks)
    if config.mode is Mode.DU and _serves(snapshot):  # in mode none it was there for the run only
        lines.append(f"running      registry on 127.0.0.1:{config.registry_port} of this machine")
    if snapshot.state.went_well:
        lines += _names(config, files=files)
    return lines


def _is_damaged(snapshot: RunSnapshot) -> bool:
    return any(task.error_code == RegistryDamaged.code for task in snapshot.tasks)


def _folded(label: str, words: str) -> list[str]:
    return wrapped(f"{label:<13}{safe(words)}", 76, " " * 13)


def particular_lines(particulars: Iterable[Detail], width: int = 76) -> list[Text]:
    """Return what a run told one by one, for Done and Review; digests are one Enter deeper."""
    signs = {"goes": "-", "stays": "=", "mended": "=", "comes back": "!", NOTED: "!"}
    lines = []
    for one in particulars:
        subject = names(one.names, 40) if one.names else safe(one.subject, 40)
        sized = f"{size(one.size_bytes):>9}" if one.size_bytes else " " * 9
        note = f"  ({safe(one.note)})" if one.note else ""
        words = f"{one.what:<10} {sized}  {subject}{note}"
        first, *rest = wrapped(words, width - 6, " " * 22)
        lines += [signed(signs.get(one.what, "x"), first), *(Text(f"   {part}") for part in rest)]
    return lines


def _names(config: Config, *, files: bool) -> list[str]:
    """Return how images are called on this site, and where that is told to others."""
    more = "files for the cluster: e" if files else ""
    if config.mode is Mode.NONE:
        return [f"names        the original ones     {more}".rstrip()]
    name = f"names        {safe(config.name_prefix)}/<image>"
    together = f"{name}     {more}".rstrip()
    return [together] if len(together) <= LINE else [name, f"             {more}"]


def _taken(snapshot: RunSnapshot) -> list[str]:
    """Return a line for each bundle that was copied: whether there was a checksum to compare."""
    return [
        f"copied       {size(task.bytes_done):>9}  {fit(task.message, 22)} "
        f"{fit(task.step.partition(':')[2], 30)}"
        for task in snapshot.tasks
        if task.state is State.DONE
    ]


def _serves(snapshot: RunSnapshot) -> bool:
    return any(
        task.step == "registry.serve" and task.state in ENDED_WELL for task in snapshot.tasks
    )


def _hosts(snapshot: RunSnapshot) -> list[Target]:
    return [target for target in targets_of(snapshot.tasks) if target.name != THIS_MACHINE]


def _failures(snapshot: RunSnapshot) -> bool:
    return any(task.state not in ENDED_WELL for task in snapshot.tasks)

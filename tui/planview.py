"""The dry run in plain words, for Review: what will be done where, what cannot, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from core.engine.journal import LogLine, State, TaskRow
from core.engine.report import Target, count, size, targets_of
from tui.findings import THIS_MACHINE
from tui.text import fit, names, safe, signed, wrapped

WIDTH = 76
_DU_WORDS = {
    "registry.serve": "start the registry",
    "tunnels.serve": "start the tunnel service",
}
_HOST_WORDS = {
    "docker.install": "install Docker",
    "docker.configure": "set up Docker",
    "tunnel.open": "open the tunnel",
    "images.warm": "images",
}


@dataclass(frozen=True)
class Cause:
    """Failures that have one cause and one remedy."""

    code: str
    remedy: str
    targets: tuple[str, ...]
    what: str


def causes_of(tasks: Iterable[TaskRow]) -> list[Cause]:
    """Group failures by code and remedy, in the order in which they come."""
    grouped: dict[tuple[str, str], list[TaskRow]] = {}
    for task in tasks:
        if task.error_code:
            grouped.setdefault((task.error_code, task.remedy), []).append(task)
    return [
        Cause(code, remedy, tuple(dict.fromkeys(row.target for row in rows)), rows[0].error)
        for (code, remedy), rows in grouped.items()
    ]


def cause_lines(cause: Cause, width: int = WIDTH) -> list[Text]:
    """Return a cause in lines: who, what happened, what to do."""
    label = names(("this machine" if t == THIS_MACHINE else t for t in cause.targets), width - 20)
    lines = [signed("x", f"{label}  [{cause.code}]", "bold")]
    lines += [Text(f"    {line}") for line in wrapped(cause.what, width - 4)[:4]]
    lines += [Text(f"    {line}") for line in wrapped(cause.remedy, width - 4)[:4]]
    return lines


def nothing_to_do(tasks: Sequence[TaskRow]) -> bool:
    """Whether everything is there already."""
    return all(task.state is State.PRESENT for task in tasks)


def plan_lines(tasks: Sequence[TaskRow], warnings: Sequence[LogLine], machine: str) -> list[Text]:
    """Return what Review shows.

    Args:
        tasks: The tasks of a dry run.
        warnings: What it warned of.
        machine: This machine's name.
    """
    targets = targets_of(tasks)
    du = [task for target in targets if target.name == THIS_MACHINE for task in target.tasks]
    hosts = [target for target in targets if target.name != THIS_MACHINE]
    lines = [Text(line) for line in _du_lines(du, machine)]
    lines += [Text(line) for line in _host_lines(hosts)]
    causes = causes_of(tasks)
    if causes or warnings:
        lines.append(Text())
    for cause in causes:
        lines += cause_lines(cause)
    if causes and any(not _failed(host) for host in hosts):
        lines.append(Text("    The other hosts go on without them."))
    for text in dict.fromkeys(line.text for line in warnings):
        first, *rest = wrapped(text, WIDTH - 4)
        lines += [signed("!", first), *(Text(f"    {line}") for line in rest)]
    return lines


def _du_lines(du: list[TaskRow], machine: str) -> list[str]:
    if not du:
        return []
    missing = [task for task in du if task.state is State.MISSING]
    parts = [_DU_WORDS[task.step] for task in missing if task.step in _DU_WORDS]
    for prefix, verb in (("bundle.import:", "import"), ("bundle.read:", "read")):
        found = [task for task in missing if task.step.startswith(prefix)]
        if found:
            total = sum(task.bytes_total for task in found)
            moved = f" ({size(total)} to read)" if total else ""
            parts.append(f"{verb} {count(len(found), 'bundle')}{moved}")
    known = (*_DU_WORDS, "bundle")
    parts += [safe(task.message) for task in missing if not task.step.startswith(known)]
    label = f"Here ({safe(machine, 30)})"
    if not missing:
        failed = any(task.error_code for task in du)
        return [f"{label:<19}{'cannot be done' if failed else 'nothing to do'}"]
    return [f"{label if not n else '':<19}{part}" for n, part in enumerate(parts)]


def _host_lines(hosts: list[Target]) -> list[str]:
    if not hosts:
        return ["No hosts           only this machine's part is done"]
    failed = sum(_failed(host) for host in hosts)
    able = len(hosts) - failed
    verdict = f"{able} can be done" + (f", {failed} cannot" if failed else "")
    lines = [f"{count(len(hosts), 'host'):<19}{verdict}"]
    for step, words in _HOST_WORDS.items():
        missing = [
            task
            for host in hosts
            for task in host.tasks
            if task.step == step and task.state is State.MISSING
        ]
        if missing:
            lines.append(_step_line(words, missing))
    idle = sum(host.nothing_to_do for host in hosts)
    if idle:
        lines.append(f"  {'nothing to do':<17}{idle}")
    return lines


def _step_line(words: str, missing: list[TaskRow]) -> str:
    total = sum(task.bytes_total for task in missing)
    upto = "up to " if missing[0].step == "images.warm" else ""
    moved = f"{upto}{size(total)}" if total else ""
    who = names((task.target for task in missing), 32)
    return f"  {words:<17}{len(missing):<5}{moved:<17}{who}"


def _failed(target: Target) -> bool:
    return any(task.error_code for task in target.tasks)


def detail_lines(tasks: Sequence[TaskRow]) -> list[Text]:
    """Return what every target lacks, step by step (one Enter deeper than the summary)."""
    lines: list[Text] = []
    for target in targets_of(tasks):
        label = "this machine" if target.name == THIS_MACHINE else target.name
        lines.append(Text(safe(label), "bold"))
        for task in target.tasks:
            if task.state is State.MISSING:
                moved = f" ({size(task.bytes_total)})" if task.bytes_total else ""
                first, *rest = wrapped(f"{task.title}: {task.message}{moved}", WIDTH - 6)
                lines += [signed("+", first), *(Text(f"    {line}") for line in rest)]
            elif task.error_code:
                lines.append(signed("x", f"{fit(task.title, 12)} {safe(task.error, 300)}"))
        if target.nothing_to_do:
            lines.append(signed("-", "nothing to do"))
    return lines

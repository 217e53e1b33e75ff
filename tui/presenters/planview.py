"""The dry run in plain words, for Review: what will be done where, what cannot, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from core.engine.causes import Cause, causes_of, warned_words, what_of
from core.engine.journal import State, TaskRow
from core.engine.report import Target, targets_of
from core.errors import BundleError
from core.words import count, size
from tui.model.logins import secret_asked_for
from tui.model.overview import THIS_MACHINE
from tui.presenters.costview import Cost, cost_lines
from tui.presenters.runview import name_of, said_of
from tui.terminal.text import fit, names, safe, signed, wrapped

WIDTH = 76
_DU_WORDS = {
    "registry.serve": "start the registry",
    "tunnels.serve": "start the tunnel service",
    "cluster.files": "write the files for the cluster",
}
_HOST_WORDS = {
    "docker.install": "install Docker",
    "docker.configure": "set up Docker",
    "docker.login": "keep the login",
    "tunnel.open": "open the tunnel",
    "images.warm": "images",
    "tunnel.close": "close the tunnel",
    "images.remove": "remove images",
    "docker.restore": "restore Docker",
    "docker.remove": "remove Docker",
}


def cause_lines(cause: Cause, width: int = WIDTH) -> list[Text]:
    """Return a cause in lines: who, what happened, what to do."""
    label = names(("this machine" if t == THIS_MACHINE else t for t in cause.targets), width - 22)
    lines = [signed("x", f"{label}  [{cause.code}]", "bold")]
    lines += [Text(f"    {line}") for line in wrapped(cause.what, width - 4)[:4]]
    lines += [Text(f"    {line}") for line in wrapped(cause.remedy, width - 4)[:4]]
    if secret_asked_for(cause.code, cause.what, cause.remedy):
        lines.append(Text("    w: type it now; then they are asked again.", "bold"))
    return lines


def nothing_to_do(tasks: Sequence[TaskRow]) -> bool:
    """Whether everything is there already."""
    return all(task.state is State.PRESENT for task in tasks)


def has_bad_bundle(tasks: Iterable[TaskRow]) -> bool:
    """Whether something is wrong with a bundle, so that only a part of it could be imported."""
    steps = ("bundle.import:", "bundle.read:")
    return any(
        task.step.startswith(steps) and task.error_code.startswith(BundleError.code)
        for task in tasks
    )


def keep_going_lines(*, keeps_going: bool) -> list[Text]:
    """Return what the key says that leaves out what is bad of bundles."""
    words = "d: leave out what is bad of bundles, and import the rest."
    if keeps_going:
        words = "What is bad of bundles is left out, the rest imported. d: not so."
    return [Text(), Text(words, "bold")]


def plan_lines(
    tasks: Sequence[TaskRow],
    warnings: Sequence[Cause],
    machine: str,
    cost: Cost | None = None,
    *,
    with_hosts: bool = True,
    changes: Sequence[Text] | None = None,
) -> list[Text]:
    """Return what Review shows.

    Args:
        tasks: The tasks of a dry run.
        warnings: What it warned of, grouped.
        machine: This machine's name.
        cost: What it will cost, if there is anything to do.
        with_hosts: Whether it is about hosts at all; a backup, say, is not.
        changes: What stands in the place of this machine's and the hosts' lines.
    """
    targets = targets_of(tasks)
    du = [task for target in targets if target.name == THIS_MACHINE for task in target.tasks]
    hosts = [target for target in targets if target.name != THIS_MACHINE]
    if changes is None:
        lines = [Text(line) for line in (*_du_lines(du, machine), *_registry_lines(du))]
        lines += [Text(line) for line in _host_lines(hosts)] if hosts or with_hosts else []
    else:
        lines = list(changes)
    lines += cost_lines(cost, WIDTH) if cost else []
    causes = causes_of(tasks)
    if causes or warnings:
        lines.append(Text())
    for cause in causes:
        lines += cause_lines(cause)
    if len({_failed(host) for host in hosts}) > 1:
        lines.append(Text("    The other hosts go on without them."))
    return [*lines, *warning_lines(warnings)]


def warning_lines(warnings: Iterable[Cause], width: int = WIDTH) -> list[Text]:
    """Return each warning once: on which hosts, what is so of the first of them, what to do."""
    lines: list[Text] = []
    for cause in warnings:
        said = f"{what_of(cause).rstrip('.')}. {cause.remedy}"
        if len(cause.targets) == 1:
            where = "" if cause.targets == (THIS_MACHINE,) else f"{cause.targets[0]}: "
            first, *rest = wrapped(f"{where}{said} [{cause.code}]", width - 4)
            lines.append(signed("!", first))
        else:
            words = f"{warned_words(cause)}: "
            room = width - 6 - len(words) - len(cause.code)
            shown = f"{words}{names(cause.targets, max(room, 30))}  [{cause.code}]"
            first, *more = wrapped(shown, width - 4)
            lines += [signed("!", first, "bold"), *(Text(f"    {part}", "bold") for part in more)]
            rest = wrapped(said, width - 4)
        lines += [Text(f"    {part}") for part in rest]
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
    parts += [_said(task) for task in missing if not task.step.startswith(known)]
    label = f"Here ({safe(machine, 30)})"
    if not missing:
        failed = any(task.error_code for task in du)
        return [f"{label:<19}{'cannot be done' if failed else 'nothing to do'}"]
    folded = [line for part in parts for line in wrapped(part, WIDTH - 19, "  ")]
    return [f"{label if not n else '':<19}{line}" for n, line in enumerate(folded)]


def _registry_lines(du: list[TaskRow]) -> list[str]:
    """Return what the site's own registry (mode custom) said of the login."""
    reached = [t for t in du if t.step == "registry.reach" and t.state is State.PRESENT]
    return [fit(f"{'Registry':<19}{safe(task.message)}", WIDTH).rstrip() for task in reached]


def _said(task: TaskRow) -> str:
    """Return a missing task in its own words, as what will be done."""
    words = safe(task.message)
    moved = f" ({size(task.bytes_total)})" if task.bytes_total else ""
    if task.step == "registry.backup":
        return f"write a backup of {words.removeprefix('no backup of ')}{moved}"
    if task.step == "registry.repair" and moved:
        return f"mend: {words} ({size(task.bytes_total)} to read)"
    if task.step == "registry.gc":
        return f"give back {words}"
    if task.step == "registry.keep":
        return f"delete {words}"
    verb = {"registry.restore": "restore", "registry.repair": "mend"}.get(task.step)
    return f"{verb}: {words}{moved}" if verb else words


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


TABLE_HEADING = f"    {'host':<15}{'to do':>7}{'up to':>11}  what is missing"


def table_line(target: Target) -> Text:
    """Return a target's line of the table of what is missing where."""
    missing = [task for task in target.tasks if task.state is State.MISSING]
    total = sum(task.bytes_total for task in missing)
    failed = next((task for task in target.tasks if task.error_code), None)
    sign = "x" if failed else ("+" if missing else "-")
    what = ", ".join(_HOST_WORDS.get(task.step, task.title) for task in missing)
    if failed:
        what = said_of(failed)
    steps = count(len(missing), "step") if missing else ""
    moved = size(total) if total else ""
    rest = f"{fit(name_of(target.name), 14)} {steps:>7}{moved:>11}  {safe(what, 200)}"
    return signed(sign, rest if missing or failed else f"{rest}nothing to do")


def detail_lines(target: Target, width: int = WIDTH) -> list[Text]:
    """Return what a target lacks, step by step, and what stands in the way of it."""
    lines = [Text(name_of(target.name), "bold")]
    for task in target.tasks:
        if task.state is State.MISSING:
            moved = f" ({size(task.bytes_total)})" if task.bytes_total else ""
            lines += _folded("+", f"{task.title}: {task.message}{moved}", width)
        elif task.error_code:
            lines += _folded("x", f"{task.title}: {said_of(task)} [{task.error_code}]", width)
            lines += [Text(f"    {part}") for part in wrapped(task.remedy, width - 4)]
    if target.nothing_to_do:
        lines.append(signed("-", "nothing to do"))
    return lines


def _folded(sign: str, words: str, width: int) -> list[Text]:
    first, *rest = wrapped(words, width - 6)
    return [signed(sign, first), *(Text(f"    {line}") for line in rest)]

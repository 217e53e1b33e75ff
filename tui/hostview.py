"""What a test of a host said, as a line of the Hosts table and in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.text import Text

from core.config import Config, HostConfig
from core.engine.journal import LogLine, State, TaskRow
from core.engine.report import Target
from tui.text import fit, safe, signed, wrapped

NEW_KEY, CHANGED_KEY = "E-SSH-KEY-NEW", "E-SSH-KEY-CHANGED"
HEADING = f"    {'name':<14}{'address':<17}{'login':<9}{'key':<8}what is known"


@dataclass(frozen=True)
class HostResult:
    """How one host answered."""

    sign: str
    key: str
    words: str
    code: str = ""
    error: str = ""
    remedy: str = ""
    warnings: tuple[str, ...] = ()


UNTESTED = HostResult(".", "-", "not tested yet")
TESTING = HostResult(".", "-", "testing..")


def result_of(target: Target, log: Iterable[LogLine]) -> HostResult:
    """Return what a test found.

    Args:
        target: The host's tasks in a run of kind `check`.
        log: The run's warnings.
    """
    failed = next((task for task in target.tasks if task.error_code), None)
    connect = next((task for task in target.tasks if task.step == "connect"), None)
    if failed:
        return _failure(failed)
    if connect is None or target.state in (State.WAITING, State.RUNNING):
        return TESTING
    if target.state is not State.DONE:
        return HostResult("x", "-", target.state.value)
    warnings = tuple(
        line.text for line in log if line.target == target.name and line.level == "warning"
    )
    words = warnings[0].removeprefix(f"{target.name} ") if warnings else connect.message
    return HostResult("!" if warnings else "=", "known", words, warnings=warnings)


def _failure(task: TaskRow) -> HostResult:
    key = {NEW_KEY: "NEW", CHANGED_KEY: "CHANGED"}.get(task.error_code, "-")
    sign = "!" if task.error_code == NEW_KEY else "x"
    words = task.error.partition("): ")[2] or task.error.removeprefix(f"{task.target} ")
    if task.error_code == NEW_KEY:
        words = task.error.rpartition(": ")[2]
    known = "known" if task.step != "connect" else key
    return HostResult(sign, known, words, task.error_code, task.error, task.remedy)


def host_line(host: HostConfig, result: HostResult) -> Text:
    """Return the host's line of the table."""
    port = f":{host.port}" if host.port != 22 else ""
    rest = (
        f"{fit(host.name, 13)} {fit(host.address + port, 16)} {fit(host.user, 8)} "
        f"{fit(result.key, 7)} {safe(result.words, 200)}"
    )
    return signed(result.sign, rest)


def about_lines(result: HostResult, width: int = 76) -> list[str]:
    """Return three lines about the host under the cursor: what is wrong, and what to do."""
    if result.code:
        said = fit(f"{result.error} [{result.code}]", width)
        return [said, *[*wrapped(result.remedy, width), ""][:2]]
    return [*wrapped(result.warnings[0] if result.warnings else result.words, width), "", ""][:3]


def full_lines(host: HostConfig, result: HostResult, config: Config) -> list[Text]:
    """Return everything that is known of a host."""
    key = host.key or config.ssh.key or "the agent's keys"
    lines = [
        f"address     {safe(host.address)}, port {host.port}",
        f"login       {safe(host.user)}, key {safe(str(key))}",
        "",
    ]
    if result.error:
        lines += [*wrapped(f"{result.error} [{result.code}]", 74), *wrapped(result.remedy, 74)]
    else:
        lines += [
            part for words in result.warnings or (result.words,) for part in wrapped(words, 74)
        ]
    return [Text(line) for line in lines]


def tally_line(hosts: Iterable[HostConfig], results: Mapping[str, HostResult]) -> str:
    """Return the counts above the table: `12 hosts: 10 ok  1 new key  1 not`."""
    found = Counter(_word(results.get(host.name, UNTESTED)) for host in hosts)
    total = sum(found.values())
    parts = [f"{number} {word}" for word, number in found.items()]
    return f"{total} host{'' if total == 1 else 's'}: {'   '.join(sorted(parts, reverse=True))}"


def _word(result: HostResult) -> str:
    if result.code == NEW_KEY:
        return "new key"
    words = {"=": "ok", "!": "with a warning", "x": "not reached or not fit", ".": "being tested"}
    return "not tested" if result is UNTESTED else words[result.sign]

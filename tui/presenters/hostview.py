"""What a test of a host said, as a line of the Hosts table and in full."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.text import Text

from core.config import Config, HostConfig
from core.engine.journal import State, TaskRow
from core.engine.report import Target
from core.words import count
from tui.model.logins import secret_asked_for
from tui.presenters.runview import said_of
from tui.terminal.text import fit, safe, signed, wrapped

NEW_KEY, CHANGED_KEY = "E-SSH-KEY-NEW", "E-SSH-KEY-CHANGED"
FACT = "fact"
"""The level of entries of the log that say what a host is: lines of `key: value`."""
_KEY_WIDTH = 28
_COMMAND = re.compile(r"([;,] then): airferry configure-hosts --only-failed")
HEADING = f"    {'name':<13}{'address':<16}{'login':<10}{'key':<6}facts"
_KNOWN_BY_HEART = re.compile(r"GNU/Linux |Linux (?=[0-9])| \([^)]*\)(?=,)")


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

    @property
    def asks_for(self) -> str:
        """The secret that it may pass with, as Login names it; empty for none."""
        return secret_asked_for(self.code, self.error, self.remedy)

    @property
    def fingerprint(self) -> str:
        """Type and fingerprint of a key never seen before: `ED25519 SHA256:..`."""
        return self.error.rpartition(": ")[2].replace("ssh-ed25519", "ED25519")

    @property
    def key_id(self) -> str:
        """The fingerprint alone, as a run takes it: `SHA256:..`."""
        return self.error.rpartition(" ")[2]

    @property
    def state(self) -> str:
        """How it fares, in a word or two, for the counts and for sorting."""
        if self.code in _STATES:
            return _STATES[self.code]
        if self.asks_for:
            return "password wanted"
        if self is UNTESTED:
            return "not tested"
        if self.sign == "x" and self.key == "-":
            return "unreachable"
        return {"=": "ok", "!": "warning", "x": "not fit", ".": "being tested"}[self.sign]


_STATES = {NEW_KEY: "new key", CHANGED_KEY: "changed key"}
# As they are counted and sorted: what needs somebody first.
STATES = (
    "changed key",
    "unreachable",
    "not fit",
    "password wanted",
    "new key",
    "warning",
    "not tested",
    "being tested",
    "ok",
)
UNTESTED = HostResult(".", "-", "not tested yet")
TESTING = HostResult(".", "-", "testing..")


def result_of(target: Target) -> HostResult:
    """Return what a test found.

    Args:
        target: The host's tasks in a run of kind `check`.
    """
    failed = next((task for task in target.tasks if task.error_code), None)
    connect = next((task for task in target.tasks if task.step == "connect"), None)
    warnings = tuple(warning.text for task in target.tasks for warning in task.warnings)
    if failed:
        return replace(_failure(failed), warnings=warnings)
    if connect is None or target.state in (State.WAITING, State.RUNNING):
        return TESTING
    if target.state is not State.DONE:
        return HostResult("x", "-", target.state.value)
    words = warnings[0] if warnings else _KNOWN_BY_HEART.sub("", connect.message)
    return HostResult("!" if warnings else "=", "known", words, warnings=warnings)


def results_of(targets: Iterable[Target]) -> dict[str, HostResult]:
    """Return what a test found of every host.

    Args:
        targets: The hosts' tasks.
    """
    return {target.name: result_of(target) for target in targets}


def _failure(task: TaskRow) -> HostResult:
    key = {NEW_KEY: "NEW", CHANGED_KEY: "OTHER"}.get(task.error_code, "-")
    sign = "!" if task.error_code == NEW_KEY else "x"
    words = said_of(task)
    if task.error_code == NEW_KEY:
        shown = HostResult(sign, key, "", task.error_code, task.error).fingerprint
        words = f"{fit(shown, 17)}  k: accept"
    known = "known" if task.step != "connect" else key
    return HostResult(sign, known, words, task.error_code, task.error, task.remedy)


def login_of(host: HostConfig) -> str:
    """Return who logs in to a host: `root`, `tech+sudo`."""
    return host.user if host.user == "root" else f"{host.user}+sudo"


def place_of(host: HostConfig) -> str:
    """Return where a host is: its address, with the port where that is not SSH's own."""
    return host.address + (f":{host.port}" if host.port != 22 else "")


def host_line(host: HostConfig, result: HostResult) -> Text:
    """Return the host's line of the table."""
    rest = (
        f"{fit(host.name, 12)} {fit(place_of(host), 15)} {fit(login_of(host), 9)} "
        f"{fit(result.key, 5)} {safe(result.words, 200)}"
    )
    return signed(result.sign, rest)


def on_screen(remedy: str) -> str:
    """Return a remedy that names a command with the key that does the same here."""
    return _COMMAND.sub(r"\1 press r: it is asked again", remedy)


def about_lines(result: HostResult, width: int = 76) -> list[str]:
    """Return three lines about the host under the cursor: what is wrong, and what to do."""
    if result.code:
        said = fit(f"{result.error} [{result.code}]", width)
        return [said, *[*wrapped(on_screen(result.remedy), width), ""][:2]]
    return [*wrapped(result.warnings[0] if result.warnings else result.words, width), "", ""][:3]


def full_lines(
    host: HostConfig,
    result: HostResult,
    config: Config,
    facts: Iterable[str] = (),
    width: int = 74,
) -> list[Text]:
    """Return everything that is known of a host.

    Args:
        host: The host.
        result: What its newest test found.
        config: The site.
        facts: What the host said of itself, each `key: value`.
        width: Cells of a line.
    """
    key = host.key or config.ssh.key or "the agent's keys"
    lines = [
        *wrapped(f"address  {host.address}, port {host.port}", width, " " * 9)[:3],
        *wrapped(f"login    {login_of(host)}, key {key}", width, " " * 9)[:3],
        *([f"through  {safe(host.jump, width - 9)}"] if host.jump else []),
        "",
    ]
    if result.error:
        error = f"{result.error} [{result.code}]"
        lines += [*wrapped(error, width), *wrapped(on_screen(result.remedy), width)]
    elif not result.warnings:
        lines += wrapped(result.words, width)
    lines += [part for words in result.warnings for part in wrapped(f"! {words}", width, "  ")]
    found = fact_lines(facts, width + 2)
    return [*(Text(line) for line in lines), *([Text(), *found] if found else [])]


def fact_lines(facts: Iterable[str], width: int = 76) -> list[Text]:
    """Return what a host said of itself, in two columns.

    Args:
        facts: `key: value`, one or a line each.
        width: Cells of a line.
    """
    newest: dict[str, str] = {}  # a host that was asked twice in a run says it all twice
    for fact in (fact for text in facts for fact in text.split("\n")):
        key, _, value = fact.partition(": ")
        newest[safe(key, _KEY_WIDTH)] = value
    column = max(map(cell_len, newest), default=0) + 2
    lines: list[Text] = []
    for key, value in newest.items():
        first, *rest = wrapped(value, width - column)
        lines.append(Text(f"{fit(key, column)}{first}"))
        lines += [Text(f"{'':<{column}}{part}") for part in rest]
    return lines


def tally_line(hosts: Iterable[HostConfig], results: Mapping[str, HostResult]) -> str:
    """Return the counts above the table: `12 hosts: 10 ok   1 new key   1 unreachable`."""
    found = Counter(results.get(host.name, UNTESTED).state for host in hosts)
    parts = [f"{found[state]} {state}" for state in reversed(STATES) if found[state]]
    return f"{count(sum(found.values()), 'host')}: {'   '.join(parts)}"


ORDERS = ("as in the config", "problems first", "name", "address")
"""How `s` sorts the hosts."""


def in_order(
    hosts: Iterable[HostConfig], results: Mapping[str, HostResult], order: str
) -> list[HostConfig]:
    """Return hosts in one of the ORDERS; numbers in names and addresses count as numbers."""
    if order == "problems first":
        return sorted(hosts, key=lambda host: STATES.index(results.get(host.name, UNTESTED).state))
    if order in ("name", "address"):
        return sorted(hosts, key=lambda host: _natural(getattr(host, order)))
    return list(hosts)


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Return a text as its words and numbers, to be sorted as a person would."""
    parts = re.split(r"([0-9]{1,18})", text)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def fields_of(host: HostConfig, result: HostResult) -> tuple[str, ...]:
    """Return what `/` looks at: all that a host's line says, and its state."""
    return (
        host.name,
        place_of(host),
        login_of(host),
        result.key,
        result.words,
        result.error,
        result.state,
    )

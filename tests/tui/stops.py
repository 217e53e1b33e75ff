"""The screens in the order in which pictures and snapshots of them are taken: one table for both.

A stop is a way to a screen: keys, the words by which it is known to be there, and its name. Without
a name it is only a way. A key that begins with a quote is text that is pasted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.tui.driving import Driver

PASTED = "'10.20.0.[14-16]\nworker-07, 10.20.0.17\nwhat is this?\n"


@dataclass(frozen=True)
class Stop:
    """One screen; `watches` where it goes on asking for as long as it is there."""

    keys: Sequence[str]
    words: Sequence[str]
    name: str = ""
    watches: bool = False


ENDED = (
    Stop((), ("Found", "Leave"), "start"),
    Stop(("f1",), ("What Airferry found", "Ctrl+C"), "help"),
    Stop(("escape", "ctrl+p"), ("Commands",), "commands"),
    Stop(("escape", "ctrl+c"), ("Leave Airferry?", "> Stay"), "leave"),
    Stop(
        ("enter", "end", "up", "enter"),
        ("Back up the registry", "no passwords in it"),
        "maintenance",
    ),
    Stop(("enter",), ("Which directory does the backup go to?",), "backup"),
    Stop(("enter",), ("What is written?",), "backup-way"),
    Stop(("escape", "down", "enter"), ("Which backup is restored?",), "restore"),
    Stop(("escape", "down", "down", "enter"), ("tunnels wanted",), "tunnels", watches=True),
    Stop(("escape", *["down"] * 7, "enter"), ("Which hosts",), "clean"),
    Stop(("escape", "end", "enter"), ("upport",), "support"),
    Stop(("escape", "escape"), ("Found", "Leave")),
    Stop(("home", "enter"), ("[Mode]", "choose it when"), "mode"),
    Stop(("enter",), ("[Config]", "Next: Hosts"), "config"),
    Stop(("up", "home", "down", "down", "enter"), ("stop typing",), "config-typing"),
    Stop(("'/later",), ("imgs/later",)),
    Stop(("enter", "v"), ("/later", "-imagesDir", "+imagesDir"), "config-changes"),
    Stop(("escape", "up", "u"), ("Saved.",)),
    Stop(("t",), ("back to the form",), "config-text"),
    Stop(("escape", "n"), ("[Hosts]", "Next: Bundles"), "hosts"),
    Stop(("a",), ("Add a host",), "host-form"),
    Stop(("escape", "p"), ("Paste or type hosts",)),
    Stop((PASTED,), (" hosts understood",), "host-paste"),
    Stop(("escape", "w"), ("Passwords for the hosts",), "passwords"),
    Stop(("escape", "i"), ("Which file?",), "host-import"),
    Stop(("escape", "slash", "'03"), ("1 of 3",), "hosts-filter"),
    Stop(("escape", "n"), ("[Bundles]", "free in"), "bundles"),
    Stop(("up", "home", "enter"), ("platform",), "bundle"),
    Stop(("escape", "g"), ("from bundle",), "holdings"),
    Stop(("escape", "n"), ("[Review]", "> No", "Yes"), "review"),
    Stop(("l",), ("What is missing where",), "review-list"),
    Stop(("escape", "right", "enter"), ("[Run]", "Save report"), "done"),
    Stop(("s",), ("Save the report",), "done-report"),
    Stop(("escape", "e"), ("README.txt", "hosts.toml"), "cluster-files"),
    Stop(("enter",), ("Files for the cluster (mode du)",), "cluster-readme"),
    Stop(("escape", "escape"), ("[Run]", "Save report")),
    Stop(("escape",), ("o outcome",), "run"),
    Stop(("end", "enter"), ("l whole log",), "host"),
    Stop(("f",), ("what it is",), "host-facts"),
    Stop(("escape", "f1"), ("The steps of one host",), "help-host"),
)
"""A site whose last run has ended."""

AT_WORK = (
    Stop((), ("Watch the run that is at work",), "at-work-start"),
    Stop(("enter",), ("[Run]", "at work", "\u2588" * 10), "at-work-run"),
    Stop(("slash", "'worker-02"), ("1 of 4",), "at-work-filter"),
    Stop(("enter", "enter"), ("worker-02   run", "l whole log"), "at-work-host"),
    Stop(("escape", "c"), ("Cancel run", "> No"), "at-work-cancel"),
    Stop(("right", "enter"), ("Really cancel?",), "at-work-cancel-sure"),
)
"""A site with a run at work."""

FAILED = (
    Stop((), ("> Retry 1 host not ready",), "failed-start"),
    Stop(
        ("down", "enter", "enter", "n"), ("[Hosts]", "x worker-03", "E-SSH-ROUTE"), "failed-hosts"
    ),
    Stop(("n", "n"), ("[Review]", "1 cannot", "> No"), "failed-review"),
    Stop(("right", "enter"), ("2 of 3 hosts ready", "> Retry"), "failed-done"),
    Stop(("escape",), ("1 failed", "> x worker-03"), "failed-run"),
    Stop(("enter",), ("not tried, because connect failed",), "failed-host"),
)
"""A site with a host that cannot be reached."""

CHANGING = (
    Stop((), ("Change what runs to the config",), "changing-start"),
    Stop(("home", "enter"), ("[Review]", "Start?", "> No"), "changing-review"),
    Stop(("o",), ("removed    ", "Start?", "> No"), "changing-review-removed"),
    Stop(("right", "enter"), ("All hosts are ready.", "ended   "), "changing-done"),
)
"""A site that was set up in mode du, whose config says none by now."""


async def go(driver: Driver, stop: Stop) -> None:
    """Go to a stop, and wait until it has nothing more to say."""
    for key in stop.keys:
        if key.startswith("'"):
            await driver.paste(key[1:])
        else:
            await driver.press(key)
    await driver.sees(*stop.words)
    if not stop.watches and stop not in AT_WORK:
        await driver.until(lambda: not _at_it(driver))


def _at_it(driver: Driver) -> bool:
    """Whether a screen awaits an answer; who gives out keys, and who watches a run, never ends."""
    return any(worker.is_running and worker.group != "keys" for worker in driver.app.workers)

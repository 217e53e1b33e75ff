"""Hosts: the table, tested as soon as it is opened; adding, changing, removing, accepting keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.config import HostConfig
from core.engine.report import targets_of
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from tui.model.follow import follow
from tui.model.site import RunSnapshot, Site
from tui.presenters.filtering import HELP as FILTER_HELP
from tui.presenters.filtering import matches
from tui.presenters.hostkeys import HOW_TO_COMPARE, new_keys
from tui.presenters.hostview import (
    FACT,
    HEADING,
    NEW_KEY,
    ORDERS,
    TESTING,
    UNTESTED,
    HostResult,
    about_lines,
    fields_of,
    full_lines,
    host_line,
    in_order,
    results_of,
    tally_line,
)
from tui.presenters.row import Row
from tui.screens.bundles import BundlesScreen
from tui.screens.dialogs import Question
from tui.screens.host_edits import HostEdits
from tui.screens.host_keys import AcceptKeys
from tui.screens.passwords import PASSWORDS, ask_passwords
from tui.screens.view import ViewScreen
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_list import LineList
from tui.widgets.panes import Panes, SidePane, is_wide

NO_HOSTS = "No hosts yet: only this machine's part would be done.  a: add one"
NOTHING_PASSES = "No host has these words. Esc in the line above shows all again."

_TALLY_WIDTH = 77


class HostsScreen(HostEdits):
    """The hosts of the site.

    Args:
        site: The site.
    """

    STEP: ClassVar[str] = "Hosts"
    AUTO_FOCUS = "#next"
    ROWS: ClassVar[str] = "#hosts"
    HELP: ClassVar[str] = (
        "Every host is asked over SSH what it is; nothing is changed on it. k accepts a new key, "
        "after its fingerprint was compared; K all that are shown. w types passwords, which are "
        "kept in memory only. r tests the host under the cursor again, R all of them. "
        "Adding, changing and removing a host writes the config at once (.bak: the old one). "
        f"s sorts: problems first, by name, by address. {FILTER_HELP}"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next", "next", key_display="n", show=False),
        Binding("k", "accept", "accept", key_display="k", priority=True),
        Binding("K,shift+k", "accept_all", "all", key_display="K", priority=True),
        Binding("a", "add", "add", key_display="a"),
        Binding("p", "paste", "paste", key_display="p"),
        Binding("i", "import", "import", key_display="i"),
        Binding("e", "change", "edit", key_display="e"),
        Binding("r", "test_one", "test", key_display="r"),
        Binding("R,shift+r", "test", "test all", key_display="R"),
        Binding("delete,x", "remove", "remove", key_display="Del"),
        PASSWORDS,
        Binding("s", "sort", "sort", key_display="s"),
    ]

    class Tested(Message):
        """A test has come so far."""

        def __init__(self, snapshot: RunSnapshot, results: Mapping[str, HostResult]) -> None:
            super().__init__()
            self.snapshot = snapshot
            self.results = results

    class TestRefused(Message):
        """A test could not begin."""

        def __init__(self, error: AirferryError) -> None:
            super().__init__()
            self.error = error

    class Facts(Message):
        """What a host said of itself was read from the journal."""

        def __init__(self, name: str, facts: list[str]) -> None:
            super().__init__()
            self.name = name
            self.facts = facts

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._results: dict[str, HostResult] = {}
        self._tested_by: dict[str, int] = {}
        self._order = ORDERS[0]

    def body(self) -> ComposeResult:
        yield Static(id="tally", classes="line")
        yield FilterLine()
        yield Static(Text(HEADING, "bold"), classes="line")
        with Panes():
            yield LineList(id="hosts")
            yield SidePane(id="side")
        yield Static(id="about", classes="lines")
        yield ChoiceBar("", [("next", "Next: Bundles")], id="next")

    def on_mount(self) -> None:
        self.show_rows()
        self.action_test()

    def enter_does(self) -> str:
        return "go on" if isinstance(self.focused, ChoiceBar) else "open"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Show only what can be done with the host under the cursor."""
        if self.is_filtering:
            return action == "back"
        if action == "accept":
            return self._result().code == NEW_KEY
        if action == "accept_all":
            return self.is_mounted and len(new_keys(self._shown(), self._results)) > 1
        if action in ("change", "remove", "test", "test_one", "passwords", "sort", "filter"):
            return bool(self.hosts)
        return True

    def urgent_action(self) -> str:
        if any(result.asks_for for result in self._results.values()):
            return "passwords"
        return "accept"

    def _result(self) -> HostResult:
        return self._results.get(self.rows.key, UNTESTED) if self.is_mounted else UNTESTED

    def _shown(self) -> list[HostConfig]:
        """Return the hosts that pass the filter, in their order."""
        results, words = self._results, self.filter_text
        return [
            host
            for host in in_order(self.hosts, results, self._order)
            if not words or matches(words, fields_of(host, results.get(host.name, UNTESTED)))
        ]

    def show_rows(self) -> None:
        shown = self._shown()
        rows = [Row(host.name, self._line_of(host)) for host in shown]
        nothing = NOTHING_PASSES if self.hosts else NO_HOSTS
        self.rows.show(rows or [Row("", Text(nothing))])
        self.query_one(FilterLine).found(len(shown), len(self.hosts))
        tally = tally_line(self.hosts, self._results) if self.hosts else "0 hosts"
        keys = "/ filter" if self._order == ORDERS[0] else f"s: {self._order}"
        gap = _TALLY_WIDTH - len(tally) - len(keys)
        if self.hosts and gap > 1:
            tally += " " * gap + keys
        self.query_one("#tally", Static).update(Text(tally, "bold"))
        self._describe()

    def _line_of(self, host: HostConfig) -> Text:
        return host_line(host, self._results.get(host.name, UNTESTED))

    @on(LineList.Moved)
    def _describe(self) -> None:
        lines = about_lines(self._result()) if self.rows.key else [""] * 3
        self.query_one("#about", Static).update(Text("\n".join(lines)))
        if is_wide(self):
            self._tell(())
            read: Callable[[], Awaitable[None]] = self._read_facts
            self.run_worker(read, group="facts", exclusive=True)
        self.refresh_bindings()

    def _tell(self, facts: tuple[str, ...]) -> None:
        """Show what is known of the host under the cursor beside the list."""
        if self.index >= 0:
            host, result, config = self.hosts[self.index], self._result(), self.site.config
            self.query_one("#side", SidePane).tell(
                lambda width: [
                    Text(host.name, "bold"),
                    *full_lines(host, result, config, facts, width),
                ]
            )

    async def _read_facts(self) -> None:
        name = self.rows.key
        self.post_message(self.Facts(name, await self._facts(name)))

    async def _facts(self, name: str) -> list[str]:
        run = self._tested_by.get(name, 0)
        log = await asyncio.to_thread(self.site.reader.log, run, target=name, level=FACT)
        return [line.text for line in log]

    @on(Facts)
    def _facts_read(self, message: Facts) -> None:
        if message.name == self.rows.key and message.facts:
            self._tell(tuple(message.facts))

    @on(LineList.Left)
    def _left(self) -> None:
        self.query_one("#next", ChoiceBar).focus()

    @on(LineList.Chosen)
    def _open(self) -> None:
        if self.index >= 0:
            host, result = self.hosts[self.index], self._result()
            self.run_worker(self._open_host(host, result), group="open", exclusive=True)

    async def _open_host(self, host: HostConfig, result: HostResult) -> None:
        lines = full_lines(host, result, self.site.config, await self._facts(host.name))
        self.shell.open(ViewScreen(self.site, self.STEP, host.name, lines))

    def action_sort(self) -> None:
        """Sort in the next of the orders."""
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self.show_rows()
        self.rows.action_end(-1)

    def action_test(self) -> None:
        """Ask every host what it is."""
        if self.hosts and not self.site.problems:
            self._results = {host.name: TESTING for host in self.hosts}
            self.show_rows()
            self._begin(RunRequest(RunKind.CHECK, self.site.path))

    def action_test_one(self) -> None:
        """Ask the host under the cursor."""
        if self.index >= 0:
            self._test_some((self.rows.key,))

    def _test_some(self, hosts: tuple[str, ...], compared_keys: tuple[str, ...] = ()) -> None:
        """Ask a few hosts; what the others are being asked goes on."""
        if self.site.problems:
            return
        self._results.update(dict.fromkeys(hosts, TESTING))
        self.show_rows()
        self._begin(
            RunRequest(
                RunKind.CHECK,
                self.site.path,
                hosts=hosts,
                compared_keys=compared_keys,
            )
        )

    def _begin(self, request: RunRequest) -> None:
        self.run_worker(self._test(request), group="test", exclusive=not request.hosts)

    async def _test(self, request: RunRequest) -> None:
        try:
            run = await asyncio.to_thread(self.site.start, request)
        except AirferryError as error:
            self.post_message(self.TestRefused(error))
            return
        async for snapshot in follow(self.site, run, self.shell.pace_s):
            self.post_message(self.Tested(snapshot, await asyncio.to_thread(_results, snapshot)))

    @on(Tested)
    def _tested(self, message: Tested) -> None:
        run = message.snapshot.run.id
        for name, result in message.results.items():
            if run >= self._tested_by.get(name, 0):
                self._tested_by[name] = run
                self._results[name] = result
        self.show_rows()
        if message.snapshot.ended:
            self._point_at_problem()

    def _point_at_problem(self) -> None:
        """Describe the first host with a problem, unless somebody is at the list."""
        here = self._results.get(self.rows.key, UNTESTED)
        bad = [
            host.name
            for host in self._shown()
            if self._results.get(host.name, UNTESTED).sign in ("x", "!")
        ]
        if bad and not self.rows.has_focus and here.sign not in ("x", "!"):
            self.rows.put_cursor(bad[0])

    @on(TestRefused)
    def _refused(self, message: TestRefused) -> None:
        self._results.clear()
        self.show_rows()
        self.shell.tell(message.error)

    def action_accept(self) -> None:
        """Ask whether the key of the host under the cursor is the right one, then accept it."""
        host, result = self.hosts[self.index], self._result()

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self._test_some((host.name,), (result.key_id,))

        lines = [
            result.error,
            "",
            "Compare it with what the host itself says, on its own console:",
            HOW_TO_COMPARE,
        ]
        choices = [("no", "No"), ("yes", "Accept this key")]
        self.shell.open(Question(f"Accept the key of {host.name}?", lines, choices), answered)

    def action_accept_all(self) -> None:
        """Ask whether all new keys that are shown are the right ones, then accept them."""
        keys = new_keys(self._shown(), self._results)

        def answered(answer: str | None) -> None:
            if answer == "yes":
                names = tuple(key.host.name for key in keys)
                self._test_some(names, tuple(key.key_id for key in keys))

        self.shell.open(AcceptKeys(keys), answered)

    def action_passwords(self) -> None:
        """Type passwords, for all hosts or for the one under the cursor, and test those again."""
        here = self.rows.key

        def typed(hosts: tuple[str, ...]) -> None:
            if hosts:
                self._test_some(hosts)
            else:
                self.action_test()

        ask_passwords(self.shell, {here: self._result().asks_for} if here else {}, typed)

    def written(self, changed: tuple[str, ...]) -> None:
        known = {host.name for host in self.hosts}
        self._results = {name: each for name, each in self._results.items() if name in known}
        self.show_rows()
        self.set_focus(self.query_one("#hosts" if self.hosts else "#next"))
        present = tuple(name for name in changed if name in known)
        if present:
            self.rows.put_cursor(present[0])
            self._test_some(present)

    @on(ChoiceBar.Chosen)
    def action_next(self) -> None:
        """Go on to the bundles."""
        self.shell.open(BundlesScreen(self.site))


def _results(snapshot: RunSnapshot) -> dict[str, HostResult]:
    return results_of(targets_of(snapshot.tasks))

"""Hosts: the table, tested as soon as it is opened; adding, changing, removing, accepting keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.config import HostConfig
from core.engine.journal import LogLine
from core.engine.report import targets_of
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from tui.follow import follow
from tui.hosts_edit import HostEntry, add_host, change_host, entry_at, remove_host
from tui.hostview import (
    HEADING,
    NEW_KEY,
    TESTING,
    UNTESTED,
    HostResult,
    about_lines,
    full_lines,
    host_line,
    result_of,
    tally_line,
)
from tui.screens.base import HouseScreen
from tui.screens.bundles import BundlesScreen
from tui.screens.dialogs import Question
from tui.screens.host_form import HostForm
from tui.screens.view import ViewScreen
from tui.site import Site, Snapshot
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList, Row

NO_HOSTS = "No hosts yet: only this machine's part would be done.  a: add one"


class HostsScreen(HouseScreen[None]):
    """The hosts of the site.

    Args:
        site: The site.
    """

    STEP: ClassVar[str] = "Hosts"
    AUTO_FOCUS = "#next"
    HELP: ClassVar[str] = (
        "Every host is asked over SSH what it is; nothing is changed on it. A key that was never "
        "seen is accepted with k, after its fingerprint was compared. Adding, changing and "
        "removing a host writes the config file at once (the old one stays as .bak)."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next", "next", key_display="n"),
        Binding("k", "accept", "accept key", key_display="k", priority=True),
        Binding("a", "add", "add", key_display="a"),
        Binding("e", "change", "edit", key_display="e"),
        Binding("delete,x", "remove", "remove", key_display="Del"),
        Binding("r", "test", "test", key_display="r"),
    ]

    class Tested(Message):
        """A test has come so far."""

        def __init__(self, snapshot: Snapshot, log: list[LogLine]) -> None:
            super().__init__()
            self.snapshot = snapshot
            self.log = log

    class TestRefused(Message):
        """A test could not begin."""

        def __init__(self, error: AirferryError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._results: dict[str, HostResult] = {}
        self._unfinished = HostEntry()

    def body(self) -> ComposeResult:
        yield Static(id="tally", classes="line")
        yield Static(Text(HEADING, "bold"), classes="line")
        yield LineList(id="hosts")
        yield Static(id="about", classes="lines")
        yield ChoiceBar("", [("next", "Next: Bundles")], id="next")

    def on_mount(self) -> None:
        self._show()
        self.action_test()

    def enter_does(self) -> str:
        return "go on" if isinstance(self.focused, ChoiceBar) else "open"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Show only what can be done with the host under the cursor."""
        if action == "accept":
            return self._result().code == NEW_KEY
        if action in ("change", "remove", "test"):
            return bool(self.site.config.hosts)
        return True

    @property
    def _hosts(self) -> tuple[HostConfig, ...]:
        return self.site.config.hosts

    @property
    def _index(self) -> int:
        key = self.query_one("#hosts", LineList).key
        return next((n for n, host in enumerate(self._hosts) if host.name == key), -1)

    def _result(self) -> HostResult:
        if not self.is_mounted:
            return UNTESTED
        return self._results.get(self.query_one("#hosts", LineList).key, UNTESTED)

    def _show(self) -> None:
        results = self._results
        rows = [
            Row(host.name, host_line(host, results.get(host.name, UNTESTED)))
            for host in self._hosts
        ]
        self.query_one("#hosts", LineList).show(rows or [Row("", Text(NO_HOSTS))])
        tally = tally_line(self._hosts, results) if rows else "0 hosts"
        self.query_one("#tally", Static).update(Text(tally, "bold"))
        self._describe()

    @on(LineList.Moved)
    def _describe(self) -> None:
        lines = about_lines(self._result()) if self._hosts else []
        self.query_one("#about", Static).update(Text("\n".join(lines)))
        self.refresh_bindings()

    @on(LineList.Left)
    def _left(self) -> None:
        self.query_one("#next", ChoiceBar).focus()

    @on(LineList.Chosen)
    def _open(self) -> None:
        if self._index < 0:
            return
        host = self._hosts[self._index]
        lines = full_lines(host, self._result(), self.site.config)
        self.ferry.open(ViewScreen(self.site, self.STEP, host.name, lines))

    def action_test(self) -> None:
        """Ask every host what it is."""
        if self._hosts and not self.site.problems:
            self._results = {host.name: TESTING for host in self._hosts}
            self._show()
            self._begin(RunRequest(RunKind.CHECK, self.site.path))

    def _begin(self, request: RunRequest) -> None:
        self.run_worker(self._test(request), exclusive=True)

    async def _test(self, request: RunRequest) -> None:
        try:
            run = await asyncio.to_thread(self.site.launcher.start, request)
        except AirferryError as error:
            self.post_message(self.TestRefused(error))
            return
        async for snapshot in follow(self.site, run, self.ferry.pace_s):
            log = await asyncio.to_thread(self.site.reader.log, run)
            self.post_message(self.Tested(snapshot, log))

    @on(Tested)
    def _tested(self, message: Tested) -> None:
        for target in targets_of(message.snapshot.tasks):
            self._results[target.name] = result_of(target, message.log)
        self._show()

    @on(TestRefused)
    def _refused(self, message: TestRefused) -> None:
        self._results.clear()
        self._show()
        self.ferry.say(f"{message.error.what}\n{message.error.remedy}")

    def action_accept(self) -> None:
        """Ask whether the key of the host under the cursor is the right one, then accept it."""
        host, result = self._hosts[self._index], self._result()

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self._results[host.name] = TESTING
                self._show()
                self._begin(
                    RunRequest(
                        RunKind.CHECK, self.site.path, hosts=(host.name,), accept_new_host_keys=True
                    )
                )

        lines = [
            result.error,
            "",
            "Compare it with what the host itself says, on its own console:",
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        ]
        choices = [("no", "No"), ("yes", "Accept this key")]
        self.ferry.open(Question(f"Accept the key of {host.name}?", lines, choices), answered)

    def action_add(self) -> None:
        """Type a new host."""
        form = HostForm("Add a host", self._unfinished)
        self.ferry.open(form, lambda entry: self._typed(entry, form, self._add))

    def action_change(self) -> None:
        """Change the host under the cursor."""
        if self._index < 0:
            return
        index = self._index
        entry = entry_at(self.site.text, index, self._hosts[index])
        form = HostForm(f"Change {entry.name}", entry)

        def change(text: str, typed: HostEntry) -> str:
            return change_host(text, index, typed)

        self.ferry.open(form, lambda typed: self._typed(typed, form, change))

    def _add(self, text: str, entry: HostEntry) -> str:
        self._unfinished = HostEntry()
        return add_host(text, entry)

    def _typed(
        self, entry: HostEntry | None, form: HostForm, edit: Callable[[str, HostEntry], str]
    ) -> None:
        if entry is None:
            if edit == self._add:
                self._unfinished = form.entry
            return
        self._write(lambda text: edit(text, entry))
        self.query_one("#hosts", LineList).put_cursor(entry.name or entry.address)

    def action_remove(self) -> None:
        """Ask, then take the host under the cursor out of the config."""
        if self._index < 0:
            return
        index, name = self._index, self._hosts[self._index].name

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self._write(lambda text: remove_host(text, index))

        lines = ["It is taken out of the config. Nothing is changed on the host itself."]
        choices = [("no", "No"), ("yes", "Remove it")]
        self.ferry.open(Question(f"Remove {name}?", lines, choices), answered)

    def _write(self, edit: Callable[[str], str]) -> None:
        """Change the config file, and show and test what it says then."""
        try:
            self.site.reload()
            self.site.save_hosts(edit(self.site.text))
        except AirferryError as error:
            self.ferry.say(f"{error.what}\n{error.remedy}")
        self._show()
        (self.query_one("#hosts" if self._hosts else "#next")).focus()
        self.action_test()

    @on(ChoiceBar.Chosen)
    def action_next(self) -> None:
        """Go on to the bundles."""
        self.ferry.open(BundlesScreen(self.site))

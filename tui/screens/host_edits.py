"""Adding, changing and removing hosts: each writes the config at once, and those are tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.config import HostConfig
from core.config.edit_hosts import HostEntry, add_hosts, change_host, entry_at, remove_host
from core.config.host_import import expanded, host_file
from core.errors import AirferryError, LocalFilesError
from tui.model.site import Site
from tui.screens.dialogs import Prompt, Question
from tui.screens.filtered import FilteredScreen
from tui.screens.host_form import HostForm
from tui.screens.host_paste import HostPaste
from tui.widgets.line_list import LineList


class HostEdits(FilteredScreen[None]):
    """What the Hosts screen does to the list of hosts in the config.

    Args:
        site: The site.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._unfinished = HostEntry()
        self._pasted = ""

    @property
    def hosts(self) -> tuple[HostConfig, ...]:
        """The hosts of the config."""
        return self.site.config.hosts

    @property
    def rows(self) -> LineList:
        """The table."""
        return self.query_one(self.ROWS, LineList)

    @property
    def index(self) -> int:
        """Which host of the config is under the cursor; -1 for none."""
        key = self.rows.key
        return next((n for n, host in enumerate(self.hosts) if host.name == key), -1)

    def written(self, changed: tuple[str, ...]) -> None:
        """Show what the config says now, and test the hosts that are new in it.

        Args:
            changed: Their names.
        """
        raise NotImplementedError

    def action_add(self) -> None:
        """Type a new host, or many with a range."""
        form = HostForm("Add a host", self._unfinished, may_be_many=True)

        def answered(entry: HostEntry | None) -> None:
            self._unfinished = form.entry if entry is None else HostEntry()
            if entry:
                self._add(expanded(entry))

        self.shell.open(form, answered)

    def action_paste(self) -> None:
        """Paste many hosts at once."""
        known = frozenset(host.name for host in self.hosts)
        dialog = HostPaste(self._pasted, known)

        def answered(entries: tuple[HostEntry, ...] | None) -> None:
            self._pasted = "" if entries else dialog.text
            if entries:
                self._add(entries)

        self.shell.open(dialog, answered)

    def _add(self, entries: Sequence[HostEntry]) -> None:
        names = tuple(entry.name or entry.address for entry in entries)
        self._write(lambda text: add_hosts(text, entries), names)

    def action_import(self) -> None:
        """Read many hosts from a file."""

        def answered(path: str | None) -> None:
            if not path:
                return
            try:
                self._pasted = host_file(path)
            except LocalFilesError as error:
                self.shell.tell(error)
                return
            self.action_paste()

        title = "Which file? CSV, a list of addresses, or an inventory of Ansible"
        self.shell.open(Prompt(title, ""), answered)

    def action_change(self) -> None:
        """Change the host under the cursor."""
        if self.index < 0:
            return
        index = self.index
        entry = entry_at(self.site.text, index, self.hosts[index])

        def answered(typed: HostEntry | None) -> None:
            if typed:
                name = typed.name or typed.address
                self._write(lambda text: change_host(text, index, typed), (name,))

        self.shell.open(HostForm(f"Change {entry.name}", entry), answered)

    def action_remove(self) -> None:
        """Ask, then take the host under the cursor out of the config."""
        if self.index < 0:
            return
        index, name = self.index, self.hosts[self.index].name

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self._write(lambda text: remove_host(text, index), ())

        lines = [
            "It is taken out of the config. Nothing is changed on the host itself: what Airferry "
            "put there is taken away by 'Clean a host' on Maintenance, before this."
        ]
        choices = [("no", "No"), ("yes", "Remove it")]
        self.shell.open(Question(f"Remove {name}?", lines, choices), answered)

    def _write(self, edit: Callable[[str], str], changed: tuple[str, ...]) -> None:
        """Change the config file, and show and test what it says then."""
        before = self.hosts
        try:
            self.site.reload()
            if self.hosts != before and changed == ():
                self.shell.say("The config was changed meanwhile: look at the list, then again.")
            else:
                self.site.save_hosts(edit(self.site.text))
        except AirferryError as error:
            self.shell.tell(error)
            changed = ()
        self.written(changed)

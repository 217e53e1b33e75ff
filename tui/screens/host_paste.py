"""Many hosts at once: pasted or read from a file, and shown as understood before they are added."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static, TextArea

from core.config.edit_hosts import HostEntry
from core.config.host_import import Understood, read_hosts
from core.words import count
from tui.screens.base import AppDialog
from tui.terminal.text import fit, signed
from tui.widgets.yaml_area import YamlArea

_WIDTH = 72


class HostPaste(AppDialog[tuple[HostEntry, ...]]):
    """The text and what it was understood as; the result is the hosts, or None.

    Args:
        text: What stands in it at first: that of a file, or what was pasted before.
        known: Names of the hosts that are in the config already; they are not added again.
    """

    ENTER: ClassVar[str] = "new line"
    HELP: ClassVar[str] = (
        "Addresses, one or many a line; ranges as 10.0.0.[11-40] or node[01-12]; a name and an "
        "address; user@address:port; CSV with a heading (name, address, port, user, key); an "
        "inventory of Ansible, INI or YAML. Below stands what was understood; nothing is added "
        "before Ctrl+O."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "take", "add them", key_display="Ctrl+O"),
    ]

    def __init__(self, text: str, known: frozenset[str]) -> None:
        super().__init__()
        self.text = text
        self._known = known

    def body(self) -> ComposeResult:
        yield Static(Text("Paste or type hosts", "bold"), classes="line")
        yield YamlArea(self.text, id="hosts-text")
        yield Static(id="understood", classes="lines")

    def on_mount(self) -> None:
        self._show()

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self.text = self.query_one("#hosts-text", YamlArea).text
        self._show()

    @property
    def _new(self) -> tuple[HostEntry, ...]:
        hosts = read_hosts(self.text).hosts
        return tuple(host for host in hosts if (host.name or host.address) not in self._known)

    def _show(self) -> None:
        lines = understood_lines(read_hosts(self.text), len(self._new))
        self.query_one("#understood", Static).update(Text("\n").join(lines))

    def action_take(self) -> None:
        """Take the hosts that were understood."""
        if self._new:
            self.dismiss(self._new)


def understood_lines(found: Understood, new: int) -> list[Text]:
    """Return how a text was understood: how many hosts, the first and last, the first problems."""
    there = len(found.hosts) - new
    tally = f"{count(len(found.hosts), 'host')} understood"
    if there:
        tally += f", {there} of them in the config already"
    lines = [signed("=" if new else ".", fit(tally, _WIDTH))]
    shown = found.hosts if len(found.hosts) <= 3 else (*found.hosts[:2], found.hosts[-1])
    lines += [Text(f"    {fit(_words(host), _WIDTH)}") for host in shown]
    lines += [signed("x", fit(problem, _WIDTH)) for problem in found.problems[:2]]
    if len(found.problems) > 2:
        lines.append(Text(f"    and {len(found.problems) - 2} more lines not understood"))
    return lines


def _words(host: HostEntry) -> str:
    login = f"{host.user}@" if host.user else ""
    port = f":{host.port}" if host.port else ""
    name = f"{host.name}  " if host.name and host.name != host.address else ""
    return f"{name}{login}{host.address}{port}"

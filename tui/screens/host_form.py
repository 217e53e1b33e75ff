"""The form for one host."""

from __future__ import annotations

from dataclasses import fields
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from core.config.edit_hosts import HostEntry
from core.config.host_import import expanded
from core.errors import UsageError
from tui.screens.base import AppDialog
from tui.terminal.text import safe
from tui.widgets.text_field import TextField

_NOTES = {
    "name": "empty: the address",
    "address": "an IP address or a name; needed",
    "port": "empty: that of the site",
    "user": "empty: that of the site",
    "key": "empty: that of the site",
    "jump": "a host to go through: [user@]host[:port]; empty: that of the site",
}
_MANY_NAMES = "empty: the address; with a range as many as addresses: rack1-[11-40]"
_MANY_ADDRESSES = "an IP address or a name; many at once: 10.0.0.[11-40]"


class HostForm(AppDialog[HostEntry]):
    """A host's values; the result is what was typed, or None.

    Args:
        title: What the form is for.
        entry: What stands in it at first.
        may_be_many: Ranges are allowed: `10.0.0.[11-40]`.
    """

    ENTER: ClassVar[str] = "next field"
    HELP: ClassVar[str] = (
        "Enter goes to the next field, and after the last one takes the host. "
        "Esc closes the form; what was typed is there when it is opened again."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,down", "app.focus_next", "next", key_display="Tab"),
        Binding("up", "app.focus_previous", "previous", show=False),
        Binding("ctrl+o", "take", "write to config", key_display="Ctrl+O"),
    ]

    def __init__(self, title: str, entry: HostEntry, *, may_be_many: bool = False) -> None:
        super().__init__()
        self._title = title
        self.entry = entry
        self._may_be_many = may_be_many
        self._complained = False

    def body(self) -> ComposeResult:
        yield Static(Text(safe(self._title), "bold"), classes="line")
        for field in fields(self.entry):
            with Horizontal(classes="row"):
                yield Static(id=f"label-{field.name}", classes="name")
                yield TextField(getattr(self.entry, field.name), id=field.name)
        yield Static(id="note", classes="line")

    @on(events.DescendantFocus)
    def _focus_moved(self) -> None:
        for field in fields(self.entry):
            here = self.query_one(f"#{field.name}", TextField).has_focus
            mark = ">" if here else " "
            self.query_one(f"#label-{field.name}", Static).update(Text(f"{mark} {field.name:<8} "))
        self._note()

    def _note(self) -> None:
        """Say what the field with the focus is for, or that an address is needed."""
        name = (self.focused.id if self.focused else None) or ""
        note = _NOTES.get(name, "")
        if self._may_be_many:
            note = {"name": _MANY_NAMES, "address": _MANY_ADDRESSES}.get(name, note)
        shown = Text(f"  {note}")
        if wrong := self._wrong():
            shown = Text(f"x {safe(wrong, 70)}", "bold red") if self._complained else shown
        elif len(many := self._many()) > 1:
            names_of = (each.name or each.address for each in (many[0], many[-1]))
            shown = Text(f"= {len(many)} hosts: {safe(' to '.join(names_of), 58)}")
        self.query_one("#note", Static).update(shown)

    @on(Input.Changed)
    def _typed(self) -> None:
        values = {
            field.name: self.query_one(f"#{field.name}", TextField).value
            for field in fields(self.entry)
        }
        self.entry = HostEntry(**values)

        self._note()

    def _many(self) -> tuple[HostEntry, ...]:
        """Return the hosts that the entry stands for; none where it makes no sense."""
        try:
            return expanded(self.entry) if self._may_be_many else (self.entry,)
        except UsageError:
            return ()

    def _wrong(self) -> str:
        """Return what keeps the entry from being taken; empty for nothing."""
        if not self.entry.address.strip():
            return "an address is needed"
        try:
            if self._may_be_many:
                expanded(self.entry)
        except UsageError as error:
            return error.what
        return ""

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.input.id == fields(self.entry)[-1].name:
            self.action_take()
        else:
            self.focus_next()

    def action_take(self) -> None:
        """Take what was typed."""
        if not self._wrong():
            self.dismiss(self.entry)
            return
        self.query_one("#address", TextField).focus()
        self._complained = True
        self._note()

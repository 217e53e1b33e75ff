"""The box in which passwords are typed: unseen, kept in memory, given to the runs to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from core.secrets import Login
from core.words import count
from tui.model.logins import PASSPHRASE, PASSWORD, REGISTRY, SUDO
from tui.model.site import Site
from tui.screens.base import AppDialog
from tui.screens.registry_login import ask_registry_login
from tui.screens.shell import Shell
from tui.terminal.text import names, sendable
from tui.widgets.pick_line import PickLine
from tui.widgets.secret_field import SecretField

PASSWORDS = Binding("w", "passwords", "password", key_display="w")
"""The key that opens the box, the same on every screen."""
_ALL, _SOME = "all", "some"
_FIELDS = {
    PASSWORD: ("login password", "of the login; empty: only keys are tried"),
    SUDO: ("sudo password", "for logins other than root; empty: the same as the login's"),
    PASSPHRASE: ("key passphrase", "of the private key file; empty: it has none"),
}
_KEPT = "typed before; empty: it stays as it is"


@dataclass(frozen=True)
class Typed:
    """What was typed, and for which hosts; none named means all of them."""

    login: Login
    hosts: tuple[str, ...]


class Passwords(AppDialog[Typed]):
    """Three masked fields and whom they are for; the result is what was typed, or None.

    Args:
        site: The site, which knows what was typed before.
        some: The hosts that are offered beside all of them.
        first: The field that the cursor is in at first.
    """

    HELP: ClassVar[str] = (
        "What is typed here logs in to the hosts and makes the login root there. It is kept in "
        "memory until Airferry is left, and written nowhere. Enter goes to the next field, and "
        "after the last one takes what was typed. Space says whether it is for all hosts."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,down", "app.focus_next", "next", key_display="Tab"),
        Binding("up", "app.focus_previous", "previous", show=False),
        Binding("ctrl+o", "take", "take it", key_display="Ctrl+O"),
    ]

    def __init__(self, site: Site, some: tuple[str, ...], first: str = PASSWORD) -> None:
        super().__init__()
        self._site = site
        self._some = some
        self._first = first
        self._complained = False

    def body(self) -> ComposeResult:
        yield Static(Text("Passwords for the hosts", "bold"), classes="line")
        yield Static(Text(" "), classes="line")
        for name in _FIELDS:
            with Horizontal(classes="row"):
                yield Static(id=f"label-{name}", classes="name")
                yield SecretField(getattr(self._site.half_typed, name), id=name)
                yield Static("]", classes="name", markup=False)
        yield PickLine(f"{'for':<15}", self._choices(), id="for")
        yield Static(id="note", classes="line")
        yield Static(
            Text("Kept in memory until you leave Airferry; written nowhere."), classes="line"
        )

    def on_mount(self) -> None:
        self.query_one(f"#{self._first}", SecretField).focus()

    def _choices(self) -> list[tuple[str, str]]:
        number = len(self._site.config.hosts)
        choices = [(_ALL, f"all {count(number, 'host')}" if number > 1 else "the host")]
        if self._some and number > 1:
            choices.append((_SOME, f"only {names(self._some, 14)}"))
        return choices

    def enter_does(self) -> str:
        last = self.focused is not None and self.focused.id in (PASSPHRASE, "for")
        return "take it" if last else "next field"

    @on(events.DescendantFocus)
    def _focus_moved(self) -> None:
        for name, (label, _) in _FIELDS.items():
            mark = ">" if self.query_one(f"#{name}", SecretField).has_focus else " "
            self.query_one(f"#label-{name}", Static).update(Text(f"{mark} {label:<14} ["))
        self.query_one(PickLine).refresh()
        self._note()
        self.refresh_bindings()

    def _note(self) -> None:
        """Say what the field with the focus is for, or that nothing was typed."""
        name = (self.focused.id if self.focused else None) or ""
        shown = Text(f"  {self._about(name)}")
        if self._complained and self._login() == Login():
            shown = Text("x nothing was typed", "bold red")
        self.query_one("#note", Static).update(shown)

    def _about(self, name: str) -> str:
        kept = self._site.secrets
        if name in _FIELDS:
            return _KEPT if getattr(kept.everywhere, name) else _FIELDS[name][1]
        own = names(kept.hosts, 30)
        return f"those with their own keep it: {own}" if own else ""

    @on(Input.Changed)
    def _changed(self) -> None:
        self._site.half_typed = self._login()

    def _login(self) -> Login:
        typed = {name: self.query_one(f"#{name}", SecretField).value for name in _FIELDS}
        return Login(**{name: sendable(value) for name, value in typed.items()})

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.input.id == list(_FIELDS)[-1]:
            self.action_take()
        else:
            self.focus_next()

    @on(PickLine.Taken)
    def action_take(self) -> None:
        """Take what was typed."""
        login = self._login()
        if login != Login():
            some = self.query_one(PickLine).key == _SOME
            self.dismiss(Typed(login, self._some if some else ()))
            return
        self.query_one(f"#{self._first}", SecretField).focus()
        self._complained = True
        self._note()


def ask_passwords(
    shell: Shell, asking: Mapping[str, str], then: Callable[[tuple[str, ...]], None]
) -> None:
    """Ask for passwords and keep them.

    Args:
        shell: The app.
        asking: The hosts that are offered beside all of them, each with the secret it asks for.
            Where the site's registry is among those who ask, its login is asked for first.
        then: Called when something was typed, with the hosts that it is for; none means all.
    """
    if REGISTRY in asking.values():
        ask_registry_login(shell, lambda: then(()))
        return

    def answered(typed: Typed | None) -> None:
        if typed:
            shell.site.keep(typed.login, typed.hosts)
            then(typed.hosts)

    first = next(iter(asking.values()), "") or PASSWORD
    shell.open(Passwords(shell.site, tuple(asking), first), answered)

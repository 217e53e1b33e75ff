"""The box in which the login to the site's own registry is typed: the password unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from core.secrets import TYPED, RegistryLogin
from tui.model.site import Site
from tui.screens.base import AppDialog
from tui.screens.shell import Shell
from tui.terminal.text import fit, sendable
from tui.widgets.secret_field import SecretField
from tui.widgets.text_field import TextField

_USER, _PASSWORD = "registry-user", "registry-password"
_FIELDS = {
    _USER: ("user name", "whom the registry knows; an access token has a name as well"),
    _PASSWORD: ("password", "or an access token that the registry gave for this"),
}


class RegistryLoginBox(AppDialog[RegistryLogin]):
    """Two fields, name and password; the result is the login, or None.

    Args:
        site: The site, which knows what was typed before.
    """

    HELP: ClassVar[str] = (
        "What is typed here logs in to the site's own registry, from this machine, and from the "
        "hosts when they pull in a run. It is kept in memory until Airferry is left, and written "
        "nowhere. Hosts keep it only where the config says so (login on hosts)."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,down", "app.focus_next", "next", key_display="Tab"),
        Binding("up", "app.focus_previous", "previous", show=False),
        Binding("ctrl+o", "take", "take it", key_display="Ctrl+O"),
    ]

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site
        self._complaint = ""

    def body(self) -> ComposeResult:
        config, typed = self._site.config, self._site.half_typed_registry
        user = typed.user or self._site.secrets.registry.user or config.registry_user
        yield Static(Text("Login to the registry", "bold"), classes="line")
        yield Static(Text(f"  {fit(config.registry_base, 60).rstrip()}"), classes="line")
        yield Static(Text(" "), classes="line")
        for name, field in (
            (_USER, TextField(user, id=_USER)),
            (_PASSWORD, SecretField(typed.password, id=_PASSWORD)),
        ):
            with Horizontal(classes="row"):
                yield Static(id=f"label-{name}", classes="name")
                yield field
                yield Static("]", classes="name", markup=False)
        yield Static(id="note", classes="line")
        yield Static(
            Text("Kept in memory until you leave Airferry; written nowhere."), classes="line"
        )

    def on_mount(self) -> None:
        first = _PASSWORD if self._value(_USER) else _USER
        self.query_one(f"#{first}", TextField).focus()

    def enter_does(self) -> str:
        last = self.focused is not None and self.focused.id == _PASSWORD
        return "take it" if last else "next field"

    @on(events.DescendantFocus)
    def _focus_moved(self) -> None:
        for name, (label, _) in _FIELDS.items():
            mark = ">" if self.query_one(f"#{name}", TextField).has_focus else " "
            self.query_one(f"#label-{name}", Static).update(Text(f"{mark} {label:<14} ["))
        self._note()
        self.refresh_bindings()

    def _note(self) -> None:
        """Say what the field with the focus is for, or what lacks."""
        name = (self.focused.id if self.focused else None) or _USER
        shown = Text(f"  {_FIELDS[name][1]}" if name in _FIELDS else "")
        if self._complaint and not (self._value(_USER) and self._value(_PASSWORD)):
            shown = Text(f"x {self._complaint}", "bold red")
        self.query_one("#note", Static).update(shown)

    def _value(self, name: str) -> str:
        return sendable(self.query_one(f"#{name}", TextField).value)

    def _login(self) -> RegistryLogin:
        return RegistryLogin(self._value(_USER).strip(), self._value(_PASSWORD), source=TYPED)

    @on(Input.Changed)
    def _changed(self) -> None:
        self._site.half_typed_registry = self._login()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.input.id == _PASSWORD:
            self.action_take()
        else:
            self.focus_next()

    def action_take(self) -> None:
        """Take what was typed, if it is whole."""
        login = self._login()
        if login.user and login.password:
            self.dismiss(login)
            return
        self._complaint = "both are needed"
        self.query_one(f"#{_PASSWORD if login.user else _USER}", TextField).focus()
        self._note()


def ask_registry_login(shell: Shell, then: Callable[[], None]) -> None:
    """Ask for the login to the site's registry and keep it.

    Args:
        shell: The app.
        then: Called when it was typed.
    """

    def answered(login: RegistryLogin | None) -> None:
        if login:
            shell.site.keep_registry(login)
            then()

    shell.open(RegistryLoginBox(shell.site), answered)

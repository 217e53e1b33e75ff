"""Mode: how the hosts of this site get their images, and what each way needs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.config import Config, Mode
from core.engine.report import count, size
from core.errors import ConfigError
from tui.screens.base import HouseScreen
from tui.screens.config import ConfigScreen
from tui.text import safe
from tui.widgets.line_list import LineList, Row

_WORDS = {
    Mode.NONE: "each host keeps its own copies; nothing else need be up later",
    Mode.DU: "a registry on this machine serves all hosts through a tunnel",
    Mode.CUSTOM: "a registry that the site already has",
}
_CHOOSE = {
    Mode.NONE: "this machine may be switched off after the installation",
    Mode.DU: "there are many hosts or clusters, and this machine stays up",
    Mode.CUSTOM: "the site runs a registry that all hosts can reach",
}
_RUNNING = {
    Mode.NONE: "nothing",
    Mode.DU: "registry and one tunnel service, both on this machine",
    Mode.CUSTOM: "nothing of Airferry's",
}
_NOT = {
    Mode.NONE: "hosts must be able to pull images again later",
    Mode.DU: "this machine may be switched off: take none",
    Mode.CUSTOM: "there is no such registry yet: take du",
}


class ModeScreen(HouseScreen[None]):
    """Three ways, one choice; it is written to the config on the next screen."""

    STEP: ClassVar[str] = "Mode"
    ENTER: ClassVar[str] = "choose and go on"
    HELP: ClassVar[str] = (
        "How the hosts get their images. The choice is kept as a change of the config; the next "
        "screen shows it and saves it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next", "next", key_display="n"),
    ]

    def body(self) -> ComposeResult:
        yield Static(
            Text("How do the hosts of this site get their images?\n", "bold"), classes="lines"
        )
        yield LineList(id="modes")
        yield Static(id="about", classes="lines")

    def on_mount(self) -> None:
        lines = self.query_one("#modes", LineList)
        lines.styles.height = len(Mode) + 1
        rows = [Row(mode.value, Text(f"{mode.value:<9}{_WORDS[mode]}")) for mode in _WORDS]
        lines.show(rows, cursor=self._present().value)
        self._describe()

    def _present(self) -> Mode:
        typed = self.site.draft.value("privateRegistryType").strip().lower()
        return Mode(typed) if typed in tuple(Mode) else self.site.config.mode

    @on(LineList.Moved)
    def _describe(self) -> None:
        mode = Mode(self.query_one("#modes", LineList).key)
        config = self.site.config
        facts = {
            "choose it when": _CHOOSE[mode],
            "needs": _needs(mode, config),
            "leaves running": _RUNNING[mode],
            "names": _names(mode, config),
            "not when": _NOT[mode],
        }
        lines = [f"{mode.value} {'-' * (74 - len(mode.value))}"]
        lines += [f"  {what:<16}{words}" for what, words in facts.items()]
        now = f"mode {config.mode}, {count(len(config.hosts), 'host')}"
        lines += ["", f"On this site now  {now}"]
        if mode is not config.mode:
            lines.append("After a change    images that hosts have already stay there")
        self.query_one("#about", Static).update(Text("\n".join(lines)))

    @on(LineList.Chosen)
    def _chosen(self) -> None:
        self.action_next()

    def action_next(self) -> None:
        """Take the mode under the cursor and go on."""
        chosen = self.query_one("#modes", LineList).key
        if chosen != self._present().value or self.site.problems:
            try:
                self.site.draft.set("privateRegistryType", chosen)
            except ConfigError as error:
                self.ferry.say(f"{error.what}\nMend the text first: t on the next screen.")
        self.ferry.open(ConfigScreen(self.site))


def _needs(mode: Mode, config: Config) -> str:
    if mode is Mode.NONE:
        return "room on each host, and this machine during the run"
    if mode is Mode.CUSTOM:
        return "the registry's address, and its CA where it has TLS"
    ports = f"ports {config.registry_port} here, {config.host_registry_port} on each host"
    return f"{_room(config.registry_dir)}; {ports}"


def _room(directory: Path) -> str:
    for place in (directory, *directory.parents):
        if place.is_dir():
            try:
                return f"room here ({size(shutil.disk_usage(place).free)} free)"
            except OSError:
                break
    return "room here"


def _names(mode: Mode, config: Config) -> str:
    if mode is Mode.NONE:
        return "as in the bundles: calico/node:v3.20"
    base = config.registry_base or "REGISTRY"
    prefix = f"localhost:{config.host_registry_port}" if mode is Mode.DU else safe(base, 40)
    return f"as in the bundles, and {prefix}/calico/node:v3.20"

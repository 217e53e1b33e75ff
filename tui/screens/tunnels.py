"""Tunnels: how each one fares, and the service that keeps them, started and stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.config import Config
from tui.model.site import Site
from tui.presenters.filtering import HELP as FILTER_HELP
from tui.presenters.filtering import matches
from tui.presenters.row import Row
from tui.presenters.upkeep import TUNNEL_HEADING, tunnel_heading, tunnel_line
from tui.screens.filtered import FilteredScreen
from tui.screens.services import ServiceScreen
from tui.screens.view import ViewScreen
from tui.terminal.text import wrapped
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from core.engine.services import Tunnels, TunnelStatus

LOOK_EVERY_S = 2.0
NONE_WANTED = "No tunnel is wanted. Mode du opens one to each host, when a site is set up."


class TunnelsScreen(ServiceScreen[None], FilteredScreen[None]):
    """Every tunnel that shall be kept.

    Args:
        site: The site.
    """

    STEP: ClassVar[str] = "Start"
    ROWS: ClassVar[str] = "#tunnels"
    ENTER: ClassVar[str] = "all of it"
    HELP: ClassVar[str] = (
        "A tunnel lets a host reach the registry of this machine on its own loopback. One service "
        "on this machine keeps them all, and opens one that was lost again by itself; 'lost' says "
        f"how often. Without the service no host can pull. {FILTER_HELP}"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "begin", "begin service", key_display="b"),
        Binding("x", "stop", "stop service", key_display="x"),
    ]

    class Looked(Message):
        """The service was asked."""

        def __init__(self, tunnels: Tunnels) -> None:
            super().__init__()
            self.tunnels = tunnels

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._tunnels: Tunnels | None = None

    def body(self) -> ComposeResult:
        yield Static(id="tally", classes="line")
        yield FilterLine()
        yield Static(Text(TUNNEL_HEADING, "bold"), classes="line")
        yield LineList(id="tunnels")

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#tunnels", LineList))
        self.show_rows()
        self.look_again()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """The service is started where it stands still, and stopped where it runs."""
        if self.is_filtering:
            return action == "back"
        now = self._tunnels
        if action == "begin":
            return now is not None and not now.service and bool(now.tunnels)
        return action != "stop" or (now is not None and now.service)

    async def _look(self) -> None:
        while True:
            self.post_message(self.Looked(await asyncio.to_thread(_now, self.site.config)))
            await asyncio.sleep(max(LOOK_EVERY_S, self.shell.pace_s()))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        self._tunnels = message.tunnels
        self.show_rows()
        self.refresh_bindings()

    def show_rows(self) -> None:
        every = self._tunnels.tunnels if self._tunnels else ()
        shown = [each for each in every if matches(self.filter_text, _fields(each))]
        rows = [Row(each.name, tunnel_line(each)) for each in shown]
        nothing = NONE_WANTED if self._tunnels and not every else ""
        self.query_one("#tunnels", LineList).show(rows or [Row("", Text(nothing))])
        self.query_one(FilterLine).found(len(shown), len(every))
        self.query_one("#tally", Static).update(Text(tunnel_heading(self._tunnels), "bold"))

    @on(LineList.Chosen)
    def _open(self, event: LineList.Chosen) -> None:
        every = self._tunnels.tunnels if self._tunnels else ()
        for each in every:
            if each.name == event.key:
                lines = [tunnel_line(each), Text()]
                lines += [Text(part) for part in wrapped(each.last_error or "no error so far", 74)]
                self.shell.open(ViewScreen(self.site, self.STEP, f"Tunnel of {each.name}", lines))

    def action_begin(self) -> None:
        """Ask, then start the service."""
        lines = ["It opens every tunnel that is wanted, and keeps it until it is stopped."]
        self.ask_service("Start the tunnel service?", lines, "Start it", _start)

    def action_stop(self) -> None:
        """Ask, then stop the service."""
        lines = ["Every tunnel is closed: no host can pull from the registry until it is started."]
        self.ask_service("Stop the tunnel service?", lines, "Stop it", _stop)

    def look_again(self) -> None:
        self.run_worker(self._look(), group="look", exclusive=True)


def _fields(tunnel: TunnelStatus) -> tuple[str, ...]:
    return tunnel.name, "up" if tunnel.up_since else "down", tunnel.last_error


def _now(config: Config) -> Tunnels:
    from core.engine.services import tunnels_now  # not for the first paint

    return tunnels_now(config)


def _start(config: Config) -> None:
    from core.engine.services import start_tunnels

    start_tunnels(config)


def _stop(config: Config) -> None:
    from core.engine.services import stop_tunnels

    stop_tunnels(config)

"""Maintenance in words: how backups, registry, tunnels and checks stand now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text

from core.config import Config, Mode
from core.engine.journal import ENDED_WELL, JournalReader, RunRow, State
from core.engine.report import fares_words, targets_of
from core.engine.request import RunKind
from core.errors import AirferryError
from core.words import count, size
from tui.model.overview import THIS_MACHINE
from tui.model.site import Site
from tui.presenters.changing import differs
from tui.presenters.row import Row
from tui.terminal.text import STYLES, fit, safe, signed, time_of_day, when

if TYPE_CHECKING:
    from core.engine.services import RegistryStatus, Tunnels, TunnelStatus

_NO_REGISTRY = "mode none has no registry"
TUNNEL_HEADING = f"    {'host':<16}{'state':<23}{'lost':>5}  last error"
_WORDS_WIDTH, _NOTE_WIDTH = 26, 48


@dataclass(frozen=True)
class Standing:
    """How one line of Maintenance stands.

    Args:
        words: In a few words.
        sign: `=` well, `!` worth a look, `x` not well, nothing for neither.
    """

    words: str = ""
    sign: str = " "


@dataclass(frozen=True)
class Upkeep:
    """How everything stands; what cannot be asked says why.

    Args:
        lines: By the key of the line.
        registry: The registry of this machine; None where it is not Airferry's or does not answer.
        tunnels: The tunnels.
        differs: In what the site differs from its config.
    """

    lines: Mapping[str, Standing] = field(default_factory=dict)
    registry: RegistryStatus | None = None
    tunnels: Tunnels | None = None
    differs: tuple[str, ...] = ()


LINES: Mapping[str, str] = {
    "backup": "Back up the registry",
    "restore": "Restore the registry",
    "mode": "Change the mode",
    "tunnels": "Tunnels",
    "registry": "Registry",
    "held": "What the registry holds",
    "verify": "Verify the site",
    "rot": "Check the registry",
    "old": "Clear old bundles",
    "check": "Check all hosts",
    "clean": "Clean hosts",
    "support": "Support bundle",
}


def look_after(site: Site) -> Upkeep:
    """Ask how everything stands. Blocks: call it in a thread."""
    from core.engine import services  # not for the first paint

    config, reader = site.config, site.reader
    runs = reader.runs()
    lines = {
        "backup": _last_backup(runs, site, reader),
        "restore": _last(runs, RunKind.RESTORE, site, reader, "from a file; asked first"),
        "mode": _mode(config, changed := differs(site)),
        "verify": _last(runs, RunKind.VERIFY, site, reader, "is every image there? Never done yet"),
        "check": _last(runs, RunKind.CHECK, site, reader, "never done yet"),
        "clean": Standing(
            f"takes away what Airferry put there; {count(len(config.hosts), 'host')}"
        ),
        "support": Standing("for whoever helps you; no passwords in it"),
        "rot": _rot(runs, site, reader),
        **_stored(config),
    }
    registry = None
    try:
        if config.mode is not Mode.CUSTOM:
            registry = services.registry_status(config)
        lines["registry"] = _registry(config, registry)
    except (AirferryError, OSError) as error:
        lines["registry"] = Standing(safe(str(error), 80), "x")
    tunnels = services.tunnels_now(config)
    lines["tunnels"] = _tunnels(tunnels)
    return Upkeep(lines, registry, tunnels, changed)


def _mode(config: Config, changed: tuple[str, ...]) -> Standing:
    if changed:
        return Standing(f"differs from the config: {safe(changed[0], 80)}", "!")
    return Standing(f"now {config.mode}")


def _registry(config: Config, status: RegistryStatus | None) -> Standing:
    if status is None:
        return Standing(f"the site's own: {safe(config.registry_base, 40)}")
    if status.ours:
        return Standing(f"runs at {status.address}", "=")
    if status.running:
        return Standing(f"another program answers at {status.address}", "x")
    if config.mode is Mode.NONE:
        return Standing("not running: mode none needs it in runs only")
    return Standing("not running", "!")


def _rot(runs: list[RunRow], site: Site, reader: JournalReader) -> Standing:
    if site.config.mode is Mode.NONE:
        return Standing(_NO_REGISTRY)
    kinds = (RunKind.REGISTRY_VERIFY, RunKind.REPAIR)
    own = [run for run in runs if run.mode == site.config.mode]  # each mode has its registry
    kind = next((RunKind(run.kind) for run in own if run.kind in kinds), kinds[0])
    return _last(own, kind, site, reader, "is all that it stores whole? Never done yet")


def _stored(config: Config) -> dict[str, Standing]:
    """Return what the registry of this machine could give back."""
    if config.mode is not Mode.DU:
        own = "the site's own: cleared up where it runs"
        if config.mode is Mode.NONE:
            return dict.fromkeys(("held", "old"), Standing(_NO_REGISTRY))
        return {"held": Standing("names, sizes, where they came from"), "old": Standing(own)}
    from core.engine.upkeep import generations_now, room_of_deleted  # imports SSH, too

    try:
        room_bytes, known = room_of_deleted(config), generations_now(config)
    except (AirferryError, OSError) as error:
        damaged = Standing(safe(str(error), 80), "!")
        return {"held": damaged, "old": damaged}
    held = "names, sizes, where they came from"
    if room_bytes:
        held = f"room of deleted images: {size(room_bytes)} (g there)"
    old = count(len(known.titles), "generation")
    if len(known.titles) > 1 and not known.room_bytes:
        old += "; nothing of old ones is left"
    elif known.room_bytes:
        old += f"; all but the newest hold {size(known.room_bytes)}"
    return {"held": Standing(held), "old": Standing(old if known.titles else "no bundle known")}


def _tunnels(tunnels: Tunnels) -> Standing:
    wanted = len(tunnels.tunnels)
    if not wanted:
        return Standing("none wanted")
    if not tunnels.service:
        return Standing(f"service stopped; {count(wanted, 'tunnel')} wanted", "x")
    return Standing(f"{tunnels.up} up of {wanted} wanted", "=" if tunnels.all_well else "!")


def _last(
    runs: list[RunRow], kind: RunKind, site: Site, reader: JournalReader, never: str
) -> Standing:
    whole = (run for run in runs if run.kind == kind and not run.options.get("hosts"))
    run = next(whole, None)
    if run is None:
        return Standing(never)
    state = site.launcher.true_state(run, site.config.state_dir)
    sign = {State.DONE: "=", State.PARTIAL: "!", State.RUNNING: ">"}.get(state, "x")
    words = f"last: {when(run.started)}, {_fared(run, state, reader)}"
    return Standing(words, sign)


def _fared(run: RunRow, state: State, reader: JournalReader) -> str:
    """Return how a run fared: by its hosts where it has any."""
    if state is State.RUNNING:
        return "at work"
    targets = [t for t in targets_of(reader.tasks(run.id)) if t.name != THIS_MACHINE]
    if not targets or not (state.went_well or state is State.FAILED):
        return "all well" if state is State.DONE else fares_words(run, state)
    good = sum(target.state in ENDED_WELL for target in targets)
    return f"{good} of {count(len(targets), 'host')} well"


def _last_backup(runs: list[RunRow], site: Site, reader: JournalReader) -> Standing:
    if site.config.mode is Mode.NONE:
        return Standing("mode none has no registry: keep the bundles")
    for run in runs:
        if run.kind == RunKind.BACKUP and run.state is State.DONE:
            total = sum(task.bytes_done for task in reader.tasks(run.id))
            where = safe(str(run.options.get("outdir", "")), 40)
            return Standing(f"last: {when(run.started)}, {size(total)}, in {where}", "=")
    return Standing("never done yet", "!")


def upkeep_rows(upkeep: Upkeep | None) -> list[Row]:
    """Return the lines of the screen.

    Args:
        upkeep: How everything stands; None while that is being asked.
    """
    rows = []
    for key, words in LINES.items():
        standing = upkeep.lines.get(key, Standing()) if upkeep else Standing("asking..")
        sign = standing.sign
        line = Text.assemble((sign, STYLES.get(sign, "")), f" {fit(words, _WORDS_WIDTH)} ")
        line.append(fit(standing.words, _NOTE_WIDTH).rstrip())
        rows.append(Row(key, line))
    return rows


def tunnel_line(tunnel: TunnelStatus) -> Text:
    """Return one tunnel's line."""
    up = f"up since {when(tunnel.up_since)}" if tunnel.up_since else "down"
    error = ""
    if tunnel.last_error:
        error = f"{time_of_day(tunnel.last_error_at)} {safe(tunnel.last_error, 200)}"
    elif not tunnel.up_since:
        error = "not opened yet"
    rest = f"{fit(tunnel.name, 15)} {fit(up, 22)} {tunnel.reconnects:>5}  {error}"
    return signed("=" if tunnel.up_since else "x", rest)


def tunnel_heading(tunnels: Tunnels | None) -> str:
    """Return the line above the tunnels."""
    if tunnels is None:
        return "Asking the tunnel service.."
    service = "runs" if tunnels.service else "is stopped"
    wanted = count(len(tunnels.tunnels), "tunnel")
    return f"{wanted} wanted, {tunnels.up} up.  The service on this machine {service}."


def services_words(config: Config) -> str:
    """Return how registry and tunnels fare, in a few words for Run: `registry ok  tunnels 11`.

    Empty where the site has none of ours. Blocks as long as the registry takes to answer.
    """
    if config.mode is not Mode.DU:
        return ""
    from core.engine import services  # not for the first paint

    try:
        answers, tunnels = services.registry_status(config).ours, services.tunnels_now(config)
    except (AirferryError, OSError):
        return ""
    wanted = len(tunnels.tunnels)
    up = f"{tunnels.up}" if tunnels.up == wanted else f"{tunnels.up} of {wanted}"
    return f"registry {'ok' if answers else 'down'}" + (f"  tunnels {up}" if wanted else "")

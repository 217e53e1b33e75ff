"""The three modes in words: what each is for, what it needs, what a change to it really does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from core.bundle.discovery import find_bundles
from core.config import Config, HostConfig, Mode, Warm
from core.engine.journal import ENDED_WELL, JournalReader
from core.engine.report import targets_of
from core.engine.request import HOST_JOBS, RunKind
from core.errors import AirferryError
from core.files import nearest_directory
from core.words import count, size
from tui.terminal.text import day, safe, wrapped

WIDTH = 76
LABEL_WIDTH = 18
WORDS: Mapping[Mode, str] = {
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
    Mode.DU: "the registry and one tunnel service, both on this machine",
    Mode.CUSTOM: "nothing of Airferry's",
}
_NOT = {
    Mode.NONE: "hosts must be able to pull images again later",
    Mode.DU: "this machine may be switched off: take none",
    Mode.CUSTOM: "there is no such registry yet: take du",
}
_HOST_RUNS = (*HOST_JOBS, RunKind.CLEAN)


@dataclass(frozen=True)
class SiteNow:
    """What earlier runs made of the site.

    Args:
        mode: The mode of the newest run that warmed hosts; None if there was none.
        warmed: How many of the config's hosts have everything.
        at: When that run began, in seconds since the epoch.
        bundle_bytes: The size of what lies in imagesDir.
        free_bytes: The room where the registry stores; -1 if that is not known.
    """

    mode: Mode | None = None
    warmed: int = 0
    at: float = 0.0
    bundle_bytes: int = 0
    free_bytes: int = -1


def look_at_site(reader: JournalReader, config: Config) -> SiteNow:
    """Read the journal and look at the room. Blocks: call it in a thread."""
    mode, at = None, 0.0
    newest: dict[str, bool] = {}
    for run in reader.runs():
        if run.kind not in _HOST_RUNS:
            continue
        if mode is None and run.kind != RunKind.CLEAN and run.mode in tuple(Mode):
            mode, at = Mode(run.mode), run.started
        for target in targets_of(reader.tasks(run.id)):
            ready = target.state in ENDED_WELL and run.kind != RunKind.CLEAN
            newest.setdefault(target.name, ready and not run.options.get("skip_images"))
    warmed = sum(newest.get(host.name, False) for host in config.hosts)
    return SiteNow(mode, warmed, at, _bundle_bytes(config), _free_bytes(config))


def _bundle_bytes(config: Config) -> int:
    try:
        return sum(file.size_bytes for file in find_bundles(config.images_dir)[0])
    except AirferryError:
        return 0


def _free_bytes(config: Config) -> int:
    try:
        return shutil.disk_usage(nearest_directory(config.registry_dir)).free
    except OSError:
        return -1


def mode_lines(mode: Mode, config: Config, now: SiteNow) -> list[str]:
    """Return what is said of a mode.

    Args:
        mode: The mode under the cursor.
        config: The site.
        now: What earlier runs made of it.
    """
    facts = {
        "choose it when": _CHOOSE[mode],
        "needs": _needs(mode, config, now),
        "leaves running": _RUNNING[mode],
        "names": _names(mode, config),
        "not when": _NOT[mode],
    }
    lines = [f"{mode.value} {'-' * (WIDTH - 2 - len(mode.value))}"]
    lines += [f"  {what:<16}{words}" for what, words in facts.items()]
    lines += ["", *_labelled("On this site now", _now(now, config.hosts))]
    if now.mode is not None and mode is not now.mode:
        lines += _labelled(f"Changing to {mode}", change_words(now.mode, mode))
    return lines


def _labelled(label: str, words: str) -> list[str]:
    first, *rest = wrapped(words, WIDTH - LABEL_WIDTH)
    indent = " " * LABEL_WIDTH
    return [f"{label:<{LABEL_WIDTH}}{first}", *(f"{indent}{line}" for line in rest)]


def _now(now: SiteNow, hosts: tuple[HostConfig, ...]) -> str:
    if now.mode is None:
        return f"nothing yet; {count(len(hosts), 'host')} in the config"
    every = count(len(hosts), "host")
    warmed = every if now.warmed == len(hosts) else f"{now.warmed} of {every}"
    return f"{now.mode}, {warmed} warmed, last on {day(now.at)}"


def change_words(before: Mode, after: Mode) -> str:
    """Return what changing a site that runs in another mode already does.

    Args:
        before: The mode that its hosts were warmed in.
        after: The new mode.
    """
    words = {
        Mode.NONE: "images on hosts stay",
        Mode.DU: "starts a registry here and a tunnel to each host; images on hosts stay",
        Mode.CUSTOM: "sends the bundles to the site's registry; images on hosts stay",
    }[after]
    if after is not Mode.NONE:
        words += ", and get new names beside the old ones"
    if before is Mode.NONE:
        return f"{words}. Nothing ends."
    left = {
        Mode.DU: "the tunnels and the registry here end; what it stores stays",
        Mode.CUSTOM: "Docker's settings for the site's registry go from the hosts",
    }[before]
    return f"{words}. Then, when all hosts are well, {left}. Review shows it before."


def _needs(mode: Mode, config: Config, now: SiteNow) -> str:
    if mode is Mode.CUSTOM:
        return "the registry's address, and its CA where it has TLS"
    room = f"{size(now.bundle_bytes)} here" if now.bundle_bytes else "room here"
    free = f" ({size(now.free_bytes)} free)" if now.free_bytes >= 0 else ""
    if mode is Mode.NONE:
        loads = config.warm is Warm.LOAD
        return "room on each host" if loads else f"{room}{free}; room on each host"
    return f"{room}{free}; port {config.registry_port} here, {config.host_registry_port} on hosts"


def _names(mode: Mode, config: Config) -> str:
    if mode is Mode.NONE:
        return "as in the bundles: calico/node:v3.20"
    base = config.registry_base or "REGISTRY"
    prefix = f"localhost:{config.host_registry_port}" if mode is Mode.DU else safe(base, 18)
    return f"as in the bundles, and {prefix}/calico/node:v3.20"

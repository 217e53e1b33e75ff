"""Hosts by the hundred: filtered, sorted, added by range, their new keys accepted at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import Config, HostConfig
from core.config.edit_hosts import HostEntry, add_hosts
from core.config.host_import import expanded
from core.engine.journal import TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import HostKeyUnknown, HostUnreachable
from tests.tui.conftest import CONFIG
from tests.tui.driving import opened, walk_to
from tests.tui.fake_engine import FakeEngine, checked, failed, hosts_of, line
from tests.tui.walks.test_hostile_text import EVIL, see_it_safe
from tui.presenters.hostview import ORDERS, STATES, HostResult, in_order

KEY = "ssh-ed25519 SHA256:" + "k" * 43


def crowd(path: Path, number: int) -> None:
    """Write a config with many hosts."""
    head = CONFIG[: CONFIG.index("hosts:")]
    entries = [HostEntry(f"w-{n}", f"10.1.{n // 250}.{n % 250 + 1}") for n in range(number)]
    path.write_text(add_hosts(head, entries))


def mixed(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return checks in which every tenth host has a new key and every 25th cannot be reached."""
    rows: list[TaskRow] = []
    for name in hosts_of(request, config):
        number = int(name.rpartition("-")[2])
        if number % 25 == 3:
            error = HostUnreachable(f"{name} (10.1.0.1): no route to host")
            rows.append(failed(name, "connect", error))
        elif number % 10 == 7 and not request.compared_keys:
            what = f"{name} has a host key never seen before: {KEY}{number}"
            rows.append(failed(name, "connect", HostKeyUnknown(what)))
        else:
            rows += checked(name)
    return rows


async def test_five_hundred_are_filtered_sorted_and_their_keys_accepted(config: Path) -> None:
    crowd(config, 500)
    engine = FakeEngine(mixed)
    async with opened(config, engine) as driver:
        await driver.press("enter", "enter", "n")
        await driver.sees("500 hosts: 430 ok   50 new key   20 unreachable", "K all")
        await driver.press("up", "home", "s")
        await driver.sees("s: problems first", "x w-3 ", "x w-303")
        await driver.press("s", "s")
        await driver.sees("s: address", "= w-0 ")
        await driver.press("slash", *"new", "space", *"w-12")
        await driver.sees("1 of 500", "! w-127", "k: accept")
        await driver.press("k")
        await driver.sees("/new w-12k", "0 of 500", "No host has these words")
        await driver.press("backspace", "backspace", "enter", "K")
        await driver.sees("Accept 11 new host keys?", "w-17 ", "SHA256:kkk", "> No", "PgDn more")
        await driver.press("pagedown")
        await driver.sees("w-147", f"{'k' * 43}147")
        await driver.press("enter")
        assert 1 == len(engine.requests)
        await driver.press("K", "right", "enter")
        await driver.sees("441 ok   39 new key")
    names = ("w-17", "w-107", "w-117", "w-127", "w-137", "w-147", "w-157", "w-167", "w-177")
    assert engine.requests[-1] == RunRequest(
        RunKind.CHECK,
        config,
        hosts=(*names, "w-187", "w-197"),
        compared_keys=tuple(f"{KEY.split()[1]}{n}" for n in (17, *range(107, 198, 10))),
    )


async def test_one_host_is_tested_again_or_all_of_them(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 ok")
        await driver.press("up", "home", "down", "r")
        await driver.sees("3 ok")
        assert engine.requests[-1] == RunRequest(RunKind.CHECK, config, hosts=("worker-02",))
        await driver.press("R")
        await driver.until(lambda: engine.requests[-1] == RunRequest(RunKind.CHECK, config))


async def test_a_range_is_added_in_the_form(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 ok")
        await driver.press("a", "tab")
        await driver.sees("many at once: 10.0.0.[11-40]")
        await driver.paste("10.0.0.[11-13")
        await driver.press("ctrl+o")
        await driver.sees("x '10.0.0.[11-13' is no address")
        await driver.paste("]")
        await driver.sees("= 3 hosts: 10.0.0.11 to 10.0.0.13")
        await driver.press("shift+tab")
        await driver.paste("rack-[1-2]")
        await driver.sees("x 2 names for 3 addresses")
        await driver.press("backspace", "backspace", "3", "]", "ctrl+o")
        await driver.sees("6 hosts: 6 ok", "> = rack-1", "rack-3", "10.0.0.13")
        names = ("rack-1", "rack-2", "rack-3")
        assert engine.requests[-1] == RunRequest(RunKind.CHECK, config, hosts=names)
    assert config.read_text().startswith(CONFIG + "  - name: rack-1\n    address: 10.0.0.11\n")


async def test_wide_terminals_show_the_host_beside_the_list(config: Path) -> None:
    engine = FakeEngine()
    engine.log = [line("kernel: 6.1\nfree: 23 GB", "worker-02", "fact")]
    async with opened(config, engine, size=(130, 40)) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 ok", "login    tech+sudo, key the agent's")
        await driver.press("up", "home", "down")
        await driver.sees("address  10.78.0.12, port 22", "kernel  6.1", "free    23 GB")
        assert all(len(shown) <= 130 for shown in driver.text.splitlines())


async def test_hostile_keys_are_shown_and_not_obeyed(config: Path) -> None:
    def script(request: RunRequest, config: Config) -> list[TaskRow]:
        return [
            failed(name, "connect", HostKeyUnknown(f"{name} new: {EVIL} {'k' * 500}"))
            for name in hosts_of(request, config)
        ]

    async with opened(config, FakeEngine(script)) as driver:
        await walk_to(driver, "Hosts")
        await see_it_safe(driver, "3 new key", "k: accept")
        await driver.press("K")
        await see_it_safe(driver, "Accept 3 new host keys?", "abc", "Compare each")
        await driver.press("escape", "slash", *"[/]")
        await see_it_safe(driver, "3 of 3")


async def test_config_of_two_writers_is_not_cut_at_the_wrong_place(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 ok")
        await driver.press("up", "home", "delete")
        await driver.sees("Remove worker-01?", "Maintenance")
        theirs = CONFIG.replace("  - name: worker-01\n    address: 10.78.0.11\n", "")
        config.write_text(theirs)
        await driver.press("right", "enter")
        await driver.sees("The config was changed meanwhile")
    assert theirs == config.read_text()


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (ORDERS[0], ["b10", "b9", "a", "c"]),
        ("problems first", ["c", "b9", "a", "b10"]),
        ("name", ["a", "b9", "b10", "c"]),
        ("address", ["c", "a", "b10", "b9"]),
    ],
)
def test_orders(order: str, names: list[str]) -> None:
    addresses = {"b10": "10.0.0.20", "b9": "x" + "9" * 5000, "a": "10.0.0.3", "c": "9.9.9.9"}
    hosts = [HostConfig(name, address) for name, address in addresses.items()]
    results = {
        "b10": HostResult("=", "known", ""),
        "b9": HostResult("!", "NEW", "", "E-SSH-KEY-NEW"),
        "c": HostResult("x", "-", "", "E-SSH-ROUTE"),
    }
    assert names == [host.name for host in in_order(hosts, results, order)]


def test_every_state_has_its_place() -> None:
    found = {
        HostResult(sign, key, "", code).state
        for sign in "=!x."
        for key in ("-", "known")
        for code in ("", "E-SSH-KEY-NEW", "E-SSH-KEY-CHANGED", "E-SSH-LOGIN")
    }
    assert found <= set(STATES)


def test_hundreds_are_written_in_one_pass() -> None:
    entries = expanded(HostEntry("n-[001-700]", "10.0.[0-6].[1-100]"))
    assert 700 == add_hosts("hosts:\n  - a\n", entries).count("  - name: n-")
    flow = add_hosts("hosts: [a]\n", entries[:2])
    assert (
        "hosts: [a, {name: n-001, address: 10.0.0.1}, {name: n-002, address: 10.0.0.2}]\n" == flow
    )

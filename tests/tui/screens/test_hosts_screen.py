"""Hosts: tested at once, added, changed, removed, and their keys accepted."""

from __future__ import annotations

from pathlib import Path

from core.config import Config
from core.engine.journal import TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import BusyError, HostKeyUnknown, HostUnreachable
from core.warnings import CLOCK
from tests.tui.conftest import CONFIG
from tests.tui.driving import opened, walk_to
from tests.tui.fake_engine import FakeEngine, failed, hosts_of, well

KEY = "ssh-ed25519 SHA256:mVg3k0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


def with_new_key(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return checks in which worker-01 shows a new key until it is accepted."""
    if request.compared_keys or "worker-01" not in hosts_of(request, config):
        return well(request, config)
    what = f"worker-01 (10.78.0.11) has a host key never seen before: {KEY}"
    rows = [row for row in well(request, config) if row.target != "worker-01"]
    return [failed("worker-01", "connect", HostKeyUnknown(what)), *rows]


async def test_new_key_is_accepted_after_its_fingerprint_was_shown(config: Path) -> None:
    engine = FakeEngine(with_new_key)
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("2 ok", "1 new key", "NEW")
        await driver.press("up", "home")
        await driver.sees("> ! worker-01", "k accept", "k: accept")
        await driver.press("k")
        await driver.sees("Accept the key of worker-01?", KEY[-20:], "> No")
        await driver.press("enter")
        assert len(engine.requests) == 1
        await driver.press("k", "right", "enter")
        await driver.sees("3 hosts: 3 ok")
        assert engine.requests[-1] == RunRequest(
            RunKind.CHECK, config, hosts=("worker-01",), compared_keys=(KEY.split()[1],)
        )


async def test_k_moves_up_where_there_is_no_key_to_accept(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 ok")
        await driver.press("up", "end", "k")
        await driver.sees("> = worker-02")


async def test_unreachable_host_and_warnings_are_told(config: Path) -> None:
    def script(request: RunRequest, config: Config) -> list[TaskRow]:
        rows = [row for row in well(request, config) if row.target != "worker-02"]
        error = HostUnreachable("worker-02 (10.78.0.12): no route to host")
        for row in rows:
            if row.target == "worker-03":
                row.warnings = (CLOCK.of(off="9 minutes ahead"),)
        return [*rows, failed("worker-02", "connect", error)]

    engine = FakeEngine(script)
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("1 unreachable", "1 warning", "no route to host", "has a clock that")
        await driver.press("up", "home", "down", "enter")
        await driver.sees("worker-02 (10.78.0.12): no route to host", "Check the host's address")


async def test_host_is_added_and_tested(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 ok")
        await driver.press("a")
        await driver.paste("worker-04")
        await driver.press("escape", "a")
        await driver.sees("> name     worker-04")
        await driver.press("ctrl+o")
        await driver.sees("an address is needed")
        await driver.paste("10.78.0.14")
        await driver.press("ctrl+o")
        await driver.sees("4 hosts: 4 ok", "> = worker-04")
    added = "  - name: worker-04\n    address: 10.78.0.14\n"
    assert config.read_text() == CONFIG + added


async def test_host_is_changed_and_removed(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 ok")
        await driver.press("up", "home", "e", "tab", "ctrl+u")
        await driver.paste("10.99.0.1")
        await driver.press(*["enter"] * 5)
        await driver.sees("10.99.0.1", "3 ok")
        assert config.read_text() == CONFIG.replace("10.78.0.11", "10.99.0.1")
        await driver.press("delete")
        await driver.sees("Remove worker-01?", "> No")
        await driver.press("right", "enter")
        await driver.sees("2 hosts: 2 ok")
    assert "worker-01" not in config.read_text()


async def test_two_hosts_of_one_name_are_refused(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.press("a")
        await driver.paste("worker-01")
        await driver.press("tab")
        await driver.paste("10.0.0.9")
        await driver.press("ctrl+o")
        await driver.sees("has the name of", "Nothing was written")
    assert config.read_text() == CONFIG


async def test_test_that_cannot_begin_says_why(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        engine.refusal = BusyError("run 7 is at work")
        await driver.press("n")
        await driver.sees("run 7 is at work", "airferry watch")
        await driver.press("enter")
        await driver.sees("3 not tested")


async def test_many_hosts_are_pasted_and_shown_before_they_are_added(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 ok", "p paste", "i import")
        await driver.press("p")
        await driver.paste("10.79.0.[11-14]\n?!\nworker-01\n")
        await driver.sees("5 hosts understood, 1 of them in the config already", "10.79.0.12")
        await driver.sees("line 2: '?!' is no address", "Ctrl+O add them")
        assert CONFIG == config.read_text()
        await driver.press("escape", "p")
        await driver.sees("5 hosts understood")
        await driver.press("ctrl+o")
        await driver.sees("7 hosts: 7 ok", "10.79.0.14")
    assert config.read_text().endswith("  - address: 10.79.0.13\n  - address: 10.79.0.14\n")


async def test_hosts_are_imported_from_a_file(
    config: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    inventory = tmp_path / "inventory.ini"
    inventory.write_text("[workers]\nworker-9 ansible_host=10.79.0.9 ansible_user=tech\n")
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.press("i")
        await driver.paste("/gone.csv")
        await driver.press("enter")
        await driver.sees("/gone.csv: No such file", "Name a file with a list of hosts.")
        await driver.press("enter", "i")
        await driver.paste(str(inventory))
        await driver.press("enter")
        await driver.sees("1 host understood", "worker-9  tech@10.79.0.9")
        await driver.press("ctrl+o")
        await driver.sees("4 hosts: 4 ok", "worker-9")
    assert "  - name: worker-9\n    address: 10.79.0.9\n    user: tech\n" in config.read_text()

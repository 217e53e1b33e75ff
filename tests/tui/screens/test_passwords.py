"""Passwords: typed on any screen, given to every run, and seen by nobody else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from textual.worker import WorkerFailed

from core.config import Config, load_config
from core.engine.journal import JournalReader, State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError, HostLoginRefused, HostSudoRefused, HostUnfit
from core.secrets import NO_SECRETS, Login, Secrets
from tests.tui.driving import Driver, opened, walk_to
from tests.tui.fake_engine import FakeEngine, failed, hosts_of, line, task, well
from tui.screens.passwords import Passwords

LOGIN, SUDO, PASSPHRASE = "login-f3Qz81", "sudo-9Kx2mB", "phrase-7Vt4pQ"
REFUSED = HostLoginRefused("worker-02 (10.78.0.12) refuses the login of tech")
# What preflight makes of it: one error for all that is wrong with a host.
NO_SUDO = HostUnfit(
    "worker-02 tech is not root, and sudo wants a password; has no room",
    remedy=f"{HostSudoRefused.remedy_text} Make room.",
)


class AskingEngine(FakeEngine):
    """Refuses worker-02 until the right password comes with a run."""

    def __init__(self, error: AirferryError = REFUSED, step: str = "connect") -> None:
        super().__init__(self._rows)
        self._error = error
        self._step = step

    def _rows(self, request: RunRequest, config: Config) -> list[TaskRow]:
        rows = well(request, config)
        if "worker-02" not in hosts_of(request, config) or self._let_in():
            return rows
        others = [row for row in rows if row.target != "worker-02"]
        blocked = task("worker-02", "images.warm", State.BLOCKED, "not tried")
        return [*others, failed("worker-02", self._step, self._error), blocked]

    def _let_in(self) -> bool:
        login = self.secrets.for_host("worker-02")
        return LOGIN in (login.password, login.sudo)


async def type_in(driver: Driver, *fields: str, first: str = "login password") -> None:
    """Type into the fields of the box, one after the other, and take it."""
    await driver.sees("Passwords for the hosts", f"> {first}")
    for number, text in enumerate(fields):
        if number:
            await driver.press("tab")
        await driver.press(*text)
    await driver.press("ctrl+o")


async def test_typed_on_hosts_it_is_given_to_every_run(config: Path) -> None:
    engine = AskingEngine()
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("2 ok", "1 password wanted", "w password  Enter go on")
        await driver.press("up", "home", "down")
        await driver.sees("> x worker-02", "Type the password (w on the screens")
        await driver.press("w")
        await driver.sees("[x] all 3 hosts   [ ] only worker-02", "Kept in memory until you leave")
        await type_in(driver, LOGIN, SUDO, PASSPHRASE)
        await driver.sees("3 hosts: 3 ok")
        assert RunRequest(RunKind.CHECK, config) == engine.requests[-1]
        wanted = Secrets(Login(LOGIN, SUDO, PASSPHRASE))
        assert wanted == engine.secrets
        await driver.press("n", "n")
        await driver.sees("Start?")
        await driver.press("right", "enter")
        await driver.sees("All hosts are ready.")
        assert wanted == engine.secrets
        kinds = [request.kind for request in engine.requests]
        assert [RunKind.CHECK, RunKind.CHECK, RunKind.PLAN, RunKind.INSTALL] == kinds


async def test_for_one_host_only(config: Path) -> None:
    engine = AskingEngine()
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("1 password wanted")
        await driver.press("up", "home", "down", "w")
        await driver.sees("> login password")
        await driver.press(*LOGIN, "enter", "enter", "tab", "space")
        await driver.sees("> for            [ ] all 3 hosts   [x] only worker-02", "take it")
        await driver.press("enter")
        await driver.sees("3 hosts: 3 ok")
    assert RunRequest(RunKind.CHECK, config, hosts=("worker-02",)) == engine.requests[-1]
    assert Secrets(Login(), {"worker-02": Login(LOGIN)}) == engine.secrets


async def test_what_is_left_empty_stays_as_it_was(config: Path) -> None:
    engine = AskingEngine()
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("1 password wanted")
        await driver.press("w")
        await type_in(driver, "wrong", SUDO)
        await driver.sees("1 password wanted")
        await driver.press("w")
        await driver.sees("typed before; empty: it stays as it is")
        await type_in(driver, LOGIN)
        await driver.sees("3 hosts: 3 ok")
    assert Secrets(Login(LOGIN, SUDO)) == engine.secrets


async def test_esc_keeps_what_was_typed_and_nothing_is_no_password(config: Path) -> None:
    engine = AskingEngine()
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("1 password wanted")
        await driver.press("w")
        await driver.sees("> login password [ ", "empty: only keys are tried")
        await driver.press("ctrl+o")
        await driver.sees("x nothing was typed")
        await driver.press(*"abcd", "escape")
        await driver.sees("Next: Bundles")
        assert 1 == len(engine.requests)
        await driver.press("w")
        await driver.sees("> login password [****")
        await driver.press("end", "ctrl+u", *LOGIN, "enter", "enter", "enter")
        await driver.sees("3 hosts: 3 ok")
    assert Secrets(Login(LOGIN)) == engine.secrets


async def test_sudo_that_asks_is_mended_on_review(config: Path) -> None:
    engine = AskingEngine(NO_SUDO, "preflight")
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("1 password wanted", "w password")
        await driver.press("n", "n")
        await driver.sees("2 can be done, 1 cannot", "w: type it now", "w password  Enter answer")
        await driver.press("w")
        await type_in(driver, LOGIN, first="sudo password")
        await driver.sees("3 can be done", "Start?")
        assert "w password" not in driver.text
    plans = [request for request in engine.requests if request.kind is RunKind.PLAN]
    assert 2 == len(plans)
    assert Secrets(Login(sudo=LOGIN)) == engine.secrets


@pytest.mark.parametrize("ways", [(), ("escape",), ("escape", "home", "enter")])
async def test_a_refused_password_is_typed_again_and_the_host_retried(
    config: Path, ways: tuple[str, ...]
) -> None:
    engine = AskingEngine()
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await driver.press("down", "down", "enter")
        await driver.sees("2 of 3 hosts ready", "w: type it now", "w password")
        for key in ways:
            await driver.press(key)
            await driver.sees("[Run]", "w password")
        await driver.press("w")
        await driver.sees("only worker-02")
        await type_in(driver, LOGIN)
        await driver.sees("The host is ready.")
        assert "w password" not in driver.text
    again = RunRequest(RunKind.CONFIGURE_HOSTS, config, hosts=("worker-02",))
    assert again == engine.requests[-1]
    assert Secrets(Login(LOGIN)) == engine.secrets


async def test_locked_key_is_mended_on_hosts(config: Path) -> None:
    engine = AskingEngine(HostLoginRefused("worker-02: the key /root/k has a passphrase"))
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("the key /root/k has a passphrase", "w password")
        await driver.press("w")
        await type_in(driver, PASSPHRASE, first="key passphrase")
        await driver.until(lambda: 2 == len(engine.requests))
    assert Secrets(Login(passphrase=PASSPHRASE)) == engine.secrets


async def test_the_key_is_told_in_the_help_of_every_screen_that_has_it(config: Path) -> None:
    engine = AskingEngine()
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("1 password wanted")
        for key, words in (("f1", "w           password"), ("ctrl+p", "password  (w)")):
            await driver.press(key)
            await driver.sees(words)
            await driver.press("escape")
        await driver.press("w")
        await driver.sees("> login password")
        await driver.press("f1")
        await driver.sees("memory until Airferry is left", "take it")


async def test_while_some_are_asked_again_the_others_are_asked_on(config: Path) -> None:
    engine = AskingEngine()
    state_dir = load_config(config).state_dir
    async with opened(config, engine) as driver:
        engine.holds = frozenset({RunKind.CHECK})
        await walk_to(driver, "Hosts")
        await driver.sees("3 being tested")
        await driver.until(lambda: bool(JournalReader(state_dir).tasks(1)))
        refused = failed("worker-02", "connect", REFUSED)
        engine.write(state_dir, 1, [refused])
        await driver.sees("1 password wanted")
        engine.holds = frozenset()
        await driver.press("up", "home", "down", "w")
        await driver.sees("> login password")
        await driver.press(*LOGIN, "tab", "tab", "tab", "space", "enter")
        await driver.sees("1 ok", "2 being tested")
        engine.finish(state_dir, 1, well(engine.requests[0], load_config(config)))
        await driver.sees("3 hosts: 3 ok")


async def test_nothing_shows_or_stores_them(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    engine = AskingEngine()
    shown: list[str] = []
    async with opened(config, engine) as driver:

        def look() -> None:
            shown.append(driver.app.export_screenshot())
            shown.append(driver.text)

        await walk_to(driver, "Hosts")
        await driver.sees("1 password wanted")
        await driver.press("w")
        await driver.sees("> login password [")
        for secret in (LOGIN, SUDO, PASSPHRASE):
            await driver.paste(secret)
            await driver.sees("*" * len(secret))
            await driver.press("shift+home", "ctrl+x", "ctrl+shift+a", "super+c")
            look()
            await driver.press("tab")
        assert "" == driver.app.clipboard
        await driver.press("ctrl+o")
        await driver.sees("3 hosts: 3 ok")
        look()
        await driver.press("n", "n")
        await driver.sees("Start?")
        look()
        await driver.press("right", "enter")
        await driver.sees("All hosts are ready.")
        look()
        await driver.press("s", "enter")
        await driver.sees("Written:")
    assert Secrets(Login(LOGIN, SUDO, PASSPHRASE)) == engine.secrets
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "home" / "airferry-report-4.md" in files
    state_dir = load_config(config).state_dir
    assert [] != JournalReader(state_dir).runs()
    for secret in (LOGIN, SUDO, PASSPHRASE):
        assert [] == [picture for picture in shown if secret in picture]
        assert [] == [path for path in files if secret.encode() in path.read_bytes()]
        assert secret not in repr(driver.app.site.secrets)


async def test_screens_that_fail_do_not_print_them(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class BrokenEngine(AskingEngine):
        def start(self, request: RunRequest, secrets: Secrets = NO_SECRETS) -> int:
            if secrets != NO_SECRETS:
                typed = secrets.for_host("worker-02").password
                raise RuntimeError(f"{len(typed)} characters are too many")
            return super().start(request, secrets)

    async def type_one() -> None:
        async with opened(config, BrokenEngine()) as driver:
            await walk_to(driver, "Hosts")
            await driver.sees("1 password wanted")
            await driver.press("w")
            await type_in(driver, LOGIN)
            await driver.until(lambda: driver.app.return_code == 1)

    with pytest.raises(WorkerFailed):
        await type_one()
    printed = "".join(capsys.readouterr())
    log = load_config(config).state_dir / "screens.log"
    assert "airferry: The screens failed: RuntimeError. A run at work goes on." in printed
    assert "Traceback" not in printed
    assert "RuntimeError: 12 characters are too many" in log.read_text()
    assert 0o600 == stat.S_IMODE(log.stat().st_mode)
    assert LOGIN not in printed + log.read_text()


async def test_facts_are_shown_in_full_where_one_host_is_looked_at(config: Path) -> None:
    engine = FakeEngine()
    kernel = "6.1.0-18-amd64 " + "of a long line of kernels " * 4
    engine.log = [
        line("operating system: Debian GNU/Linux 12 (bookworm)", "worker-01", "fact"),
        line(f"kernel: {kernel}", "worker-01", "fact"),
        line("kernel: of another", "worker-02", "fact"),
        line("now it begins", "worker-01"),
    ]
    system = "operating system  Debian GNU/Linux 12 (bookworm)"
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        await driver.sees("3 hosts: 3 ok")
        await driver.press("up", "home", "enter")
        await driver.sees(system, "kernel            6.1.0-18-amd64", "line of kernels")
        assert "of another" not in driver.text
        await driver.press("escape", "n", "n")
        await driver.sees("Start?")
        assert "Debian GNU/Linux 12 (bookworm)" not in driver.text
        await driver.press("right", "enter")
        await driver.sees("All hosts are ready.")
        await driver.press("escape", "home", "down", "enter")
        await driver.sees("worker-01", "now it begins", "f facts")
        assert "6.1.0-18" not in driver.text
        await driver.press("f")
        await driver.sees("worker-01: what it is", system)


async def test_the_box_fits_and_names_many_hosts(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await driver.sees("Found")
        some = tuple(f"worker-{number:02}" for number in range(20))
        driver.app.open(Passwords(driver.app.site, some))
        await driver.sees("[ ] only worker-00 and 19 more")
        assert all(len(shown) <= 80 for shown in driver.text.splitlines())

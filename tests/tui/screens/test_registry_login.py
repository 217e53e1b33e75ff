"""The login to the site's own registry: typed where it is asked for, and seen by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import Config
from core.engine.journal import State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError, RegistryDenied, RegistryLoginNeeded, RegistryLoginRefused
from core.secrets import NO_SECRETS, RegistryLogin, Secrets
from tests.support.certificates import make_authority
from tests.support.logins import PASSWORD, USER, htpasswd
from tests.support.registry import running_registry
from tests.tui.driving import Driver, opened, walk_to
from tests.tui.fake_engine import FakeEngine, failed, task, well

NEEDED = RegistryLoginNeeded("the registry registry.site:5000 asks for a login")
REFUSED = RegistryLoginRefused("the registry registry.site:5000 does not take the login of carrier")
DENIED = RegistryDenied("the registry registry.site:5000 does not let carrier push to team/x")
TYPED = RegistryLogin(USER, PASSWORD, source="as it was typed")


class AskingRegistry(FakeEngine):
    """Its registry refuses everything until the right login comes with a run."""

    def __init__(self, error: AirferryError = NEEDED) -> None:
        super().__init__(self._rows)
        self._error = error

    def _rows(self, request: RunRequest, config: Config) -> list[TaskRow]:
        rows = [row for row in well(request, config) if row.step != "registry.serve"]
        if request.kind is RunKind.CHECK:
            return rows
        found = "login of carrier (as it was typed), may pull and push"
        reached = task("du", "registry.reach", State.PRESENT, found)
        if self.secrets.registry != TYPED:
            reached = failed("du", "registry.reach", self._error)
        return [reached, *rows]


@pytest.fixture
def custom(config: Path) -> Path:
    """The site, in mode custom."""
    lines = [
        line for line in config.read_text().splitlines() if not line.startswith("privateRegistry")
    ]
    lines += ["privateRegistryType: custom", "privateRegistryBase: registry.site:5000/team"]
    config.write_text("\n".join([*lines, ""]))
    return config


async def to_review(driver: Driver) -> None:
    await walk_to(driver, "Hosts")
    await driver.press("n", "n")


@pytest.mark.parametrize("error", [NEEDED, REFUSED, DENIED])
async def test_it_is_asked_for_on_review(custom: Path, error: AirferryError) -> None:
    engine = AskingRegistry(error)
    async with opened(custom, engine) as driver:
        await to_review(driver)
        await driver.sees(error.code, "w: type it now", "w password")
        await driver.press("w")
        await driver.sees("Login to the registry", "registry.site:5000/team", "> user name")
        await driver.press(*USER, "enter")
        await driver.sees("> password", "Kept in memory")
        await driver.paste(PASSWORD)
        await driver.sees("*" * len(PASSWORD), "take it")
        assert PASSWORD not in driver.app.export_screenshot()
        await driver.press("enter")
        await driver.sees("Start?", "Registry", "login of carrier (as it was typed), may pull")
        assert "w password" not in driver.text
        assert Secrets(registry=TYPED) == engine.secrets
        assert PASSWORD not in f"{driver.text}{driver.app.site.secrets!r}"
    plans = [request.kind for request in engine.requests if request.kind is RunKind.PLAN]
    assert [RunKind.PLAN, RunKind.PLAN] == plans


async def test_both_are_needed_and_esc_keeps_what_was_typed(custom: Path) -> None:
    custom.write_text(f"{custom.read_text()}privateRegistryUser: {USER}\n")
    engine = AskingRegistry()
    async with opened(custom, engine) as driver:
        await to_review(driver)
        await driver.sees("w: type it now")
        await driver.press("w")
        await driver.sees("> password", f"[{USER}")
        await driver.press("ctrl+o")
        await driver.sees("x both are needed")
        await driver.press(*"abc", "escape")
        await driver.sees("[Review]")
        await driver.press("w")
        await driver.sees("> password       [***")
        await driver.press("end", "ctrl+u")
        await driver.paste(PASSWORD)
        await driver.press("ctrl+o")
        await driver.sees("Start?")
    assert Secrets(registry=TYPED) == engine.secrets


@pytest.mark.usefixtures("registry_program")
async def test_what_a_registry_with_a_login_holds(custom: Path, tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    storage = tmp_path / "storage"
    storage.mkdir()
    certificate, auth = authority.issue("127.0.0.1"), htpasswd(tmp_path)
    with running_registry(storage, "127.0.0.1", certificate, auth) as registry:
        text = custom.read_text().replace("registry.site:5000", registry.address)
        custom.write_text(f"{text}privateRegistryCA: {authority.path}\n")
        engine = FakeEngine()
        async with opened(custom, engine) as driver:
            await walk_to(driver, "Bundles")
            await driver.press("g")
            await driver.sees("asks for a login", "w password")
            await driver.press("w")
            await driver.sees("> user name")
            await driver.press(*USER, "tab")
            await driver.paste(PASSWORD)
            await driver.press("enter")
            await driver.sees("0 names")
            assert "w password" not in driver.text
            assert driver.app.site.secrets != NO_SECRETS

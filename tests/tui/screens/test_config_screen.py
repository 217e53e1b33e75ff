"""The form and the text of the config: checked while typing, saved in place, never lost."""

from __future__ import annotations

from pathlib import Path

from tests.tui.conftest import CONFIG
from tests.tui.driving import opened, to_key, walk_to
from tests.tui.fake_engine import FakeEngine


async def test_esc_keeps_what_was_typed(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "registryDir")
        await driver.press("enter", "ctrl+u")
        await driver.paste("elsewhere")
        await driver.sees("changed", "Esc stop typing")
        await driver.press("escape")
        await driver.sees(">   registryDir", "[elsewhere", "changed", "Not saved: 1 changed line")
        await driver.press("escape", "escape")
        await driver.sees("[Start]")
        await driver.press("enter", "enter")
        await driver.sees("[Config]", "elsewhere", "Not saved: 1 changed line")
        assert config.read_text() == CONFIG
        await to_key(driver, "registryDir")
        await driver.press("u")
        await driver.sees("Saved.")


async def test_saving_changes_that_line_only_and_keeps_a_backup(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "registry port")
        await driver.press("enter", "ctrl+u")
        await driver.paste("6000")
        await driver.press("enter", "v")
        await driver.sees("-registryPort: 5990", "+registryPort: 6000")
        await driver.press("escape", "ctrl+o")
        await driver.sees("Saved.")
    assert config.read_text() == CONFIG.replace("registryPort: 5990", "registryPort: 6000")
    assert config.with_name(config.name + ".bak").read_text() == CONFIG


async def test_wrong_values_are_told_while_typing_and_stop_the_walk(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "registry port")
        await driver.press("enter")
        await driver.paste("x")
        await driver.sees("x 1 problem", "registryPort", "is '5990x'", "a whole number from 1")
        await driver.press("escape", "n")
        await driver.sees("Mend this first", "is '5990x' (allowed: a whole number")
        await driver.press("enter")
        await driver.sees("[Config]")


async def test_keys_of_other_modes_are_not_shown(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Mode")
        await driver.press("down", "enter")
        await driver.sees("plain HTTP", "is needed in mode custom", "> x registry")
        assert "registryDir" not in driver.text


async def test_broken_yaml_is_mended_as_text(config: Path, engine: FakeEngine) -> None:
    config.write_text("imagesDir: imgs\nstateDir: state\nhosts: [\n")
    async with opened(config, engine) as driver:
        await driver.sees("Mend the config", "1 problem")
        await driver.press("enter")
        await driver.sees("[Config]", "The text is not YAML: above are the defaults.", "text: t.")
        await driver.press("t")
        await driver.sees("3  hosts: [", "not YAML")
        await driver.press("ctrl+end", "backspace", "backspace")
        await driver.sees("No problem.")
        await driver.press("escape")
        await driver.sees("No problem.", "Not saved")
        await driver.press("ctrl+o")
        await driver.sees("Saved.")
    assert config.read_text() == "imagesDir: imgs\nstateDir: state\nhosts: "


async def test_text_that_the_form_cannot_edit_says_so(config: Path, engine: FakeEngine) -> None:
    config.write_text("imagesDir: imgs\nstateDir: state\nssh: {user: tech}\nhosts: []\n")
    async with opened(config, engine) as driver:
        await walk_to(driver, "Mode")
        await driver.press("up", "enter")
        await driver.sees("[Config]")
        await to_key(driver, "at once")
        await driver.press("enter")
        await driver.paste("9")
        await driver.sees("cannot be edited in the form", "Change it as text")


async def test_config_that_cannot_be_written_says_why(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Mode")
        await driver.press("up", "enter")
        await driver.sees("Not saved")
        config.with_name(config.name + ".new").mkdir()
        await driver.press("ctrl+o")
        await driver.sees("Check the rights and the room there")
        told = " ".join(driver.text.replace("|", " ").split())  # wherever the path has it broken
        assert "cannot be written: Is a directory" in told
    assert config.read_text() == CONFIG


async def test_keys_typed_ahead_of_a_field_that_closes_are_no_text(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "registryDir")
        await driver.press("enter")
        await driver.paste("2")
        driver.type_ahead("enter", "v")
        await driver.sees("+registryDir: registry2")
    assert "registry2v" not in driver.app.site.draft.text

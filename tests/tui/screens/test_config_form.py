"""The form of the config: what is picked, what stands under a value, and a file of two writers."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from core.config import (
    KEYS,
    Config,
    Mode,
    SshConfig,
    keys_for,
    load,
    missing_files,
    parse_config,
)
from core.errors import ConfigError
from tests.support.packages import deb, tar
from tests.tui.conftest import CONFIG
from tests.tui.driving import opened, to_key, walk_to
from tests.tui.fake_engine import FakeEngine
from tests.tui.walks.test_hostile_text import EVIL, see_it_safe
from tui.model.draft import ConfigDraft
from tui.model.value_hints import quick, slow
from tui.start import config_path

# Not keys of the form: the file itself, and what stands on a screen of its own.
_ELSEWHERE = {"path", "lines", "hosts", "ssh", "said"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with two keys and a file that is none."""
    place = tmp_path / "home"
    (place / ".ssh").mkdir(parents=True)
    for name in ("id_ed25519", "site_rsa"):
        (place / ".ssh" / name).write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    (place / ".ssh" / "config").write_text("Host *\n")
    monkeypatch.setenv("HOME", str(place))
    return place


def test_every_key_of_the_model_is_in_the_form() -> None:
    for model, in_section in ((Config, False), (SshConfig, True)):
        shown = {key.field for key in KEYS if key.in_section is in_section}
        assert {field.name for field in fields(model)} - _ELSEWHERE == shown
    assert all(len(key.form_help) <= (58 if key.choices else 74) for key in KEYS)


@pytest.mark.parametrize(
    ("mode", "hidden"), [(Mode.DU, "registry CA"), (Mode.CUSTOM, "registryDir")]
)
def test_keys_that_mean_nothing_in_a_mode_are_not_shown(mode: Mode, hidden: str) -> None:
    assert hidden not in [key.name for key in keys_for(mode)]


def test_every_choice_is_one_that_the_config_takes() -> None:
    for key in KEYS:
        for choice in key.choices:
            parent = "ssh:\n  " if key.in_section else ""
            text = f"{parent}{key.own_name}: {choice}\n"
            _, problems = parse_config(text, Path("/site/config.yaml"))
            assert [p.key for p in problems if p.key == key.path] == []
            assert choice == key.picked(choice.upper())
        default = key.shown(Config(Path("/site/config.yaml")))
        assert not key.choices or key.picked(default)


async def test_choices_are_picked_and_not_typed(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "mode")
        await driver.sees("[ ] none   [x] du   [ ] custom", "Space picks")
        await driver.press("left")
        await driver.sees("[x] none   [ ] du   [ ] custom", "changed")
        await driver.press("u")
        await to_key(driver, "warm by")
        await driver.sees("[x] pull   [ ] load")
        await driver.press("space")
        await driver.sees("[ ] pull   [x] load")
        await to_key(driver, "try one")
        await driver.press("enter")
        await driver.sees("[ ] false   [x] true")
        await driver.press("ctrl+o")
        await driver.sees("Saved.")
    assert config.read_text() == CONFIG + "warm: load\nverifyRun: true\n"


async def test_what_was_found_stands_under_the_value(
    config: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    tar(tmp_path / "docker.tgz", {"d.deb": deb("docker-ce", "5:24.0.7-1~debian.12~bookworm")})
    config.write_text(CONFIG + "dockerRepo: docker.tgz\n")
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await driver.sees("2 bundles, ", "made when it is needed; ", " GB free")
        await driver.sees("bare .deb packages: Docker 24.0.7 for Debian 12 (amd64)")
        await driver.sees("needs sudo on hosts; where that asks: w on Hosts")


async def test_key_that_is_not_there_is_replaced_by_one_that_is(
    config: Path, engine: FakeEngine, home: Path
) -> None:
    config.write_text(CONFIG.replace("  user: tech", "  key: ~/.ssh/id_rsa\n  user: tech"))
    async with opened(config, engine) as driver:
        await driver.press("enter", "enter")
        await driver.sees("> x ssh key", "no such file. Keys found: ~/.ssh/id_ed25519 (Enter: take")
        await driver.sees("Enter take it")
        await driver.press("enter")
        await driver.sees("[~/.ssh/id_ed25519", "a private key", "No problem.", "Enter change")
    assert (home / ".ssh" / "config").exists()


def test_of_several_files_that_are_not_there_the_first_counts(tmp_path: Path) -> None:
    for name in ("docker-a.tar", "docker-b.tar"):
        (tmp_path / name).touch()
    text = "dockerRepo: [docker-a.tr, docker-b.tr]\n"
    config, _ = parse_config(text, tmp_path / "airctl-config.yaml")
    problems = {problem.key: problem for problem in missing_files(config)}
    assert str(tmp_path / "docker-a.tar") == quick(config, problems)["dockerRepo"].offer


async def test_name_much_like_it_is_offered(config: Path, engine: FakeEngine) -> None:
    config.write_text(CONFIG.replace("imagesDir: imgs", "imagesDir: img"))
    async with opened(config, engine) as driver:
        await driver.press("enter", "enter")
        await driver.sees("> x imagesDir", "no such file. There is imgs (Enter: take it)")
        await driver.press("enter")
        await driver.sees("2 bundles, ", "No problem.")


async def test_tab_goes_through_the_keys_while_typing(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "registry port")
        await driver.press("enter", "ctrl+u", *"6001", "tab", "ctrl+u", *"6002", "tab")
        await driver.sees("[6001", "[6002", "Not saved: 2 changed lines")
        await driver.press("escape", "shift+tab", "u")
        await driver.sees("Not saved: 1 changed line")


async def test_a_list_is_changed_as_text(config: Path, engine: FakeEngine) -> None:
    config.write_text(CONFIG + "dockerRepo:\n  - imgs\n  - imgs\n")
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await driver.sees("a list of 2: Enter opens it as text")
        await to_key(driver, "dockerRepo")
        await driver.press("enter")
        await driver.sees("back to the form", "dockerRepo:")
        await driver.press("f6")
        await driver.sees("a list of 2")


async def test_lines_with_problems_are_marked_in_the_text(config: Path, engine: FakeEngine) -> None:
    bad = CONFIG.replace("5990", "x").replace("5991", "y")
    config.write_text(bad)
    async with opened(config, engine) as driver:
        await driver.press("enter", "t")
        await driver.sees(" 6x registryPort: x", " 7x hostRegistryPort: y", "2 problems. Line 6")
        await driver.press("f8")
        await driver.sees("2 problems. Line 7, hostRegistryPort")
        await driver.press("end", "backspace", "1")
        await driver.sees("1 problem. Line 6", " 7  hostRegistryPort: 1")
        await driver.press("f8", "end", "backspace", "2", "ctrl+o")
        await driver.sees("Next: Hosts", "Saved.")
    assert config.read_text() == bad.replace("Port: x", "Port: 2").replace("Port: y", "Port: 1")


async def test_mine_is_put_into_what_somebody_else_wrote(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "mode")
        await driver.press("left")
        theirs = CONFIG.replace("5990", "5995") + "# by somebody else\n"
        config.write_text(theirs)
        await driver.press("ctrl+o")
        await driver.sees("The file was changed meanwhile", "> Look at the difference")
        await driver.press("enter")
        await driver.sees("What they changed", "+# by somebody else", "-registryPort: 5990")
        await driver.press("escape")
        await driver.sees("Keep mine")
        await driver.press("right", "enter")
        await driver.sees("Saved.")
    assert config.read_text() == theirs.replace("Type: du", "Type: none")
    assert config.with_name(config.name + ".bak").read_text() == theirs


async def test_theirs_is_taken(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "mode")
        await driver.press("left")
        config.write_text(CONFIG.replace("5990", "5995"))
        await driver.press("n")
        await driver.sees("The file was changed meanwhile")
        await driver.press("right", "right", "enter")
        await driver.sees("[5995", "[x] du", "Saved.")
        assert not driver.app.site.draft.is_dirty


async def test_coming_back_notices_it_too_and_esc_leaves_it_open(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "mode")
        await driver.press("left", "v")
        await driver.sees("What saving would change")
        config.write_text(CONFIG + "# theirs\n")
        await driver.press("escape")
        await driver.sees("The file was changed meanwhile")
        await driver.press("escape")
        await driver.sees("Not saved: 1 changed line")
        await driver.press("v", "escape")
        await driver.sees("[x] none", "Ctrl+O save")
        await driver.press("ctrl+o")
        await driver.sees("The file was changed meanwhile")
    assert config.read_text() == CONFIG + "# theirs\n"


async def test_without_changes_here_theirs_is_shown_at_once(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await driver.press("t")
        await driver.sees("back to the form")
        config.write_text(CONFIG.replace("5990", "5995"))
        await driver.press("escape")
        await driver.sees("[5995", "Saved.")


def test_whole_text_edited_stays_whole() -> None:
    draft = ConfigDraft("a: 1\nb: 2\n")
    draft.replace("a: 9\n")
    draft.rebase("a: 1\nb: 3\n")
    assert draft.text == "a: 9\n"
    assert [line for line in draft.diff() if line[0] in "+-"][2:] == ["-a: 1", "-b: 3", "+a: 9"]


def test_keys_that_do_not_fit_into_theirs_stay_in_mine() -> None:
    draft = ConfigDraft("ssh:\n  user: tech\n")
    draft.set("ssh.user", "root")
    draft.rebase("ssh: {user: tech}\n")
    assert draft.text == "ssh:\n  user: root\n"
    assert draft.is_dirty


async def test_a_new_file_is_made_by_the_form(
    tmp_path: Path, engine: FakeEngine, home: Path
) -> None:
    (tmp_path / "imgs").mkdir()
    path = tmp_path / "airctl-config.yaml"
    async with opened(path, engine) as driver:
        await driver.press("enter", "enter")
        await driver.sees("[Config]", "imagesDir", "A new file: Ctrl+O writes it")
        await to_key(driver, "imagesDir")
        await driver.press("enter", "ctrl+u")
        await driver.paste("imgs")
        await driver.press("escape")
        await to_key(driver, "stateDir")
        await driver.press("enter", "ctrl+u")
        await driver.paste("state")
        await driver.press("enter", "n")
        await driver.sees("Save these changes?", "+imagesDir: imgs")
        await driver.press("enter")
        await driver.sees("[Hosts]", "No hosts yet")
    assert path.read_text() == "privateRegistryType: none\nimagesDir: imgs\nstateDir: state\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.with_name(path.name + ".bak").exists()
    assert (home / ".ssh").is_dir()


def test_screens_open_without_any_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "new.yaml"
    monkeypatch.setattr(load, "SEARCH_PATH", (place, tmp_path / "gone" / "c.yaml"))
    assert place == config_path(None)
    with pytest.raises(ConfigError, match="no such file"):
        config_path("/no/such.yaml")


async def test_file_that_went_away_is_written_again_when_asked(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Config")
        await to_key(driver, "mode")
        await driver.press("left")
        config.unlink()
        await driver.press("ctrl+o")
        await driver.sees("The file was changed meanwhile")
        await driver.press("right", "enter")
        await driver.sees("Saved.")
    assert "privateRegistryType: none" in config.read_text()


def test_what_is_found_for_odd_values(tmp_path: Path, home: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n" * 2)
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA")
    (tmp_path / "known").write_text("# comment\n10.0.0.1 ssh-ed25519 AAAA\n")
    text = (
        "imagesDir: empty\nregistryDir: ca.pem\nprivateRegistryCA: ca.pem\ndockerRepo: key.pub\n"
        "ssh:\n  key: key.pub\n  knownHosts: known\n  hostKeys: SHA256:" + "a" * 43 + "\n"
    )
    config, problems = parse_config(text, tmp_path / "config.yaml")
    assert problems == []
    found = quick(config, {})
    assert ("!", "no bundle in it (0 other files)") == (
        found["imagesDir"].sign,
        found["imagesDir"].words,
    )
    assert "not a directory" == found["registryDir"].words
    assert "2 certificates" == found["privateRegistryCA"].words
    assert found["ssh.key"].words.startswith("a public key")
    assert "1 host key" == found["ssh.knownHosts"].words
    assert "1 fingerprint" == found["ssh.hostKeys"].words
    assert {"dockerRepo": "no Docker in it: key.pub: is no archive"} == {
        key: each.words for key, each in slow(config).items()
    }
    assert (home / ".ssh").is_dir()


async def test_hostile_names_under_values(config: Path, engine: FakeEngine) -> None:
    place = config.parent / "repo"
    place.mkdir()
    (place / f"{EVIL.replace('/', '')}.tar").write_bytes(b"junk")
    tar(place / "\x1b[2J[red].tgz", {"readme": b"x"})
    config.write_text(CONFIG.replace("imagesDir: imgs", "imagesDir: imgz") + "dockerRepo: repo\n")
    (config.parent / "imgz\x1b[").mkdir()
    (config.parent / "imgs").rename(config.parent / "elsewhere")
    async with opened(config, engine) as driver:
        await driver.press("enter", "enter")
        await see_it_safe(driver, "> x imagesDir", "There is imgz?[", "no Docker in it")
        await driver.press("enter", "t")
        await see_it_safe(driver, "back to the form")

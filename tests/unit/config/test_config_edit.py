"""Editing in place: one key changes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import parse_config, set_values, write_config
from core.errors import ConfigError

TEXT = """\
# the site
duFqdn: du.example.com   # not ours

imagesDir: /imgs  # on the stick
registryPort: 5100
ssh:
  # who
  user: root  # or tech
  key:

hosts:
- 10.0.0.1
- {address: 10.0.0.2, user: a}
# the end
"""


@pytest.mark.parametrize(
    ("key", "value", "line", "changed"),
    [
        ("imagesDir", "/other", "imagesDir: /imgs  #", "imagesDir: /other  #"),
        ("registryPort", 5200, "registryPort: 5100", "registryPort: 5200"),
        ("ssh.user", "tech", "  user: root  #", "  user: tech  #"),
        ("ssh.key", "/k", "  key:\n", "  key: /k\n"),
        ("ssh.port", 23, "  key:\n", "  key:\n  port: 23\n"),
        ("duFqdn", "a: b", "duFqdn: du.example.com ", "duFqdn: 'a: b' "),
        ("imagesDir", "yes", "imagesDir: /imgs", "imagesDir: 'yes'"),
        ("imagesDir", "", "imagesDir: /imgs", "imagesDir: ''"),
        ("imagesDir", "#x", "imagesDir: /imgs", "imagesDir: '#x'"),
        ("imagesDir", True, "imagesDir: /imgs", "imagesDir: true"),
    ],
)
def test_one_place_changes(key: str, value: str | int | bool, line: str, changed: str) -> None:
    assert TEXT.replace(line, changed) == set_values(TEXT, {key: value})


def test_a_new_key_goes_behind_the_last_one_of_its_mapping() -> None:
    assert TEXT.replace("# the end", "dockerRepo: /r\n# the end") == set_values(
        TEXT, {"dockerRepo": "/r"}
    )


def test_several_at_once() -> None:
    text = set_values(TEXT, {"imagesDir": "/a", "custom.x.y": 1, "ssh.user": "b"})
    found = yaml.safe_load(text)
    assert ("/a", {"x": {"y": 1}}, "b") == (
        found["imagesDir"],
        found["custom"],
        found["ssh"]["user"],
    )


@pytest.mark.parametrize(
    "text",
    ["", "# only words", "# only words\n", "---\n", "--- # x\n", "a: 1", "a: 1\n...\n", "a:\n"],
)
def test_in_files_with_next_to_nothing(text: str) -> None:
    for key, wanted in (("imagesDir", {"imagesDir": "/x"}), ("ssh.user", {"ssh": {"user": "/x"}})):
        changed = set_values(text, {key: "/x"})
        assert {**(yaml.safe_load(text) or {}), **wanted} == yaml.safe_load(changed)
        assert text.rstrip("\n.") in changed


@pytest.mark.parametrize("section", ["ssh:\n", "ssh: ~\n", "ssh: null\n", "ssh:  # words\n"])
def test_a_section_that_was_empty(section: str) -> None:
    changed = set_values(f"{section}imagesDir: /a\n", {"ssh.user": "b"})
    assert {"ssh": {"user": "b"}, "imagesDir": "/a"} == yaml.safe_load(changed)


@pytest.mark.parametrize("value", ["|\n  a\n  b\n", ">-\n  a\n\n  b\n", "a\n  b\n", '"a\n  b"\n'])
@pytest.mark.parametrize("key", ["imagesDir", "dockerRepo", "ssh.user", "ssh.port"])
def test_values_of_several_lines(value: str, key: str) -> None:
    nested = value.replace("\n  ", "\n    ")
    text = f"imagesDir: {value}# words\nssh:\n  user: {nested}end: 1\n"
    before = yaml.safe_load(text)
    changed = yaml.safe_load(set_values(text, {key: "/x"}))
    section, _, name = key.rpartition(".")
    (before[section] if section else before)[name] = "/x"
    assert before == changed


def test_windows_line_ends_stay() -> None:
    text = TEXT.replace("\n", "\r\n")
    changed = set_values(text, {"imagesDir": "/x", "dockerRepo": "/r", "ssh.key": "k"})
    assert changed.count("\n") == changed.count("\r\n") == text.count("\r\n") + 1
    assert ("/x", "/r", "k") == (
        (found := yaml.safe_load(changed))["imagesDir"],
        found["dockerRepo"],
        found["ssh"]["key"],
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{imagesDir: /a}\n", "imagesDir"),
        ("ssh: {user: a}\n", "ssh.user"),
        ("- a\n", "imagesDir"),
        ("text\n", "imagesDir"),
        ("hosts: [a]\n", "hosts"),
        ("ssh:\n- a\n", "ssh.user"),
        ("ssh: word\n", "ssh.user"),
        ("a: [\n", "imagesDir"),
        ("\ta: 1\n", "imagesDir"),
        ("a: " + "[" * 1500, "imagesDir"),
        ("a: \x01\n", "imagesDir"),
        ("a: 1\n---\nb: 1\n", "imagesDir"),
        ("imagesDir: &x /a\ndockerRepo: *x\n", "imagesDir"),
        ("imagesDir: &x /a\ndockerRepo: *x\n", "dockerRepo"),
        ("other: &x {user: a}\nssh: *x\n", "ssh.user"),
        ("imagesDir: /a\nimagesDir: /b\n", "imagesDir"),
        ("a: &a\n- *a\n", "imagesDir"),
    ],
)
def test_what_cannot_be_edited_without_changing_more_is_refused(text: str, key: str) -> None:
    with pytest.raises(ConfigError):
        set_values(text, {key: "/x"})


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30)


@given(value=words | st.integers() | st.booleans() | st.text(max_size=20))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("key", ["imagesDir", "ssh.user", "ssh.key", "dockerRepo", "new.one"])
def test_any_value_is_read_back_and_nothing_else_changes(key: str, value: str | int | bool) -> None:
    before = yaml.safe_load(TEXT)
    changed = set_values(TEXT, {key: value})
    section, _, name = key.rpartition(".")
    (before.setdefault(section, {}) if section else before)[name] = value
    assert before == yaml.safe_load(changed)
    for comment in (
        "# the site",
        "# not ours",
        "# on the stick",
        "# who",
        "# or tech",
        "# the end",
    ):
        assert comment in changed


scalars = st.sampled_from(["a", "'b'", '"c"', "1", "~", "", "/x y", "&n d", "|\n    e\n"])
keys = st.sampled_from(["imagesDir", "dockerRepo", "mine", "registryPort", "duFqdn"])


def ended(text: str) -> str:
    """Return a text whose last line has an end, as an editor would leave it."""
    return text if text.endswith("\n") else f"{text}\n"


@st.composite
def configs(draw: st.DrawFn) -> str:
    """Draw the text of a config with comments, empty lines and a section."""
    lines = []
    for key in draw(st.lists(keys, unique=True, max_size=5)):
        lines.append(f"{key}: {draw(scalars)}".rstrip())
        lines += draw(st.lists(st.sampled_from(["", "# words", "  # more"]), max_size=2))
        if draw(st.booleans()) and "ssh:" not in lines:
            lines.append("ssh:")
            for name in draw(st.lists(st.sampled_from(["user", "key", "port"]), unique=True)):
                lines.append(f"  {name}: {draw(scalars)}".rstrip())
                lines += draw(st.lists(st.sampled_from(["", "  # words"]), max_size=1))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n"]))


@given(
    text=configs(),
    key=st.sampled_from(["imagesDir", "dockerRepo", "mine", "ssh.user", "ssh.port", "new"]),
)
@settings(max_examples=150, deadline=None)
def test_editing_one_key_never_changes_another(text: str, key: str) -> None:
    try:
        before = yaml.safe_load(ended(text)) or {}
    except yaml.YAMLError:
        return
    changed = yaml.safe_load(ended(set_values(text, {key: "/the value"})))
    section, _, name = key.rpartition(".")
    if section:
        before[section] = before.get(section) or {}
    (before[section] if section else before)[name] = "/the value"
    assert before == changed


def test_what_was_written_is_what_the_config_says() -> None:
    config, problems = parse_config(
        set_values("", {"imagesDir": "/a b", "ssh.port": 23, "privateRegistryType": "du"}),
        Path("/site/c.yaml"),
    )
    assert ([], Path("/a b"), 23, "du") == (
        problems,
        config.images_dir,
        config.ssh.port,
        config.mode,
    )


def test_write_keeps_the_old_one_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("old: 1\n")
    path.chmod(0o640)
    write_config(path, "new: ä\r\n")
    assert ("new: ä\r\n".encode(), b"old: 1\n", 0o640) == (
        path.read_bytes(),
        (tmp_path / "c.yaml.bak").read_bytes(),
        path.stat().st_mode & 0o777,
    )
    assert ["c.yaml", "c.yaml.bak"] == sorted(found.name for found in tmp_path.iterdir())


def test_write_makes_a_new_one_without_a_copy(tmp_path: Path) -> None:
    write_config(tmp_path / "c.yaml", "new: 1\n")
    assert 0o600 == (tmp_path / "c.yaml").stat().st_mode & 0o777
    assert ["c.yaml"] == [found.name for found in tmp_path.iterdir()]


def test_a_write_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("old: 1\n")

    def broken(_self: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="No space"):
        write_config(path, "new: 1\n")
    assert "old: 1\n" == path.read_text()


def test_write_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "c.yaml"
    real.write_text("old: 1\n")
    link.symlink_to(real)
    write_config(link, "new: 1\n")
    assert (True, "new: 1\n") == (link.is_symlink(), real.read_text())

"""Hosts are added, changed and removed in the config's text, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import HostConfig, parse_config
from core.config.edit_hosts import HostEntry, add_hosts, change_host, entry_at, remove_host
from core.errors import ConfigError

BLOCK = """\
# the site
imagesDir: /imgs
hosts:            # the workers
  # rack 1
  - name: a
    address: 10.0.0.1  # by the door
    port: 2222
  - 10.0.0.2

  - {name: c, address: 10.0.0.3}
# the end
unknown: kept
"""


def hosts_of(text: str) -> list[tuple[str, str, int, str]]:
    config, problems = parse_config(text, Path("/site/airctl-config.yaml"))
    assert problems == []
    return [(host.name, host.address, host.port, host.user) for host in config.hosts]


def add_host(text: str, entry: HostEntry) -> str:
    return add_hosts(text, [entry])


@pytest.mark.parametrize("hosts", ["", "hosts:\n", "hosts: []\n", "hosts: ~\n", "hosts: [] # x\n"])
def test_first_host(hosts: str) -> None:
    text = add_host(f"imagesDir: /imgs\n{hosts}", HostEntry("a", "10.0.0.1"))
    assert hosts_of(text) == [("a", "10.0.0.1", 22, "root")]
    assert text.startswith("imagesDir: /imgs\nhosts:")


def test_first_host_before_other_keys_and_without_a_last_newline() -> None:
    text = add_host("hosts: []\nimagesDir: /imgs", HostEntry("", "10.0.0.1"))
    assert text == "hosts:\n- address: 10.0.0.1\nimagesDir: /imgs"
    assert hosts_of(add_host("imagesDir: /imgs\nhosts: []", HostEntry("", "h")))


def test_added_at_the_end_of_a_block() -> None:
    text = add_host(BLOCK, HostEntry("d", "10.0.0.4", "23", "tech", ""))
    assert hosts_of(text)[3] == ("d", "10.0.0.4", 23, "tech")
    assert text.replace(
        "  - name: d\n    address: 10.0.0.4\n    port: 23\n    user: tech\n", ""
    ) == (BLOCK)


def test_added_to_a_flow_list() -> None:
    text = add_host("hosts: [10.0.0.1]  # one\n", HostEntry("b, c", "10.0.0.2"))
    assert hosts_of(text) == [
        ("10.0.0.1", "10.0.0.1", 22, "root"),
        ("b, c", "10.0.0.2", 22, "root"),
    ]
    assert text.endswith("]  # one\n")


@pytest.mark.parametrize(("index", "gone"), [(0, "a"), (1, "10.0.0.2"), (2, "c")])
def test_removed_from_a_block(index: int, gone: str) -> None:
    before = [host for host in hosts_of(BLOCK) if host[0] != gone]
    text = remove_host(BLOCK, index)
    assert hosts_of(text) == before
    for kept in ("# the site", "# the workers", "# rack 1", "# the end", "unknown: kept"):
        assert kept in text


def test_the_last_one_removed() -> None:
    assert hosts_of(remove_host("hosts:\n- a\n", 0)) == []
    assert hosts_of(remove_host("hosts: [a]\n", 0)) == []


def test_removed_from_a_flow_list() -> None:
    assert remove_host("hosts: [a, {address: b}, c]\n", 1) == "hosts: [a, c]\n"
    with pytest.raises(ConfigError):
        remove_host("hosts: [a, # first\n b]\n", 0)


def test_changed_in_a_block_mapping_keeps_comments() -> None:
    text = change_host(BLOCK, 0, HostEntry("a2", "10.0.0.9", "", "tech", ""))
    assert hosts_of(text)[0] == ("a2", "10.0.0.9", 22, "tech")
    assert "# by the door" in text
    assert "# rack 1" in text
    assert hosts_of(text)[1:] == hosts_of(BLOCK)[1:]


def test_changed_scalar_and_flow_items() -> None:
    text = change_host(BLOCK, 1, HostEntry("b", "10.0.0.2", "", "tech", ""))
    assert hosts_of(text)[1] == ("b", "10.0.0.2", 22, "tech")
    text = change_host(text, 2, HostEntry("c", "10.0.0.33"))
    assert hosts_of(text)[2] == ("c", "10.0.0.33", 22, "root")
    assert hosts_of(change_host("hosts: [a, b]\n", 0, HostEntry("", "x")))[0][0] == "x"


def test_name_taken_away_when_it_is_the_address() -> None:
    text = change_host("hosts:\n- name: a\n  address: b\n", 0, HostEntry("b", "b"))
    assert text == "hosts:\n- address: b\n"


def test_entry_at_says_what_the_file_says() -> None:
    host = HostConfig("a", "10.0.0.1", 2222)
    assert entry_at(BLOCK, 0, host) == HostEntry("a", "10.0.0.1", "2222")
    assert entry_at(BLOCK, 1, HostConfig("x", "x")) == HostEntry("x", "x")


def test_odd_names_are_read_back_as_they_are() -> None:
    for name in ("yes", "1.5", "a: b", "# a", "- a", "[a]", "'", '"'):
        assert hosts_of(add_host("", HostEntry(name, "h")))[0][0] == name


def test_what_is_no_list_is_refused() -> None:
    for text in ("hosts: {a: b}\n", "hosts: a\n", "{hosts: [a]}\n", "a: [\n"):
        with pytest.raises(ConfigError):
            add_host(text, HostEntry("", "h"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hosts: [a, b] # x\n", ""),
        ("hosts: [a, # x\n  b]\n", "this list has comments inside: change it as text (t)"),
        ("{hosts: [a, b]}\n", "this config can only be changed as text (t)"),
    ],
    ids=["edited", "comments", "braces"],
)
def test_what_is_refused_says_what_to_do(text: str, words: str) -> None:
    if not words:
        assert "hosts: [b] # x\n" == remove_host(text, 0)
        return
    with pytest.raises(ConfigError) as raised:
        remove_host(text, 0)
    assert words == raised.value.what


def test_a_host_whose_value_is_a_list_is_changed_as_text() -> None:
    text = "hosts:\n- address: 10.0.0.1\n  user: [a]\n"
    with pytest.raises(ConfigError, match=r"line 3: change this host as text \(t\)"):
        change_host(text, 0, HostEntry(address="10.0.0.1", user="b"))

"""The two files of the tunnel service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import HostConfig, SshConfig
from core.hosts.tunnel.store import Tunnel, TunnelStatus, TunnelStore

A = Tunnel(
    HostConfig("a", "10.0.0.1", 22, "root", Path("/keys/a")),
    SshConfig(known_hosts=Path("/known"), host_keys=("SHA256:x",), jump="gate"),
    5001,
    5100,
)
B = Tunnel(
    HostConfig("b", "10.0.0.2", 2222, "tech", None), SshConfig(), 5001, 5100, True, ("gate",)
)


@pytest.fixture
def book(tmp_path: Path) -> TunnelStore:
    return TunnelStore(tmp_path / "state")


def test_at_first_nothing_is_wanted(book: TunnelStore, tmp_path: Path) -> None:
    assert ({}, {}) == (book.wanted(), book.statuses())
    assert [] == list(tmp_path.iterdir())


def test_what_is_wanted_comes_back_as_it_was(book: TunnelStore) -> None:
    book.want(A)
    book.want(B)
    assert {"a": A, "b": B} == book.wanted()


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", "[{}]", '[{"host": {"name": "a"}}]'])
def test_damaged_files_are_empty_ones(book: TunnelStore, tmp_path: Path, text: str) -> None:
    """A power failure may leave such; the service goes on, and the next run wants its tunnels."""
    book.want(A)
    book.write_statuses({"a": TunnelStatus("a")})
    for path in (tmp_path / "state" / "tunnels").glob("*.json"):
        path.write_text(text)
    assert ({}, {}) == (book.wanted(), book.statuses())
    book.want(B)
    assert {"b": B} == book.wanted()


def test_a_host_has_one_tunnel(book: TunnelStore) -> None:
    book.want(A)
    changed = replace(A, host_port=5002)
    book.want(changed)
    assert {"a": changed} == book.wanted()


def test_tunnels_are_forgotten(book: TunnelStore) -> None:
    book.want(A)
    book.want(B)
    book.forget("a")
    book.forget("nobody")
    assert {"b": B} == book.wanted()


def test_many_at_once_lose_nothing(book: TunnelStore) -> None:
    tunnels = [replace(A, host=replace(A.host, name=f"h{number}")) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(book.want, tunnels))
    assert {tunnel.host.name for tunnel in tunnels} == set(book.wanted())


def test_statuses_come_back_as_they_were(book: TunnelStore) -> None:
    statuses = {
        "a": TunnelStatus("a", 12.5, 3, ""),
        "b": TunnelStatus("b", last_error="b: no answer"),
    }
    book.write_statuses(statuses)
    assert statuses == book.statuses()
    book.write_statuses({})
    assert {} == book.statuses()


def test_the_files_are_private_and_no_draft_stays(book: TunnelStore, tmp_path: Path) -> None:
    book.want(A)
    book.write_statuses({})
    directory = tmp_path / "state" / "tunnels"
    assert 0o700 == directory.stat().st_mode & 0o777
    assert ["lock", "status.json", "wanted.json"] == sorted(p.name for p in directory.iterdir())

"""Hosts from pasted text and files: everything that people keep their hosts in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.edit_hosts import HostEntry
from core.config.host_import import MOST_HOSTS, host_file, read_hosts
from core.errors import LocalFilesError

INI = """\
# made by hand
bastion ansible_host=10.0.0.1 ansible_user=ops

[workers]
node[01:03].site
worker-9 ansible_host=10.0.0.9 ansible_port=2222

[workers:vars]
ansible_user=tech
ansible_ssh_private_key_file="~/keys/site"
[all:vars]
ansible_user=nobody
ansible_port=22
[site:children]
workers
"""
YAML = """\
all:
  vars: {ansible_user: tech}
  hosts:
    lone:
  children:
    workers:
      vars: {ansible_port: 2222}
      hosts:
        worker-1: {ansible_host: 10.0.0.1}
        worker-2: {ansible_host: 10.0.0.2, ansible_user: root}
"""


def host(name: str, address: str = "", **values: str) -> HostEntry:
    return HostEntry(name, address or name, **values)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("10.0.0.1", [HostEntry("", "10.0.0.1")]),
        ("10.0.0.1, 10.0.0.2;a.b", [HostEntry("", a) for a in ("10.0.0.1", "10.0.0.2", "a.b")]),
        ("10.0.0.[9-11]", [HostEntry("", f"10.0.0.{n}") for n in (9, 10, 11)]),
        ("10.0.0.9-11", [HostEntry("", f"10.0.0.{n}") for n in (9, 10, 11)]),
        ("n[08-10]", [HostEntry("", f"n{n}") for n in ("08", "09", "10")]),
        ("w-[04-05] 10.0.0.[4-5]", [host("w-04", "10.0.0.4"), host("w-05", "10.0.0.5")]),
        ("10.0.0.[4-5] w-[1-2]", [host("w-1", "10.0.0.4"), host("w-2", "10.0.0.5")]),
        ("10.0.0.[4-5] 10.0.0.9", [HostEntry("", f"10.0.0.{n}") for n in (4, 5, 9)]),
        ("r[1-2]n[1-2]", [HostEntry("", f"r{r}n{n}") for r in (1, 2) for n in (1, 2)]),
        (
            "# rack 1\n10.0.0.1 worker-1 \n\n- 10.0.0.2",
            [host("worker-1", "10.0.0.1"), HostEntry("", "10.0.0.2")],
        ),
        ("worker-1,10.0.0.1", [host("worker-1", "10.0.0.1")]),
        ("tech@10.0.0.1:2222", [HostEntry("", "10.0.0.1", "2222", "tech")]),
        ("fe80::1", [HostEntry("", "fe80::1")]),
        ("10.0.0.1\n10.0.0.1", [HostEntry("", "10.0.0.1")]),
        (
            "Name;IP;User\nw1;10.0.0.1;tech\nw2;10.0.0.2;",
            [host("w1", "10.0.0.1", user="tech"), host("w2", "10.0.0.2")],
        ),
        (
            "rack,name,address,port\n7,w[1-2],10.0.0.[1-2],2222",
            [host("w1", "10.0.0.1", port="2222"), host("w2", "10.0.0.2", port="2222")],
        ),
        (
            INI,
            [
                host("bastion", "10.0.0.1", user="ops", port="22"),
                *(
                    host(f"node0{n}.site", user="tech", key="~/keys/site", port="22")
                    for n in (1, 2, 3)
                ),
                host("worker-9", "10.0.0.9", user="tech", key="~/keys/site", port="2222"),
            ],
        ),
        (
            YAML,
            [
                host("lone", user="tech"),
                host("worker-1", "10.0.0.1", user="tech", port="2222"),
                host("worker-2", "10.0.0.2", user="root", port="2222"),
            ],
        ),
        (
            "hosts:\n- 10.0.0.1\n- {name: a, address: b}",
            [HostEntry("", "10.0.0.1"), host("a", "b")],
        ),
        ("", []),
    ],
)
def test_what_people_keep_their_hosts_in(text: str, hosts: list[HostEntry]) -> None:
    found = read_hosts(text)
    assert (tuple(hosts), ()) == (found.hosts, found.problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n!?", "line 2: '!?' is no address"),
        ("n[9-1]", "line 1: [9-1] is no range of 1 to 1000 hosts"),
        ("n[1-999999999]", "line 1: [1-999999999] is no range of 1 to 1000 hosts"),
        ("n[1-99]m[1-99]", "line 1: n[1-99]m[1-99] is more than 1000 hosts"),
        ("w[1-3] 10.0.0.9", "line 1: 3 names for 1 addresses"),
        ("name,address\nw[1-3],10.0.0.[1-2]", "line 2: 3 names for 2 addresses"),
        ("name,address,port\na,b,99999", "line 2: '99999' is no port"),
        ("all:\n  hosts: [", "not YAML: "),
        ("nothing:\n  here: 1", "this YAML names no hosts"),
    ],
)
def test_what_is_not_understood_is_said(text: str, problem: str) -> None:
    (found,) = read_hosts(text).problems
    assert problem == found[: len(problem)]


def test_there_is_a_limit() -> None:
    found = read_hosts("a[1-900] b[1-900]")
    assert MOST_HOSTS == len(found.hosts)
    assert ("1800 hosts: more than 1000 are not taken at once",) == found.problems


@given(st.text(alphabet="ab[]-:1,;=@#\n \"'{}\t.", max_size=60) | st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    for entry in read_hosts(text).hosts:
        assert entry.address


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, words in [
        ("gone", "No such file"),
        ("binary", "is no text"),
        (".", "Is a directory"),
    ]:
        with pytest.raises(LocalFilesError, match=words):
            host_file(str(tmp_path / name))
    (tmp_path / "list").write_text("\ufeff10.0.0.1\n")
    assert "10.0.0.1\n" == host_file(str(tmp_path / "list"))

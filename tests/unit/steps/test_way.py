"""Two entries of a config that are one machine: one of them goes on, the other names both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.config import Config, HostConfig
from core.steps.way import twin_finding
from core.steps.work import Work
from tests.unit.hosts.test_facts import FIT

A, B, C = (HostConfig(name, f"10.0.0.{n}") for n, name in enumerate("abc", 1))
ONE = replace(FIT, machine="boot-1 net:[1]")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    path = tmp_path / "config.yaml"
    return Work(Config(path, hosts=(A, B, C), state_dir=tmp_path / "state"), ())


def said(work: Work, host: HostConfig) -> str:
    finding = twin_finding(work, host)
    return finding.what if finding else ""


def test_the_earlier_entry_goes_on(work: Work) -> None:
    work.facts.update(a=ONE, b=ONE, c=replace(ONE, machine="boot-2 net:[1]"))
    assert "(10.0.0.2) is the same machine as a (10.0.0.1)" == said(work, B)
    assert ("", "") == (said(work, A), said(work, C))


def test_who_was_found_fit_first_goes_on(work: Work) -> None:
    work.facts.update(b=ONE)
    assert "" == said(work, B)
    work.facts.update(a=ONE)
    assert "(10.0.0.1) is the same machine as b (10.0.0.2)" == said(work, A)


def test_where_a_host_does_not_say_what_it_is_told_by(work: Work) -> None:
    work.facts.update(a=FIT, b=FIT)
    assert ("", "") == (said(work, A), said(work, B))

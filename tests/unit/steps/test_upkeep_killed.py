"""Clearing up and mending whose engine is killed at any moment: the next run finishes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.journal import State
from core.engine.request import RunKind, RunRequest
from core.registry.content.staging import STAGE
from core.registry.local.server import RegistryServer
from tests.support.upkeep import Upkeep, upkeep_site
from tests.unit.steps.test_backup_killed import engine_ended, some_moment

TIMES = 20
PARTS = 100


@pytest.fixture
def site(registry_program: None, tmp_path: Path) -> Iterator[Upkeep]:  # noqa: ARG001
    with upkeep_site(tmp_path) as made:
        made.fill()
        yield made


def litter(site: Upkeep, number: int) -> set[str]:
    """Leave parts in the registry that no name needs."""
    return {
        site.client.upload_bytes(STAGE, f"litter {number} {part}".encode()) for part in range(PARTS)
    }


def start_as_it_should_be(site: Upkeep) -> None:
    """Do what the first step of every run does."""
    server = RegistryServer(site.site_config)
    if not (server.status().ours and server.settings_fit()):
        server.start()


@pytest.mark.slow
def test_a_gc_that_is_killed_is_completed_by_the_next(site: Upkeep) -> None:
    before, left = site.seen(), litter(site, 0)
    request = RunRequest(RunKind.GC, site.config)
    assert engine_ended(request) is not None
    whole_s, killed, round_number = site.reader.runs()[0].seconds, 0, 0
    while killed < TIMES:
        round_number += 1
        left |= litter(site, round_number)
        took_s = engine_ended(request, some_moment(whole_s))
        whole_s, killed = took_s or whole_s, killed + (took_s is None)
        start_as_it_should_be(site)
        assert (before, []) == (site.seen(), site.not_pulled())
        if killed % 5 == 0:
            ended = engine_ended(request) is not None
            assert (True, State.DONE) == (ended, site.reader.runs()[0].state)
            assert set() == left & set(site.storage.blobs())
            assert (before, True) == (site.seen(), RegistryServer(site.site_config).settings_fit())


@pytest.mark.slow
def test_a_repair_that_is_killed_is_completed_by_the_next(site: Upkeep) -> None:
    before, digests = site.seen(), sorted(site.storage.blobs())
    request = RunRequest(RunKind.REPAIR, site.config)
    for digest in digests:
        site.flip(digest)
    assert engine_ended(request) is not None
    whole_s, killed = site.reader.runs()[0].seconds, 0
    assert before == site.seen()
    while killed < TIMES:
        for digest in digests:
            site.flip(digest)
        took_s = engine_ended(request, some_moment(whole_s))
        whole_s, killed = took_s or whole_s, killed + (took_s is None)
        assert engine_ended(request) is not None
        assert (before, [], {}) == (site.seen(), site.not_pulled(), site.storage.aside())

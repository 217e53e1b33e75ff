"""Sessions of one connection: never more than sshd allows, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from core.hosts.ssh import sessions as room
from core.hosts.ssh.errors import SessionRefused
from core.hosts.ssh.sessions import Sessions


class Sshd:
    """An sshd with a MaxSessions; a fake, because the real one is asked in the lab.

    Args:
        allows: How many sessions may be open.
        late: How many that have ended still count, each for one refusal.
    """

    def __init__(self, allows: int, late: int = 0) -> None:
        self.open = self.most = self.refused = 0
        self._allows = allows
        self._late = late

    async def start(self) -> Sshd:
        await asyncio.sleep(0)
        if self.open + self._late >= self._allows:
            self._late = max(0, self._late - 1)
            self.refused += 1
            raise SessionRefused("h: sshd opens no session (open failed)")
        self.open += 1
        self.most = max(self.most, self.open)
        return self

    def end(self) -> None:
        self.open -= 1


async def use(sessions: Sessions, sshd: Sshd) -> None:
    async with sessions.one(sshd.start):
        await asyncio.sleep(0.001)
        sshd.end()


@pytest.mark.parametrize("allows", [1, 2, 3, 4])
async def test_the_limit_is_found_by_what_is_refused(allows: int) -> None:
    sessions, sshd = Sessions(), Sshd(allows)
    await asyncio.gather(*(use(sessions, sshd) for _ in range(20)))
    assert (0, allows) == (sshd.open, sshd.most)
    assert sessions.limit <= max(allows, 1)


@pytest.mark.parametrize("allows", [1, 3])
async def test_a_limit_that_is_known_is_kept_without_a_refusal(allows: int) -> None:
    sessions, sshd = Sessions(), Sshd(allows)
    sessions.allow(allows)
    await asyncio.gather(*(use(sessions, sshd) for _ in range(20)))
    assert (allows, 0) == (sshd.most, sshd.refused)


async def test_one_that_has_just_ended_may_still_count() -> None:
    sessions, sshd = Sessions(), Sshd(1, late=2)
    await use(sessions, sshd)
    assert (2, room.USUAL_LIMIT) == (sshd.refused, sessions.limit)


async def test_an_sshd_that_opens_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE_S", 0.0)
    sessions = Sessions()
    with pytest.raises(SessionRefused):
        await use(sessions, Sshd(0))
    await use(sessions, Sshd(1))


async def test_an_idle_session_is_given_up_for_who_waits() -> None:
    sessions, sshd = Sessions(), Sshd(1)
    sessions.allow(1)
    idle = asyncio.Event()

    async def keep() -> None:
        async with sessions.one(sshd.start):
            await idle.wait()
            sshd.end()

    with sessions.sparing(idle.set):
        keeper = asyncio.create_task(keep())
        await asyncio.sleep(0)
        await use(sessions, sshd)
        await keeper
    assert 1 == sshd.most


async def test_who_gives_up_waiting_leaves_the_place_to_the_next() -> None:
    sessions, sshd = Sessions(), Sshd(1)
    sessions.allow(1)
    async with sessions.one(sshd.start):
        first = asyncio.create_task(use(sessions, sshd))
        second = asyncio.create_task(use(sessions, sshd))
        await asyncio.sleep(0)
        sshd.end()
    first.cancel()
    await second
    assert not sessions.are_wanted

"""What a host's Docker is told by the registry, compared with what the bundles say."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from core.errors import (
    AirferryError,
    DockerFailed,
    DockerGone,
    DockerLineLost,
    HostLineLost,
    ImageUnknown,
    PullDenied,
    PullFailed,
)
from core.hosts.docker.engine import PULLS_AT_ONCE
from core.secrets import RegistryLogin
from core.steps.base import Missing
from core.steps.verify_by_name import Question

NAMES = {"localhost:5001/a:1": "sha256:a", "localhost:5001/b:1": "sha256:b"}


@dataclass
class Engine:
    """An engine that is told what it will be told; which faults come when is not up to a test."""

    answers: dict[str, str | AirferryError] = field(default_factory=dict)
    login: RegistryLogin | None = None
    asked: list[str] = field(default_factory=list)

    async def registry_digest(self, name: str, login: RegistryLogin | None = None) -> str:
        assert self.login == login
        self.asked.append(name)
        answer = self.answers.get(name, NAMES.get(name, ""))
        if isinstance(answer, AirferryError):
            raise answer
        return answer


async def wrong_answers(
    engine: Engine,
    digests: dict[str, str],
    login: RegistryLogin | None = None,
    answers: dict[str, str] | None = None,
    really: DockerFailed | None = None,
) -> Missing | None:
    """Ask, with a registry that says the same to us, or `really`."""

    async def ask_ourselves(name: str, refusal: DockerFailed) -> DockerFailed:  # noqa: ARG001
        return really or refusal

    known = {} if answers is None else answers
    return await Question(engine, login, known, ask_ourselves).wrong_answers(digests)


async def test_all_is_as_it_should_be() -> None:
    assert None is await wrong_answers(Engine(), NAMES)
    login = RegistryLogin("alice", "secret")
    assert None is await wrong_answers(Engine(login=login), NAMES, login)


async def test_any_answer_will_do_where_nothing_is_known() -> None:
    assert None is await wrong_answers(Engine(), dict.fromkeys(NAMES, ""))


async def test_another_image_under_a_name() -> None:
    missing = await wrong_answers(Engine({"localhost:5001/b:1": "sha256:c"}), NAMES)
    assert missing is not None
    assert "the registry has other images as localhost:5001/b:1" == missing.what


async def test_a_name_that_is_not_got() -> None:
    refusal = DockerFailed("worker-01: Docker says: manifest unknown")
    missing = await wrong_answers(Engine({"localhost:5001/a:1": refusal}), NAMES)
    assert missing is not None
    assert (
        "Docker cannot pull localhost:5001/a:1: worker-01: Docker says: manifest unknown"
        == missing.what
    )
    assert "airferry import" in missing.remedy


@pytest.mark.parametrize("kind", [DockerGone, DockerLineLost, HostLineLost, PullFailed])
async def test_a_line_that_is_lost_is_no_answer(kind: type[AirferryError]) -> None:
    with pytest.raises(kind):
        await wrong_answers(Engine({"localhost:5001/a:1": kind("worker-01")}), NAMES)


async def test_what_was_answered_before_the_line_was_lost_is_not_asked_again() -> None:
    """So names by the hundred are verified over a line that never holds for all of them."""
    answers: dict[str, str] = {}
    first = Engine({"localhost:5001/b:1": DockerLineLost("worker-01: EOF")})
    with pytest.raises(DockerLineLost):
        await wrong_answers(first, NAMES, answers=answers)
    second = Engine()
    assert None is await wrong_answers(second, NAMES, answers=answers)
    assert ["localhost:5001/b:1"] == second.asked


async def test_a_lost_line_is_not_asked_for_every_name() -> None:
    """Each question may take as long as Docker waits."""
    names = {f"localhost:5001/x:{n}": "" for n in range(100)}
    engine = Engine(dict.fromkeys(names, DockerLineLost("worker-01: i/o timeout")))
    with pytest.raises(DockerLineLost):
        await wrong_answers(engine, names)
    assert len(engine.asked) <= PULLS_AT_ONCE


@pytest.mark.parametrize("kind", [ImageUnknown, PullDenied])
async def test_a_refusal_counts_where_the_registry_says_the_same(kind: type[DockerFailed]) -> None:
    told = {"localhost:5001/a:1": kind("worker-01: no")}
    with pytest.raises(PullFailed, match="from here it is there"):
        await wrong_answers(Engine({**told}), NAMES, really=PullFailed("from here it is there"))
    missing = await wrong_answers(Engine({**told}), NAMES)
    assert missing is not None
    assert "Docker cannot pull localhost:5001/a:1: worker-01: no" == missing.what


async def test_a_refusal_is_told_though_the_line_was_lost_too() -> None:
    engine = Engine(
        {
            "localhost:5001/a:1": ImageUnknown("worker-01: manifest unknown"),
            "localhost:5001/b:1": DockerLineLost("worker-01: EOF"),
        }
    )
    assert None is not await wrong_answers(engine, NAMES)

"""What a host's Docker is told by the registry, compared with what the bundles say."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from core.errors import AirferryError, DockerFailed, DockerGone, HostLineLost
from core.secrets import RegistryLogin
from core.steps.verify_by_name import wrong_answers

NAMES = {"localhost:5001/a:1": "sha256:a", "localhost:5001/b:1": "sha256:b"}


@dataclass
class Engine:
    """An engine that is told what it will be told; which faults come when is not up to a test."""

    answers: dict[str, str | AirferryError] = field(default_factory=dict)
    login: RegistryLogin | None = None

    async def registry_digest(self, name: str, login: RegistryLogin | None = None) -> str:
        assert self.login == login
        answer = self.answers.get(name, NAMES[name])
        if isinstance(answer, AirferryError):
            raise answer
        return answer


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


@pytest.mark.parametrize("kind", [DockerGone, HostLineLost])
async def test_a_line_that_is_lost_is_no_answer(kind: type[AirferryError]) -> None:
    with pytest.raises(kind):
        await wrong_answers(Engine({"localhost:5001/a:1": kind("worker-01")}), NAMES)

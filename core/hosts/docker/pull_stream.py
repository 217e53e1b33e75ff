"""What a host's Docker tells while it asks a registry: a pull's events, its errors, its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import docker.errors

from core.errors import HostOddAnswer
from core.hosts.docker.registry_words import error_of_registry

_RETRYING = re.compile(r"Retrying in (\d+) seconds?")


class PullTold(Protocol):
    """Who is told how a pull goes; called from a thread, with a layer's short digest."""

    def received(self, layer: str, received_bytes: int | None) -> None:
        """Tell the bytes received of a layer so far, None when it is complete.

        It is never called for a layer that was there.
        """

    def tries_again(self, layer: str, pause_s: int) -> None:
        """Tell that a layer's line was lost, and that Docker tries again after so many seconds."""


def take_event(what: str, name: str, event: object, told: PullTold) -> bool:
    """Take one event of a pull, and return whether it is the one that stands at its end.

    Args:
        what: What is done, for messages.
        name: What is pulled, `registry/path:tag`.
        event: The event.
        told: Told what it means.

    Raises:
        HostError: as for `HostEngine.pull`.
    """
    if not isinstance(event, dict):
        raise HostOddAnswer(f"{what}: Docker's answer is not what was asked for")
    failure = event.get("error") or (event.get("errorDetail") or {}).get("message")
    if failure:
        raise error_of_registry(f"{what}: {failure}", str(failure), name)
    layer, status = str(event.get("id")), str(event.get("status", ""))
    match event:
        case {"status": "Downloading", "progressDetail": {"current": int(current)}}:
            told.received(layer, current)
        case {"status": "Download complete"}:
            told.received(layer, None)
    if retrying := _RETRYING.fullmatch(status):
        told.tries_again(layer, int(retrying[1]))
    return status.startswith("Status: ")


def short_digest(digest: str) -> str:
    """Return the twelve characters by which the engine's progress speaks of a blob."""
    return digest.removeprefix("sha256:")[:12]


@contextmanager
def asking_a_registry(what: str, name: str) -> Iterator[None]:
    """Turn what an engine answers into what it has heard from a registry, or has not."""
    try:
        yield
    except docker.errors.APIError as error:
        said = str(error.explanation or error)
        raise error_of_registry(f"{what}: Docker says: {said}", said, name) from error

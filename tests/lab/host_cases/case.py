"""What a case is: how a host is made so, what `check` says of it, and what the job does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.lab.hostkinds import Has


@dataclass(frozen=True)
class HostCase:
    """A host as some site has it.

    Words are parts of what is said, each of which must be there; the first of `refused` and of
    `fails` is the error's code. A case with neither ends well: the job completes on it.

    Args:
        name: The case, for the test's id.
        made: What root runs in the host to make it so; a script of sh. Docker runs by then,
            where the host has it.
        refused: What `check` says of a host that cannot take part; the job then says the same,
            and changes nothing.
        fails: What the job says where `check` cannot know.
        warned: What both say of it, though the job goes on.
        unsaid: What neither may say.
        entry: Keys of the host's entry in the config.
        known: What stands in its known_hosts file, in Latin-1; `{address}`, `{key}`, `{other}` (of
            another host) and `{ca}` (its /etc/ssh/ca.pub) are filled in. None for the site's.
        openssh: Lines about it in the OpenSSH config.
        login: What is typed to log in to it, by its name in `--secrets-fd`.
        has: What the host has before it is made so.
        ended: A script whose status is 0 if all is as it should be after the job.
        docker_runs: Docker is to start again afterwards (`systemctl restart docker`).
        plain_registry: The site is one of mode custom whose registry speaks plain HTTP, so that
            daemon.json has to name it. Such hosts are cleaned afterwards.
        cleaned: A script whose status is 0 if all is as it was after `host clean`, besides
            /etc/docker/daemon.json, which is compared anyway.
        docker: How the host's own Docker is asked from outside.
    """

    name: str
    made: str
    refused: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ("E-INTERNAL", "Traceback")
    entry: Mapping[str, object] = field(default_factory=dict)
    known: str | None = None
    openssh: str = ""
    login: Mapping[str, str] = field(default_factory=dict)
    has: Has = Has.DOCKER
    ended: str = "true"
    docker_runs: bool = True
    plain_registry: bool = False
    cleaned: str = "true"
    docker: tuple[str, ...] = ("docker",)

"""What is true on the hosts and on the DU, asked from outside Airferry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from tests.lab.labhost import LabHost
from tests.lab.shell import run, until
from tests.lab.site import Site


def site_name(tag: str, prefix: str = "localhost:5001") -> str:
    """Return the name that an image gets on the site: the registry host is stripped."""
    first, slash, rest = tag.partition("/")
    is_domain = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return f"{prefix}/{rest if is_domain else tag}"


def expected_ids(site: Site) -> dict[str, str]:
    """Return original name -> image ID, as the engine that saved the bundles gave them."""
    return {
        tag: image["id"]
        for images in site.expected.values()
        for image in images
        for tag in image["tags"]
    }


def image_id(host: LabHost, name: str) -> str:
    """Return the ID of an image in a host's cache; empty if it is not there."""
    done = host.run("docker", "image", "inspect", name, check=False)
    return str(json.loads(done.stdout)[0]["Id"]) if done.returncode == 0 else ""


def assert_warmed(site: Site, host: LabHost, *, registry_names: bool = True) -> None:
    """Check that a host has every image under its names with the right ID."""
    prefixes = {"localhost:5001"} if registry_names else set()
    assert_images(host, expected_ids(site), prefixes)


def assert_images(
    host: LabHost,
    expected: Mapping[str, str],
    prefixes: Iterable[str],
    docker: Sequence[str] = ("docker",),
) -> None:
    """Check that a host has images with the right IDs.

    Args:
        host: The host, whose own Docker is asked.
        expected: Original name -> image ID.
        prefixes: Registries under whose names it has to have them as well.
        docker: How it is asked.
    """
    names = {
        name: found
        for tag, found in expected.items()
        for name in (tag, *(site_name(tag, prefix) for prefix in prefixes))
    }
    done = host.run(*docker, "image", "inspect", *names, check=False)
    images = json.loads(done.stdout)
    seen = {name: image["Id"] for image in images for name in image["RepoTags"]}
    assert names == {name: seen.get(name, "") for name in names}, host.name


def listeners(text: str, port: int) -> list[str]:
    """Return the addresses that `ss -ltn` shows listening on a port."""
    columns = [line.split() for line in text.splitlines()]
    local = [words[3] for words in columns if len(words) > 3]
    return [name for name in local if name.rpartition(":")[2] == str(port)]


def host_listeners(host: LabHost, port: int) -> list[str]:
    """Return where a host listens on a port."""
    return listeners(host.run("ss", "-ltn").stdout, port)


def wait_until_closed(host: LabHost, port: int) -> None:
    """Wait until nothing listens on a port of a host: its sshd closes a tunnel's after the line."""
    until(lambda: not host_listeners(host, port), f"{host.name}: port {port} is closed")


def du_listeners(port: int) -> list[str]:
    """Return where this machine listens on a port."""
    return listeners(run("ss", "-ltn").stdout, port)

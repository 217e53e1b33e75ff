"""How dockerd is started: units as distributions and sites have them."""

from __future__ import annotations

import pytest

from core.hosts.docker.unit import Start, file_keys, start_of_process, start_of_unit

DEBIAN = """\
# /lib/systemd/system/docker.service
[Unit]
Description=Docker Application Container Engine
Requires=docker.socket

[Service]
Type=notify
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
ExecReload=/bin/kill -s HUP $MAINPID
"""
FD = ("-H", "fd://", "--containerd=/run/containerd/containerd.sock")


@pytest.mark.parametrize(
    ("dropped_in", "files", "options"),
    [
        ("", [], FD),
        (
            "",
            ["# DOCKER_OPTS=--no", 'DOCKER_OPTS="--mtu 1400 --debug"'],
            (*FD, "--mtu", "1400", "--debug"),
        ),
        ("[Service]\nEnvironment='DOCKER_OPTS=-D'\n", [], (*FD, "-D")),
        ("[Service]\nEnvironment=DOCKER_OPTS=-D\n", ["DOCKER_OPTS="], FD),
        (
            "[Service]\nExecStart=\nExecStart=-/opt/d/dockerd \\\n  --log-level=warn\n",
            [],
            ("--log-level=warn",),
        ),
        (
            '[Service]\nExecStart=\nExecStart=/usr/bin/dockerd "--label=a b" ${X}y\n',
            ["X=--z="],
            ("--label=a b", "--z=y"),
        ),
        ("[Install]\nExecStart=/usr/bin/dockerd --wrong\n", [], FD),
    ],
)
def test_options_of_a_unit(dropped_in: str, files: list[str], options: tuple[str, ...]) -> None:
    found = start_of_unit((DEBIAN + dropped_in).splitlines(), files)
    assert found
    assert options == found.options


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[Service]\n",
        "[Service]\nExecStart=/bin/sh -c 'dockerd -D'\n",
        "[Service]\nExecStart='x\n",
    ],
)
def test_a_unit_that_cannot_be_read(text: str) -> None:
    assert None is start_of_unit(text.splitlines(), [])


@pytest.mark.parametrize(
    ("options", "keys", "twice"),
    [
        (FD, {"hosts"}, [("host", "hosts")]),
        (("-Hfd://",), {"hosts"}, [("host", "hosts")]),
        (("-DHfd://",), {"debug"}, [("debug", "debug")]),
        (
            ("--insecure-registry=a", "--insecure-registry", "b"),
            {"insecure-registries"},
            [("insecure-registry", "insecure-registries")],
        ),
        (("--log-driver", "json-file"), {"log-opts"}, []),
        (("--add-runtime", "x=y"), {"runtimes", "add-runtime"}, []),
        (("--live-restore",), {"live-restore", "dns"}, [("live-restore", "live-restore")]),
    ],
)
def test_flags_that_are_keys_as_well(
    options: tuple[str, ...], keys: set[str], twice: list[tuple[str, str]]
) -> None:
    assert twice == Start("dockerd", options).said_twice(keys)


def test_keys_are_compared_as_dockerd_does() -> None:
    """It looks into objects but for some, whose content is free."""
    settings = {"tls": {"tlscert": "x"}, "log-opts": {"debug": "y"}, "mtu": 1}
    assert {"tlscert", "log-opts", "mtu"} == file_keys(settings)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ((), ""),
        (("--data-root=/a",), "/a"),
        (("--data-root", "/a", "-g", "/b"), "/b"),
        (("-g=/c", "--debug"), "/c"),
        (("--data-root",), ""),
    ],
)
def test_values(options: tuple[str, ...], value: str) -> None:
    start = start_of_process("/usr/bin/dockerd", ["dockerd", *options])
    assert value == start.value("data-root", "graph", "g")

"""Versions are compared by their numbers."""

from __future__ import annotations

import pytest

from core.versions import is_older, newest, release_in


@pytest.mark.parametrize(
    ("version", "other", "older"),
    [
        ("5.1", "5.2", True),
        ("5.2", "5.2", False),
        ("5.2.0", "5.2", False),
        ("5.10", "5.9", False),
        ("20.10.24+dfsg1", "23", True),
        ("v-5.6.0-2161634", "5.11", True),
        ("18.09.1", "18.9", False),
        ("17.03.2-ce", "18.9", True),
    ],
)
def test_which_is_older(version: str, other: str, older: bool) -> None:
    assert older == is_older(version, other)


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("docker-imgs-v-5.6.0-2161634.tar.gz", "5.6.0"),
        ("kubedu-imgs-5.2.tar.gz", "5.2"),
        ("docker-v-5.2.0-1549281.tar.gz", ""),
        ("extra-calico.tar", ""),
        ("calico-3.20.0.tar", ""),
    ],
)
def test_the_release_in_a_bundle_s_name(name: str, release: str) -> None:
    assert release == release_in(name)


def test_the_newest_of_several() -> None:
    assert "5.11.0" == newest(["5.6.0", "", "5.11.0", "5.2"])
    assert "" == newest([])

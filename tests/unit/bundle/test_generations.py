"""Which bundles are the newest, and which were replaced by later ones."""

from __future__ import annotations

import pytest

from core.bundle.generations import Dated, generations_of, kept_and_old
from core.bundle.model import Bundle


def dated(name: str, imported_at: float = 0.0) -> Dated:
    return Dated(Bundle(name, 1, (), imported=True), imported_at)


def titles(*bundles: Dated, keep: int) -> tuple[list[str], list[str]]:
    kept, old = kept_and_old(generations_of(bundles), keep)
    return [one.title for one in kept], [one.title for one in old]


def test_releases_are_compared_as_versions_whenever_they_came() -> None:
    bundles = [
        dated("docker-imgs-v-5.9.0-1.tar", 30),
        dated("docker-imgs-v-5.10.0-2.tar.gz", 20),
        dated("kubedu-imgs-v-5.10.0-7.tar", 1),
        dated("docker-imgs-v-5.2.0-3.tar", 10),
    ]
    assert (["release 5.10.0"], ["release 5.9.0", "release 5.2.0"]) == titles(*bundles, keep=1)
    assert (["release 5.10.0", "release 5.9.0"], ["release 5.2.0"]) == titles(*bundles, keep=2)
    newest = generations_of(bundles)[""][0]
    assert ["docker-imgs-v-5.10.0-2.tar.gz", "kubedu-imgs-v-5.10.0-7.tar"] == [
        bundle.name for bundle in newest.bundles
    ]


def test_an_addition_that_came_once_is_never_old() -> None:
    bundles = [
        dated("extra-calico.tar", 1),
        dated("docker-imgs-v-5.2.0-1.tar", 50),
        dated("docker-imgs-v-5.3.0-1.tar", 60),
    ]
    assert (["release 5.3.0", "extra-calico.tar"], ["release 5.2.0"]) == titles(*bundles, keep=1)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("site-tools-2026-01.tar", "site-tools-2026-02.tar.zst"),
        ("tools_v1.2.tar.gz", "tools_v1.3.tar.gz"),
        ("same.tar", "same.tar"),
        ("2026-01.tar", "2026-01.tar"),
        ("monitoring-v2.tgz", "monitoring-v3.tgz"),
    ],
)
def test_others_are_replaced_by_those_whose_names_differ_in_numbers_only(
    older: str, newer: str
) -> None:
    assert ([newer], [older]) == titles(dated(newer, 2), dated(older, 1), keep=1)
    assert ([newer], [older]) == titles(dated(older, 1), dated(newer, 2), keep=1)


def test_nothing_was_imported() -> None:
    assert ([], []) == titles(keep=1)

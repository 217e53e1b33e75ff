"""Image names as engines read them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bundle.reference import (
    _DOMAIN,
    _PATH,
    Reference,
    is_tagged,
    name_in_archive,
    parse_reference,
)
from core.errors import UnsafeBundle


@pytest.mark.parametrize(
    ("text", "parts", "familiar", "on_site"),
    [
        ("alpine", ("docker.io", "library/alpine", "latest"), "alpine:latest", "alpine:latest"),
        ("alpine:3", ("docker.io", "library/alpine", "3"), "alpine:3", "alpine:3"),
        ("a/b:1", ("docker.io", "a/b", "1"), "a/b:1", "a/b:1"),
        ("docker.io/library/nginx:1", ("docker.io", "library/nginx", "1"), "nginx:1", "nginx:1"),
        ("docker.io/nginx:1", ("docker.io", "library/nginx", "1"), "nginx:1", "nginx:1"),
        ("index.docker.io/a/b:1", ("docker.io", "a/b", "1"), "a/b:1", "a/b:1"),
        (
            "k8s.gcr.io/pause:3.5",
            ("k8s.gcr.io", "pause", "3.5"),
            "k8s.gcr.io/pause:3.5",
            "pause:3.5",
        ),
        (
            "quay.io/calico/node:v3.20.0",
            ("quay.io", "calico/node", "v3.20.0"),
            "quay.io/calico/node:v3.20.0",
            "calico/node:v3.20.0",
        ),
        (
            "registry.local:5000/a/b:1",
            ("registry.local:5000", "a/b", "1"),
            "registry.local:5000/a/b:1",
            "a/b:1",
        ),
        ("localhost/a", ("localhost", "a", "latest"), "localhost/a:latest", "a:latest"),
        ("localhost:5001/a:1", ("localhost:5001", "a", "1"), "localhost:5001/a:1", "a:1"),
        ("[::1]:5000/a:1", ("[::1]:5000", "a", "1"), "[::1]:5000/a:1", "a:1"),
        ("Registry/a:1", ("Registry", "a", "1"), "Registry/a:1", "a:1"),
        (
            "quay.io/library/a:1",
            ("quay.io", "library/a", "1"),
            "quay.io/library/a:1",
            "library/a:1",
        ),
        ("a.b/c_d/e__f/g--h/i.j:T_1.2-3", ("a.b", "c_d/e__f/g--h/i.j", "T_1.2-3"), None, None),
    ],
)
def test_names(
    text: str, parts: tuple[str, str, str], familiar: str | None, on_site: str | None
) -> None:
    found = parse_reference(text)
    assert Reference(*parts) == found
    if familiar and on_site:
        assert familiar == found.familiar
        assert f"localhost:5001/{on_site}" == found.at("localhost:5001")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "/a:1",
        "a:",
        "a:1:2",
        "A:1",
        "docker.io/A:1",
        "a b:1",
        "a/../b:1",
        "a//b:1",
        "a/:1",
        "-a:1",
        "a-:1",
        "a___b:1",
        "a..b:1",
        "a:.1",
        "a:-1",
        "a:" + "t" * 129,
        "a/" * 130 + "b:1",
        "a.b:x/c:1",
        "http://a.b/c:1",
        "a:1\n",
        "a\0:1",
        "ä:1",
        "a@sha256:" + "0" * 64,
        "a:1@sha256:0",
        "a:1@sha256:" + "0" * 64 + "\n",
        "a:1@md5:" + "0" * 32,
        "a:٣",
        "$(reboot):1",
        "a:1; rm",
    ],
)
def test_names_that_are_refused(text: str) -> None:
    with pytest.raises(UnsafeBundle, match="is not an image name"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("text", "tagged"),
    [
        ("a", True),
        ("a:1", True),
        ("a:1@{}", True),
        ("a.b:5/c:1@{}", True),
        ("a@{}", False),
        ("a.b:5/c@{}", False),
    ],
)
def test_a_digest_behind_the_tag_is_left_out(text: str, tagged: bool) -> None:
    text = text.format("sha256:" + "0" * 64)
    assert tagged is is_tagged(text)
    if tagged:
        assert parse_reference(text.partition("@")[0]) == parse_reference(text)


def test_long_names_are_cut_in_messages() -> None:
    with pytest.raises(UnsafeBundle) as caught:
        parse_reference("A" * 10_000)
    assert len(caught.value.what) < 300


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_an_error_of_ours(text: str) -> None:
    try:
        found = parse_reference(text)
    except UnsafeBundle:
        return
    assert found == parse_reference(str(found)) == parse_reference(found.familiar)


@pytest.mark.parametrize(
    ("name", "on_site"),
    [
        ("quay.io/calico/node:1", "quay.io/calico/node:1"),
        ("calico/node:1", "docker.io/calico/node:1"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("reg.site:5000/a:1", "reg.site_5000/a:1"),
        ("localhost/a:1", "a:1"),
        ("localhost:5000/a:1", "localhost_5000/a:1"),
        ("Reg-/a:1", "reg/a:1"),
        ("[fe80::1]:5000/a:1", "fe80.1_5000/a:1"),
    ],
)
def test_a_name_that_keeps_its_registry(name: str, on_site: str) -> None:
    """The part of the path is one that a registry takes, and so is its name in a backup."""
    found = parse_reference(name)
    kept = replace(found, kept=True)
    assert (found, f"reg/{on_site}") == (kept, kept.at("reg"))
    in_archive = parse_reference(name_in_archive(kept.site_repository, kept.tag))
    assert kept.site_repository == in_archive.site_repository


@given(st.from_regex(_DOMAIN, fullmatch=True))
def test_whatever_the_registry_is_called_a_repository_can_begin_with_it(domain: str) -> None:
    part = Reference(domain, "a/b", "1", kept=True).source_registry
    assert not part or _PATH.fullmatch(part)

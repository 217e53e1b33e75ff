"""What dockerRepo holds, said before any host is asked: from real archives, by their content."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from core.hosts.docker_install.inventory import DockerOffer, held_in
from tests.support.packages import deb, elf, put, rpm, tar

ON_BOOKWORM = "5:24.0.7-1~debian.12~bookworm"
PROGRAMS = {f"docker/{name}": elf() for name in ("dockerd", "docker", "containerd", "runc")}
DEBS = {"a.deb": deb("docker-ce", ON_BOOKWORM), "b.deb": deb("docker-ce-cli", ON_BOOKWORM)}
INDEX = {"Packages.gz": gzip.compress(b"")}


@pytest.mark.parametrize(
    ("files", "words", "usable"),
    [
        (DEBS | INDEX, "apt repository: Docker 24.0.7 for Debian 12 (amd64)", True),
        (DEBS, "bare .deb packages: Docker 24.0.7 for Debian 12 (amd64)", True),
        (
            {"d.rpm": rpm("docker-ce", "20.10.24", "3.el9"), "repodata/repomd.xml": b""},
            "yum repository: Docker 20.10.24 for RHEL 9 (amd64)",
            True,
        ),
        (PROGRAMS, "static binaries: Docker (amd64)", True),
        (
            {"d.deb": deb("docker-ce", "20.10.1")},
            "bare .deb packages: Docker 20.10.1 (amd64)",
            True,
        ),
        (
            {"d.rpm": rpm("docker-ce", "17.03.2", "1.el7")},
            "bare .rpm packages: Docker too old, 17.03.2 for RHEL 7 (amd64)",
            False,
        ),
        ({"d.rpm": rpm("bash", "5", "1")}, "bare .rpm packages without Docker", False),
        ({"readme.txt": b"x"}, "no packages and no programs in it", False),
        ({f"{'0' * 64}.json": b"{}"}, "holds images", False),
    ],
)
def test_what_an_archive_holds(
    tmp_path: Path, files: dict[str, bytes], words: str, usable: bool
) -> None:
    found = held_in((tar(tmp_path / "docker.tar.gz", files),))
    assert [("docker.tar.gz", words, usable)] == [(h.source, h.words, h.usable) for h in found]


def test_a_directory_of_archives_and_its_sizes(tmp_path: Path) -> None:
    place = put(tmp_path / "repos", {"readme.txt": b"x"})
    tar(place / "one.tar", DEBS, "w")
    tar(place / "two.tgz", PROGRAMS)
    found = held_in((place,))
    assert ["one.tar", "two.tgz"] == [held.source for held in found if held.usable]
    assert sum(map(len, DEBS.values())) == found[0].size_bytes


def test_damage_is_told(tmp_path: Path) -> None:
    path = tar(tmp_path / "cut.tgz", DEBS)
    path.write_bytes(path.read_bytes()[:200])
    (found,) = held_in((path,))
    assert not found.usable
    assert "cannot be read" in found.words
    (tmp_path / "text").write_text("no archive")
    assert [DockerOffer("text", "is no archive")] == held_in((tmp_path / "text",))

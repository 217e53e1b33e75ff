"""`airferry bundle list|verify`: what they say, without any config, and how they end."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.config import load as load_module
from tests.support.archives import ImageSpec, digest_of, docker_archive, layer_tar, write_bundle
from tests.support.layouts import entries_of, tar_bytes
from tests.support.oci import GZIP, zstd_packed
from tests.support.platforms import several, split, two_platforms, write_layout
from tests.support.waiting import HANG_S

Output = pytest.CaptureFixture[str]
APP = ImageSpec(
    ["quay.io/site/app:1.0", "quay.io/site/app:stable"], [layer_tar(1, 300_000), layer_tar(2, 4000)]
)
TOOL = ImageSpec(["tool:2"], [APP.layers[0], layer_tar(3, 2000)])
NAMELESS = ImageSpec([], [layer_tar(4, 2000)])
IMAGES = [APP, TOOL, NAMELESS]
ARCHIVE = docker_archive(IMAGES)
ACTIONS = ["list", "verify"]
PROGRAM = [sys.executable, "-c", "import core.cli; raise SystemExit(core.cli.main())", "bundle"]


@pytest.fixture(autouse=True)
def _no_config_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "SEARCH_PATH", ())


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "app.tar", IMAGES)


def records(capsys: Output) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def from_stdin(action: str, data: bytes, *options: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*PROGRAM, action, "-", *options],
        input=data,
        capture_output=True,
        check=False,
        timeout=HANG_S,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("action", "state"),
    [("list", ". app.tar"), ("verify", "= app.tar")],
)
def test_what_is_said_of_a_bundle(bundle: Path, capsys: Output, action: str, state: str) -> None:
    assert 0 == main(["bundle", action, str(bundle)])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{state}  ")
    assert (action == "verify") is ("whole, every digest fits" in first)
    assert "docker-archive, 3 images, 4 layers, about " in first
    said = ["quay.io/site/app:1.0", "also", "tool:2", "(no", "note:"]
    assert said == [line.split()[0] for line in lines]
    assert "    note: 1 image has no name and cannot be had by one: " in lines[-1]
    assert ["linux/amd64", "2", "layers"] == lines[0].split()[1:4]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_same_as_data(bundle: Path, capsys: Output, action: str) -> None:
    assert 0 == main(["bundle", action, "--json", str(bundle)])
    (record,) = records(capsys)
    assert ("app.tar", bundle.stat().st_size, "docker-archive", action == "verify", []) == tuple(
        record[key] for key in ("bundle", "bytes", "layout", "verified", "left_out")
    )
    (note,) = record["notes"]
    assert "give that one with --name" in note
    assert [(image.image_id, image.tags, "linux/amd64") for image in IMAGES] == [
        (found["id"], found["names"], found["platform"]) for found in record["images"]
    ]
    assert [[(digest_of(layer), len(layer)) for layer in image.layers] for image in IMAGES] == [
        [(layer["diff_id"], layer["bytes_in_bundle"]) for layer in found["layers"]]
        for found in record["images"]
    ]


@pytest.mark.parametrize("action", ACTIONS)
def test_several_platforms(tmp_path: Path, capsys: Output, action: str) -> None:
    directory = write_layout(tmp_path / "layout", several(two_platforms(), GZIP))
    assert 0 == main(["bundle", action, "--json", str(directory)])
    (record,) = records(capsys)
    assert "oci-layout" == record["layout"]
    assert [
        ("linux/amd64", ["quay.io/site/both:1"]),
        ("linux/arm64/v8", ["quay.io/site/both:1"]),
    ] == [(found["platform"], found["names"]) for found in record["images"]]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_part_stands_for_the_whole_bundle(tmp_path: Path, capsys: Output, action: str) -> None:
    parts = split(ARCHIVE, tmp_path / "app.tar", 3)
    assert 0 == main(["bundle", action, "--json", str(parts[1])])
    (record,) = records(capsys)
    assert ("app.tar", len(ARCHIVE)) == (record["bundle"], record["bytes"])


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def damaged(data: bytes) -> bytes:
    at = data.index(APP.layers[0]) + 100_000
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def without_a_layer(data: bytes) -> bytes:
    return tar_bytes(entry for entry in entries_of(data) if entry.data != TOOL.layers[1])


@pytest.mark.parametrize(
    ("spoil", "actions", "code"),
    [
        (cut, ACTIONS, "E-BUNDLE-CUT"),
        (without_a_layer, ACTIONS, "E-BUNDLE-CORRUPT"),
        (damaged, ["verify"], "E-BUNDLE-CORRUPT"),
        (lambda _: b"words\n" * 200, ACTIONS, "E-BUNDLE-NONE"),
        (lambda _: b"", ACTIONS, "E-BUNDLE-NONE"),
    ],
)
def test_what_is_wrong_with_a_bundle(
    tmp_path: Path,
    capsys: Output,
    spoil: Callable[[bytes], bytes],
    actions: list[str],
    code: str,
) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(spoil(ARCHIVE))
    for action in actions:
        assert 1 == main(["bundle", action, str(path)])
        first, remedy = capsys.readouterr().out.splitlines()
        assert first.startswith("x app.tar: ")
        assert first.endswith(f" [{code}]")
        assert 1 == main(["bundle", action, "--json", str(path)])
        (record,) = records(capsys)
        assert (str(path), code, remedy.strip()) == tuple(
            record[key] for key in ("bundle", "code", "remedy")
        )


def test_only_verifying_sees_damage_inside_of_a_layer(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(damaged(ARCHIVE))
    assert [0, 1] == [main(["bundle", action, str(path)]) for action in ACTIONS]
    assert "image quay.io/site/app:1.0: layer 1 of 2 is damaged" in capsys.readouterr().out


def test_a_checksum_that_does_not_fit(bundle: Path, capsys: Output) -> None:
    bundle.with_name("SHA256SUMS").write_text(f"{digest_of(b'other')[7:]}  app.tar\n")
    assert 1 == main(["bundle", "verify", str(bundle)])
    assert "its sha256 checksum is" in capsys.readouterr().out


@pytest.mark.parametrize("action", ACTIONS)
def test_one_that_cannot_be_read_holds_up_no_other(
    bundle: Path, tmp_path: Path, capsys: Output, action: str
) -> None:
    gone = tmp_path / "gone.tar"
    assert 1 == main(["bundle", action, "--json", str(gone), str(bundle)])
    first, second = records(capsys)
    assert (str(gone), "E-BUNDLE", "app.tar") == (first["bundle"], first["code"], second["bundle"])
    assert 1 == main(["bundle", action, str(gone), str(bundle)])
    out = capsys.readouterr().out
    assert (True, True) == (f"x {gone}: " in out, "tool:2" in out)


@pytest.mark.parametrize("arguments", [[], ["list"], ["explode", "x"], ["verify", "--config", "x"]])
def test_bad_usage(arguments: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bundle", *arguments])
    assert 2 == ended.value.code
    assert "usage: airferry" in capsys.readouterr().err


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd_packed], ids=["", "gzip", "zstd"])
def test_from_standard_input(action: str, pack: Callable[[bytes], bytes]) -> None:
    code, out, err = from_stdin(action, pack(ARCHIVE), "--json")
    assert (0, "") == (code, err)
    (record,) = json.loads(out)
    assert [image.tags for image in IMAGES] == [found["names"] for found in record["images"]]


@pytest.mark.parametrize("action", ACTIONS)
def test_standard_input_is_called_so(action: str) -> None:
    """The number of its descriptor says nothing to anybody."""
    _, out, _ = from_stdin(action, ARCHIVE, "--json")
    (record,) = json.loads(out)
    assert "standard input" == record["bundle"]
    code, out, _ = from_stdin(action, ARCHIVE[:2000])
    assert (1, True) == (code, out.startswith("x standard input: ends in the middle"))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_bundle_that_is_redirected_to_standard_input(action: str, bundle: Path) -> None:
    with bundle.open("rb") as file:
        done = subprocess.run(
            [*PROGRAM, action, "-", "--json"],
            stdin=file,
            capture_output=True,
            check=False,
            timeout=HANG_S,
        )
    (record,) = json.loads(done.stdout)
    assert (0, b"", 3) == (done.returncode, done.stderr, len(record["images"]))

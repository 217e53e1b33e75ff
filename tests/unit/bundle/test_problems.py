"""`--keep-going`: images that are whole are taken, what is wrong with the others is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.bundle.left_out import Why
from core.bundle.model import Contents
from core.bundle.problems import Problems
from core.errors import BundleCorrupt, BundleError, BundleTruncated
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import Entry, blob_name, entries_of, packed, tar_bytes
from tests.support.oci import Layout, full_name, listing_entry, noted, on_platform
from tests.support.reading import contents_in, facts_of, facts_wanted

BASE = layer_tar(1, 3000)
NODE = ImageSpec(["a.b/node:1"], [BASE, layer_tar(2, 500)])
PAUSE = ImageSpec(["a.b/pause:1"], [BASE])
NGINX = ImageSpec(["a.b/nginx:1"], [BASE, layer_tar(3, 500)])
IMAGES = [NODE, PAUSE, NGINX]


def kept(data: bytes) -> tuple[Contents, list[BundleError]]:
    """Read on past what is wrong."""
    problems = Problems(keep_going=True)
    return contents_in(data, problems=problems), problems.found


def damaged_archive() -> bytes:
    """Return a docker-archive in which the second layer of NODE is another."""
    entries = entries_of(docker_archive(IMAGES))
    return tar_bytes(
        Entry(e.name, layer_tar(9, 500) if e.data == NODE.layers[1] else e.data, e.kind, e.link)
        for e in entries
    )


def damaged_layout() -> tuple[Layout, list[dict[str, object]]]:
    """Return the same as an OCI layout, and what its index names."""
    layout = Layout()
    top = [noted(layout.image(image), full_name(image.tags[0])) for image in IMAGES]
    layout.blobs[blob_name(packed(NODE.layers[1]))] = packed(layer_tar(9, 500))
    return layout, top


def test_the_first_problem_ends_it_where_nothing_else_is_asked_for() -> None:
    problems = Problems(keep_going=False)
    with pytest.raises(BundleCorrupt, match=r"image a\.b/node:1: layer 2 of 2"):
        contents_in(damaged_archive(), problems=problems)
    assert [] == problems.found


def test_whole_images_of_a_docker_archive_are_taken() -> None:
    found, problems = kept(damaged_archive())
    assert facts_wanted([PAUSE, NGINX]) == facts_of(found.images)
    assert ["E-BUNDLE-CORRUPT"] == [problem.code for problem in problems]
    assert "a.b/node:1: layer 2 of 2 is damaged" in problems[0].what


def test_whole_images_of_a_layout_are_taken() -> None:
    layout, top = damaged_layout()
    found, problems = kept(layout.tar(*top))
    assert facts_wanted([PAUSE, NGINX]) == facts_of(found.images)
    assert ["E-BUNDLE-CORRUPT"] == [problem.code for problem in problems]


def test_whole_images_of_what_is_both_are_taken() -> None:
    layout, top = damaged_layout()
    listing = listing_entry(*((image, image.tags) for image in IMAGES))
    found, problems = kept(tar_bytes([*layout.entries(*top), listing]))
    assert facts_wanted([PAUSE, NGINX]) == facts_of(found.images)
    assert 1 == len(problems)


def test_every_problem_is_kept() -> None:
    entries = [e for e in entries_of(docker_archive(IMAGES)) if not e.name.endswith("layer.tar")]
    found, problems = kept(tar_bytes(entries))
    assert () == found.images
    assert ["a.b/node:1", "a.b/pause:1", "a.b/nginx:1"] == [
        problem.what.split()[2].rstrip(":") for problem in problems
    ]


def test_a_name_that_no_engine_takes_is_left_out() -> None:
    bad = ImageSpec(["Bad/../Name:1"], [BASE])
    found, problems = kept(docker_archive([NODE, bad]))
    assert facts_wanted([NODE, replace(bad, tags=[])]) == facts_of(found.images)
    assert [(Why.BAD_NAME, "Bad/../Name:1")] == [(one.why, one.what) for one in found.left_out]
    assert [] == problems


def test_of_several_platforms_those_that_are_whole_are_taken() -> None:
    layout = Layout()
    arm = ImageSpec(NODE.tags, [BASE, layer_tar(4, 500)], "linux/arm64")
    s390 = ImageSpec(NODE.tags, [BASE, layer_tar(5, 500)], "linux/s390x")
    images = (NODE, arm, s390)
    index = layout.index(*(noted(layout.image(i), on_platform(i.platform)) for i in images))
    layout.blobs[blob_name(packed(NODE.layers[1]))] = packed(layer_tar(9, 500))
    found, problems = kept(layout.tar(noted(index, full_name(NODE.tags[0]))))
    assert facts_wanted([arm, s390]) == facts_of(found.images)
    assert ([["a.b/node:1"]], 1) == (
        [[name.familiar for name in several.references] for several in found.lists],
        len(problems),
    )


def test_a_name_that_stands_for_two_images_costs_no_others() -> None:
    layout = Layout()
    two = layout.index(*(layout.image(image) for image in (NODE, PAUSE)))
    good = noted(layout.image(NGINX), full_name(NGINX.tags[0]))
    found, problems = kept(layout.tar(noted(two, full_name("a.b/c:1")), good))
    assert facts_wanted([NGINX])[0] in facts_of(found.images)
    assert [BundleCorrupt] == [type(problem) for problem in problems]


def test_what_went_wrong_before_is_not_hidden_by_what_is_missing_for_it() -> None:
    """A bundle that was cut has no manifest.json, which comes last; that is not what to tell."""
    problems = Problems(keep_going=True)
    problems.found.append(BundleTruncated("b.tar: ends in the middle"))
    with pytest.raises(BundleTruncated, match="ends in the middle"):
        contents_in(tar_bytes([Entry("l", BASE)]), problems=problems)


def test_other_errors_are_not_kept() -> None:
    problems = Problems(keep_going=True)
    with pytest.raises(KeyError), problems.noted():
        raise KeyError("a fault of ours")
    assert [] == problems.found

"""Real archives of public projects: what is right for each, and where they lie, if they do.

They are too many for this repository, so each that matters has a twin that is generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_DIRECTORY = Path(__file__).parents[2] / ".." / "shared" / "cases" / "real"


@dataclass(frozen=True)
class Right:
    """What is right for a real archive.

    Args:
        twin: The generated case that stands for it, or the file of tests that has it.
        images: How many images it has.
        names: Some of their names.
        error: What its refusal says, as a pattern.
        remark: What else is told.
    """

    twin: str
    images: int = 1
    names: tuple[str, ...] = ()
    error: str = ""
    remark: str = ""


def real_directory() -> Path | None:
    """Return where the archives lie; None where they do not."""
    return _DIRECTORY.resolve() if _DIRECTORY.is_dir() else None


_GGCR = "go-containerregistry__pkg_v1_"
_DAMAGED_FIXTURE = Right("the only platform without its layers", error="the layer .* is text")
_OF_GGCR = Right("keys in lower case")
_OF_SCALIBR = "osv-scalibr__artifact_image_layerscanning_image_testdata_"
_LACKS = Right("test_roots.py", error="the file oci-layout is missing")
_STORAGE = Right("test_inside.py", error="what a registry stores")

REAL: dict[str, Right] = {
    "container-structure-test__bazel_test_tarball.tar": Right("none none", remark="--name"),
    **{
        f"dive__.data_test-oci-{kind}-image.tar": Right(
            "an index of an index without a name", remark="is named after the file"
        )
        for kind in ("estargz", "gzip", "uncompressed", "zstd")
    },
    f"{_GGCR}layout_testdata_test_gc_image_unknown_mediatype": Right(
        "the only platform without its layers", error="is named but not in the archive"
    ),
    f"{_GGCR}layout_testdata_test_index": Right(
        "names within an index",
        2,
        tuple(f"go-containerregistry-pkg-v1-layout-testdata-test-index:{tag}" for tag in "1234"),
    ),
    f"{_GGCR}layout_testdata_test_index_media_type": Right("test_inside.py", error="no image in"),
    f"{_GGCR}layout_testdata_test_index_one_image": Right("an index of an index without a name"),
    f"{_GGCR}mutate_testdata_overwritten_file.tar": _OF_GGCR,
    f"{_GGCR}mutate_testdata_source_image.tar": _OF_GGCR,
    f"{_GGCR}mutate_testdata_source_image_with_empty_layer_history.tar": Right(
        "a config under another name", remark="not what its file name says"
    ),
    f"{_GGCR}mutate_testdata_whiteout_dir.tar": _OF_GGCR,
    f"{_GGCR}mutate_testdata_whiteout_image.tar": _OF_GGCR,
    f"{_GGCR}tarball_testdata_no_manifest.tar": Right(
        "before docker 1 10", error="Docker before 1.10"
    ),
    f"{_GGCR}tarball_testdata_null_manifest.tar": Right(
        "manifest json says null", error="says null"
    ),
    f"{_GGCR}tarball_testdata_test_bundle.tar": Right("keys in lower case", 2),
    f"{_GGCR}tarball_testdata_test_link.tar": Right("a hard link to a layer", 2),
    f"{_GGCR}tarball_testdata_test_load_manifest.tar": _OF_GGCR,
    "image__docker_archive_fixtures_almostempty.tar": Right(
        "keys in lower case", names=("emptyimage:latest",)
    ),
    "image__oci_layout_fixtures_delete_image_only_one_image": _DAMAGED_FIXTURE,
    "image__oci_layout_fixtures_manifest": _LACKS,
    "image__oci_layout_fixtures_name_lookups": _LACKS,
    "image__oci_layout_fixtures_two_images_manifest": _LACKS,
    "jib__jib-core_src_test_resources_core_extraction_docker-save.tar": Right("old jib"),
    "jib__jib-core_src_test_resources_core_extraction_jib-image.tar": Right("old jib"),
    "moby__integration-cli_testdata_emptyLayer.tar": Right(
        "before docker 1 10", error="Docker before 1.10"
    ),
    **{
        f"oras__test_e2e_testdata_distribution_mount_{kind}.tar.gz": _STORAGE
        for kind in ("artifacts", "artifacts_index", "fallback_artifacts", "images")
    },
    **{
        f"{_OF_SCALIBR}{kind}.tar": _OF_GGCR
        for kind in ("basic", "multiple-files", "symlink-attack", "symlink-cycle", "two-files")
    },
    f"{_OF_SCALIBR}empty.tar": Right("test_inside.py", error="there is nothing in it"),
    "regclient__testdata_testrepo": Right(
        "names within an index", 21, ("regclient-testdata-testrepo:v1",)
    ),
    "stereoscope__pkg_image_oci_testdata_multiplatform_oci_dir": Right(
        "a platform without its layers", 2, ("multi-platform:latest",)
    ),
    "stereoscope__pkg_image_oci_testdata_no_manifests": _LACKS,
    "stereoscope__pkg_image_oci_testdata_valid-oci.tar": Right(
        "names within an index", names=("sample:latest",)
    ),
    "stereoscope__pkg_image_oci_testdata_valid_manifest": _LACKS,
}
"""What is right for each, by the name of the file."""

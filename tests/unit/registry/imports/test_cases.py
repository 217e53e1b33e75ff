"""Bundles as the world has them: listed, verified and imported, each with what is right.

The cases are twins of public reports (`tests/support/cases.py`). Real archives of public projects
are read as well where they lie beside the checkout.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import Bundle
from core.errors import BundleError
from core.registry.api.client import RegistryClient
from tests.support.cases import CASES, Case
from tests.support.importing import Importer
from tests.support.real import REAL, Right, real_directory

COPY_AGAIN = "opy the bundle"
NOT_TO_BE_USED = "Do not use this file"
DAMAGE = ("E-BUNDLE-CORRUPT", "E-BUNDLE-CUT")


Step = Callable[[], Bundle]


def steps_of(path: Path, importer: Importer) -> list[Step]:
    """Return the three ways to read a bundle."""
    return [
        lambda: list_bundle(bundle_file(path)),
        lambda: verify_bundle(bundle_file(path)),
        lambda: importer.put(path).bundle,
    ]


def names_of(bundle: Bundle) -> set[tuple[str, ...]]:
    return {tuple(name.familiar for name in image.references) for image in bundle.images}


def require_right(bundle: Bundle, case: Case) -> None:
    assert set(case.names) == names_of(bundle)
    assert set(case.left_out) <= {one.why for one in bundle.left_out}
    assert case.left_out or not bundle.left_out
    assert case.remark in " ".join(bundle.remarks)


def require_refusal(error: BundleError, case: Case) -> None:
    assert case.error in error.what
    assert NOT_TO_BE_USED not in error.remedy
    assert error.code in DAMAGE or COPY_AGAIN not in error.remedy


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_listed_verified_and_imported(name: str, importer: Importer) -> None:
    case = CASES[name]
    for step in steps_of(importer.written(case.data, case.file), importer):
        if case.error:
            with pytest.raises(BundleError) as refused:
                step()
            require_refusal(refused.value, case)
        else:
            require_right(step(), case)
    require_tags(importer.client, case)


def require_tags(client: RegistryClient, case: Case) -> None:
    """Every name resolves in the registry, and a refused bundle has left none."""
    wanted = {name for names in case.names for name in names}
    for name in wanted:
        repository, _, tag = name.removeprefix("registry.example:5000/").rpartition(":")
        assert client.manifest_digest(repository.removeprefix("localhost/"), tag)
    if not wanted:
        assert client.manifest_digest("case/app", "v1") is None


@pytest.mark.parametrize("name", REAL)
def test_a_real_archive_is_read_as_it_should_be(
    name: str, importer: Importer, capsys: pytest.CaptureFixture[str]
) -> None:
    right, directory = REAL[name], real_directory()
    if directory is None:
        with capsys.disabled():
            print(f"[{name}: not beside this checkout; its twin: {right.twin}]")
        assert right.twin in CASES or Path(right.twin).suffix == ".py"
        return
    for step in steps_of(directory / name, importer):
        require_right_of_real(step, right)


def require_right_of_real(step: Step, right: Right) -> None:
    if right.error:
        with pytest.raises(BundleError, match=right.error):
            step()
        return
    bundle = step()
    assert right.images == len(bundle.images)
    assert set(right.names) <= {name for names in names_of(bundle) for name in names}
    assert right.remark in " ".join(bundle.remarks)

"""What the lab needs of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.errors import NeedError
from tests.lab.needs import INOTIFY_NEED, raise_limits


def test_a_limit_that_is_too_low_for_many_hosts_is_raised(tmp_path: Path) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    assert raise_limits(limit)
    assert f"{INOTIFY_NEED}\n" == limit.read_text()
    assert not raise_limits(limit)


def test_a_limit_that_cannot_be_raised_is_told(tmp_path: Path) -> None:
    with pytest.raises(NeedError, match=r"max_user_instances is below .* cannot be raised"):
        raise_limits(tmp_path / "max_user_instances")

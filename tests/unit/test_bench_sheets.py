"""What benches write down: each its own section, and every target judged by what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.bench import backup_sheet, host_sheet, scale_sheet
from tests.bench.host_sheet import BARE, PULL, SCP, HostFigure, HostSheet, Release
from tests.bench.measure import Figure
from tests.bench.results import put_section
from tests.bench.scale_sheet import ScaleFigure, ScaleSheet
from tests.bench.table import Sheet


def test_a_section_takes_the_place_of_the_one_with_its_title(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    put_section(path, "# Import\n\nold\n\n## Targets\n\nold")
    put_section(path, "# Hosts\n\n1")
    put_section(path, "# Import\n\nnew\n")
    assert "# Import\n\nnew\n\n# Hosts\n\n1\n" == path.read_text()


def sheet_of(pull_s: float, pull_bytes: int) -> HostSheet:
    sheet = HostSheet(tar_bytes=1000)
    sheet.add(BARE, 1, HostFigure(10.0, None, 300, 1.0))
    sheet.add(PULL, 1, HostFigure(pull_s, 9.0, pull_bytes, 2.0))
    sheet.add(SCP, 1, HostFigure(20.0, None, 1010, 1.0))
    return sheet


def verdicts(sheet: HostSheet) -> list[str]:
    lines = host_sheet.targets(sheet).splitlines()[2:]
    return [line.split("|")[-2].strip() for line in lines]


def test_targets_that_are_met() -> None:
    sheet = sheet_of(10.5, 320)
    sheet.release = Release(layer_bytes=100, line_bytes=105, wall_s=1.0)
    assert ["met", "not measured", "met", "met", "met"] == verdicts(sheet)


def test_the_limit_is_told_from_the_largest_row() -> None:
    sheet = sheet_of(10.0, 300)
    sheet.add(PULL, 4, HostFigure(50.0, None, 1200, 6.0, 39.0))
    assert "" == host_sheet.limits(sheet)
    sheet.add(SCP, 4, HostFigure(60.0, None, 4000, 3.0, 33.0))
    assert "of the 45 CPU s that 4 hosts" in host_sheet.limits(sheet)


def test_targets_that_are_missed() -> None:
    sheet = sheet_of(15.0, 600)
    sheet.release = Release(layer_bytes=100, line_bytes=300, wall_s=1.0)
    missed = "**not met**"
    assert [missed, "not measured", missed, missed, missed] == verdicts(sheet)


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    sheet = sheet_of(10.0, 300)
    for seconds in (20.0, 60.0):
        sheet.add(PULL, 1, HostFigure(seconds, None, 300, 1.0))
        sheet.add(SCP, 1, HostFigure(20.0, None, 1000, 1.0))
    assert 1.0 == sheet.ratio(PULL, SCP, 1)


def scale_of(label: str, peak_bytes: int = 90_000_000) -> ScaleFigure:
    figure = ScaleFigure(
        *(label, 500, 40.0, 32.0, 90_000_000, 4.0, 2.0), commits=60, rows=8000, most_rows=700
    )
    return replace(figure, peak_bytes=peak_bytes)


def test_targets_of_many_hosts() -> None:
    sheet = ScaleSheet([scale_of("check"), scale_of("configure-hosts", peak_bytes=500_000_000)])
    lines = scale_sheet.targets(sheet).splitlines()[2:]
    found = [line.split("|")[-2].strip() for line in lines]
    assert ["met", "met", "**not met**", "met", "met", "**not met**"] == found
    assert "8 ms of it for each host" in " ".join(scale_sheet.limits(sheet).split())


def test_backups_are_judged_by_wall_and_by_processor_time() -> None:
    sheet = Sheet(notes=["1 GB of blobs"])
    for label, wall_s in (
        (backup_sheet.BACKUP, 3.0),
        (backup_sheet.TAR, 1.0),
        (backup_sheet.TAR_SYNCED, 1.5),
        (backup_sheet.TAR_SAFE, 2.0),
        (backup_sheet.SKOPEO, 9.0),
        (backup_sheet.RESTORE, 4.0),
        (backup_sheet.UNTAR, 1.0),
        (backup_sheet.UNTAR_SYNCED, 1.5),
        (backup_sheet.UNTAR_SAFE, 2.0),
        (backup_sheet.SKOPEO_BACK, 5.0),
    ):
        sheet.rows[label] = [Figure(wall_s, 2 * wall_s, 50_000_000, wall_s)]
    text = backup_sheet.section({"in memory": sheet}, 0.5)
    wanted = [
        "In memory, 1 GB of blobs:",
        "| Airferry, backup | 1 | 3.00 | 3.00 | 6.00 | 3.00 | 50 |",
        "| in memory: backup, to tar | <= 1.5 times | 3.00 | **not met** | 3.00 |",
        "| in memory: backup, to tar synced | <= 1.5 times | 2.00 | **not met** | 2.00 |",
        "| in memory: backup, to tar synced and read back | <= 1.5 times | 1.50 | met | 1.50 |",
        "| in memory: restore, to skopeo | < 1 times | 0.80 | met | 0.80 |",
    ]
    assert [True] * len(wanted) == [line in text.splitlines() for line in wanted]

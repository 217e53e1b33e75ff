"""Warnings are data: each of a kind that the table has, read back as it was written."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import core
from core.warnings import CLOCK, KINDS, Warned, WarningKind, title_of, warnings_in, warnings_text
from core.words import duration

SOURCES = Path(core.__file__).parent
DATA = warnings_text([CLOCK.of(off="25 years behind", skew_s=-788_923_400)])


def test_a_warning_is_read_as_it_was_written() -> None:
    (found,) = warnings_in(DATA)
    assert (
        Warned(
            "W-CLOCK",
            "has a clock that is 25 years behind",
            "Set the host's clock (chrony, NTP).",
            {"off": "25 years behind", "skew_s": -788_923_400},
        )
        == found
    )
    assert {"code": found.code, "what": found.what, "remedy": found.remedy} == found.record()
    assert (
        "has a clock that is 25 years behind. Set the host's clock (chrony, NTP). [W-CLOCK]"
        == found.text
    )


@pytest.mark.parametrize("text", [None, "", "[]"])
def test_nothing_is_no_warning(text: str | None) -> None:
    assert () == warnings_in(text)
    assert "" == warnings_text([])


def test_a_kind_of_a_later_version_keeps_its_words() -> None:
    (found,) = warnings_in('[{"code": "W-LATER", "what": "is later", "remedy": "Wait.", "x": 1}]')
    assert ("is later", "Wait.", "") == (found.what, found.remedy, title_of(found.code))


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.code)
def test_a_kind_says_what_is_so_and_what_to_do(kind: WarningKind) -> None:
    places = {
        name
        for text in (kind.what, kind.remedy)
        for _, name, _, _ in Formatter().parse(text)
        if name
    }
    warning = kind.of(**dict.fromkeys(places, "something"))
    assert re.fullmatch(r"W(-[A-Z]+)+", warning.code)
    assert all((warning.what, warning.remedy, kind.title))
    assert not kind.title.endswith(".")


def test_codes_stand_in_one_place() -> None:
    named = {
        code
        for path in SOURCES.rglob("*.py")
        for code in re.findall(r'"(W-[A-Z-]+)"', path.read_text(encoding="utf-8"))
        if path.name != "warnings.py"
    }
    assert set() == named


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (361, "6 minutes"),
        (3600, "1 hour"),
        (86_400 * 3, "3 days"),
        (788_923_400, "25 years"),
    ],
)
def test_spans_of_time(seconds: float, words: str) -> None:
    assert words == duration(seconds)

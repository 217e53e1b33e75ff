"""Text from outside, shown on terminals that obey what they should only show."""

from __future__ import annotations

import io

import pytest

from core.printable import PrintableStream, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[2Jgone", "?[2Jgone"),
        ("a\tb\rc", "a b c"),
        ("\u202eevil", "?evil"),
        ("bell\x07", "bell?"),
        ("\udcff", "?"),
        ("Grüße, 你好", "Grüße, 你好"),
    ],
)
def test_nothing_passes_that_a_terminal_obeys(text: str, shown: str) -> None:
    assert shown == printable(text)
    assert len(text) == len(printable(text))


def test_lines_stay_lines_on_a_terminal_of_few_characters() -> None:
    raw = io.BytesIO()
    stream = PrintableStream(io.TextIOWrapper(raw, encoding="latin-1", newline=""))

    stream.write("one\n\x1b]0;two\nGrüße \N{SNOWMAN}\n")
    stream.flush()  # type: ignore[operator]

    assert b"one\n?]0;two\nGr\xfc\xdfe \\u2603\n" == raw.getvalue()

"""What a run says last: counts by cause, a few names, what to do; short enough to be seen whole.

A report of hundreds of hosts is long, and its beginning has left the terminal when its end is
there. So what matters stands at its end, once for each cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from core.engine.causes import Cause, on_targets, warned_words, what_of
from core.steps.base import DU
from core.words import some_of

LINES, WIDTH = 24, 78
"""A terminal's."""
_MOST_WHAT = 2  # lines of what happened; what to do is never cut
_MARGIN = "    "


def summary_lines(
    headline: str, verdict: str, failures: Iterable[Cause], warnings: Iterable[Cause]
) -> list[str]:
    """Return the summary; on a screen of 24 lines as much as fits is told with what to do.

    Args:
        headline: Which run it is, and how it ended.
        verdict: How many are ready.
        failures: Why some are not.
        warnings: What is to be known besides.
    """
    blocks = [_block("x", _failed_words(cause), cause) for cause in _widest_first(failures)]
    blocks += [_block("!", warned_words(cause), cause) for cause in _widest_first(warnings)]
    lines = [headline, "", *wrap(verdict, WIDTH)]
    room = LINES - 2 - len(lines)  # the prompt, and an empty line
    room -= sum(len(head) for head, _ in blocks)
    told: list[str] = []
    for head, rest in blocks:
        room -= len(rest)
        told += [*head, *rest] if room >= 0 else head
    if room < 0:
        told.append(f"{_MARGIN}Each host in full, with what to do: airferry report")
    return [*lines, "", *told] if told else lines


def _widest_first(causes: Iterable[Cause]) -> list[Cause]:
    return sorted(causes, key=lambda cause: -len(cause.targets))


def _failed_words(cause: Cause) -> str:
    if cause.targets == (DU,):
        return "this machine"
    return on_targets(cause.targets)


def _block(sign: str, words: str, cause: Cause) -> tuple[list[str], list[str]]:
    """Return who it is, and what happened and what to do."""
    head = f"{sign} {words}{_names(cause.targets, words)} [{cause.code}]"
    what = wrap(what_of(cause), WIDTH - len(_MARGIN), break_on_hyphens=False)
    if len(what) > _MOST_WHAT:
        what = [*what[: _MOST_WHAT - 1], f"{what[_MOST_WHAT - 1][: WIDTH - 8]}..."]
    remedy = wrap(cause.remedy, WIDTH - len(_MARGIN), break_on_hyphens=False)
    return (
        wrap(head, WIDTH, subsequent_indent=_MARGIN, break_on_hyphens=False),
        [f"{_MARGIN}{line}" for line in (*what, *remedy)],
    )


def _names(targets: Sequence[str], words: str) -> str:
    """Return the first few names, behind the words, unless these name the only one."""
    if targets == (DU,) or (len(targets) == 1 and words.endswith(targets[0])):
        return ""
    return f": {some_of(['this machine' if name == DU else name for name in targets])}"

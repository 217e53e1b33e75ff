"""The config's text as PyYAML's node tree, or why there is none, in a technician's words."""

from __future__ import annotations

import yaml

from core.config.reader import Problem

_ALLOWED = "key: value lines"


def composed(text: str) -> tuple[yaml.Node | None, list[Problem]]:
    """Return the root node of the text; None with problems where it is no YAML.

    Args:
        text: The whole file. An empty one has no root, and no problem.
    """
    tabbed = [
        Problem(number, "", "a tab in the indentation", "spaces")
        for number, line in enumerate(text.splitlines(), 1)
        if "\t" in line[: len(line) - len(line.lstrip())] and line.strip()
    ]
    if tabbed:
        return None, tabbed
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader), []
    except yaml.YAMLError as error:
        return None, [_problem(error, text)]
    except RecursionError:
        return None, [Problem(1, "", "nested too deeply", "a flat list of keys")]


def _problem(error: yaml.YAMLError, text: str) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        line = error.problem_mark.line + 1
        return Problem(line, "", f"not YAML: {error.problem or error.context}", _ALLOWED)
    place = error.position if isinstance(error, yaml.reader.ReaderError) else 0
    line = text.count("\n", 0, place) + 1
    return Problem(line, "", f"not YAML: {str(error).splitlines()[0]}", _ALLOWED)

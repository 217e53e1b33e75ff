"""The site that the screens are about: its config file, its journal, its engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from core.bundle import Bundle
from core.config import Config, Problem, missing_files, parse_config, write_config
from core.engine.journal import JournalReader, RunRow, State, TaskRow
from core.errors import ConfigError
from tui.draft import Draft
from tui.launch import EngineLauncher, Launcher


@dataclass(frozen=True)
class Snapshot:
    """One look at a run."""

    run: RunRow
    state: State
    tasks: tuple[TaskRow, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state is not State.RUNNING


class Site:
    """One site.

    Args:
        path: Its config file.
        launcher: What starts runs; the engine where none is given.

    Raises:
        ConfigError: the file cannot be read at all.
    """

    def __init__(self, path: Path, launcher: Launcher | None = None) -> None:
        self.path = path
        self.launcher: Launcher = launcher or EngineLauncher()
        self.listed: dict[str, Bundle] = {}
        self.text = read_text(path)
        self.config: Config
        self.problems: list[Problem]
        self.config, self.problems = parse_config(self.text, path)
        self.draft = Draft(self.text)

    def reload(self) -> None:
        """Read the file again; what was typed and is not saved yet is kept.

        Raises:
            ConfigError: the file cannot be read.
        """
        self.text = read_text(self.path)
        self.config, self.problems = parse_config(self.text, self.path)
        if not self.draft.is_dirty:
            self.draft = Draft(self.text)

    def changed_underneath(self) -> bool:
        """Whether somebody else wrote the file since the draft was begun.

        Raises:
            ConfigError: the file cannot be read.
        """
        return read_text(self.path) != self.draft.base

    def save(self, text: str) -> None:
        """Write the config (the old file stays as .bak) and take it over.

        Raises:
            ConfigError: it cannot be written.
        """
        try:
            write_config(self.path, text)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: cannot be written: {error.strerror}",
                remedy="Check the rights and the room there, then save again.",
            ) from error
        self.draft = Draft(text)
        self.reload()

    def save_hosts(self, text: str) -> None:
        """Write a config whose list of hosts was changed, if it is still whole.

        Raises:
            ConfigError: it cannot be written, or the change would make a problem.
        """
        before = {str(problem) for problem in self.problems}
        _, problems = parse_config(text, self.path)
        new = [problem for problem in problems if str(problem) not in before]
        if len(problems) > len(self.problems) and new:
            raise ConfigError(
                where_and_what(new[0]), remedy="Nothing was written. Change what was typed."
            )
        self.save(text)

    @property
    def reader(self) -> JournalReader:
        """The journal."""
        return JournalReader(self.config.state_dir)

    def look(self, run: int) -> Snapshot | None:
        """Read how a run fares; None if there is no such run. Blocks for milliseconds."""
        reader = self.reader
        row = reader.run(run)
        if row is None:
            return None
        state = self.launcher.true_state(row, self.config.state_dir)
        tasks = reader.tasks(run)
        if state is State.INTERRUPTED:
            tasks = [_left_behind(task) for task in tasks]
        return Snapshot(row, state, tuple(tasks))


def _left_behind(task: TaskRow) -> TaskRow:
    """Return a task of an engine that died: what it says of being at work is no longer so."""
    if task.state not in (State.RUNNING, State.WAITING):
        return task
    return replace(task, state=State.INTERRUPTED, ended=task.started, rate=0.0)


@lru_cache(maxsize=4)
def _parsed(text: str, path: Path) -> tuple[Config, list[Problem]]:
    return parse_config(text, path)


def problems_of(text: str, path: Path) -> tuple[Config, list[Problem]]:
    """Return a config with everything that is wrong with it, missing files included."""
    config, problems = _parsed(text, path)
    if any(not problem.key for problem in problems):
        return config, problems  # not even YAML: what it names is not known
    known = {problem.key for problem in problems}
    others = [problem for problem in missing_files(config) if problem.key not in known]
    return config, sorted(problems + others)


def where_and_what(problem: Problem) -> str:
    """Say what is wrong where; a value that no line sets (a default) has no line."""
    line = f"Line {problem.line}, " if problem.line else ""
    key = f"{problem.key}: " if problem.key else ""
    return f"{line}{key}{problem.what} (allowed: {problem.allowed})"


def read_text(path: Path) -> str:
    """Return the text of a config.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text") from error

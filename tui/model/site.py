"""The site that the screens are about: its config file, its journal, its engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from core.bundle.media import Media, media_of
from core.bundle.model import Bundle
from core.config import Config, Problem, missing_files, parse_config, write_config
from core.engine.journal import JournalReader, RunRow, State, TaskRow
from core.engine.report import is_paused
from core.engine.request import RunRequest
from core.errors import BusyError, ConfigError
from core.secrets import NO_REGISTRY_LOGIN, NO_SECRETS, Login, RegistryLogin, Secrets
from tui.model.draft import ConfigDraft
from tui.model.launch import EngineLauncher, Launcher


@dataclass(frozen=True)
class RunSnapshot:
    """One look at a run."""

    run: RunRow
    state: State
    tasks: tuple[TaskRow, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state is not State.RUNNING

    @property
    def paused(self) -> bool:
        """Whether the run is held until somebody lets it go on."""
        return is_paused(self.run, self.state)


class Site:
    """One site.

    Args:
        path: Its config file.
        launcher: What starts runs; the engine where none is given.
        media: The sticks of this machine; those that are in where none are given.

    Raises:
        ConfigError: the file cannot be read at all. One that is not there yet counts as empty.
    """

    def __init__(
        self, path: Path, launcher: Launcher | None = None, media: Media | None = None
    ) -> None:
        self.path = path
        self.media = media or media_of(os.environ)
        self.launcher: Launcher = launcher or EngineLauncher()
        self.listed: dict[str, Bundle] = {}
        self.secrets: Secrets = NO_SECRETS
        self.half_typed = Login()
        self.half_typed_registry = NO_REGISTRY_LOGIN
        self.text = read_text(path) if path.exists() else ""
        self.config: Config
        self.problems: list[Problem]
        self.config, self.problems = parsed(self.text, path)
        self.draft = ConfigDraft(self.text)

    def reload(self) -> None:
        """Read the file again; what was typed and is not saved yet is kept.

        Raises:
            ConfigError: the file cannot be read.
        """
        if self.path.exists() or self.text:  # a file that has gone is an error, a new one is not
            self.text = read_text(self.path)
        self.config, self.problems = parsed(self.text, self.path)
        if not self.draft.is_dirty:
            self.draft = ConfigDraft(self.text)

    def changed_underneath(self) -> bool:
        """Whether somebody else wrote the file since the draft was begun.

        Raises:
            ConfigError: the file cannot be read.
        """
        return self.their_text() != self.draft.base

    def their_text(self) -> str:
        """Return what the file says now, whoever wrote it; nothing where there is none.

        Raises:
            ConfigError: the file cannot be read.
        """
        return read_text(self.path) if self.path.exists() else ""

    def take_theirs(self) -> None:
        """Forget what was typed, and take the file as it is now.

        Raises:
            ConfigError: the file cannot be read.
        """
        self.text = self.their_text()
        self.config, self.problems = parsed(self.text, self.path)
        self.draft = ConfigDraft(self.text)

    @property
    def is_new(self) -> bool:
        """Whether there is no config file yet: saving writes the first one."""
        return not self.path.exists()

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
        self.draft = ConfigDraft(text)
        self.reload()

    def save_hosts(self, text: str) -> None:
        """Write a config whose list of hosts was changed, if it is still whole.

        Raises:
            ConfigError: it cannot be written, or the change would make a problem.
        """
        before = {str(problem) for problem in self.problems}
        _, problems = parsed(text, self.path)
        new = [problem for problem in problems if str(problem) not in before]
        if len(problems) > len(self.problems) and new:
            raise ConfigError(
                where_and_what(new[0]), remedy="Nothing was written. Change what was typed."
            )
        self.save(text)

    def start(self, request: RunRequest) -> int:
        """Start a run with what was typed to log in to the hosts, and return its id. May block.

        Raises:
            AirferryError: it cannot begin.
        """
        return self.launcher.start(request, self.secrets)

    def while_idle(self, work: Callable[[Config], object]) -> None:
        """Do something to the services of this machine, unless a run needs them. May block.

        Raises:
            BusyError: a run is at work.
            AirferryError: it cannot be done.
        """
        run = self.launcher.at_work(self.config.state_dir)
        if run is not None:
            raise BusyError(
                f"run {run.id} is at work",
                remedy="Watch it (Start), and come back when it is over.",
            )
        work(self.config)

    def keep(self, login: Login, hosts: Iterable[str] = ()) -> None:
        """Keep secrets in memory, for every run until the screens are closed.

        Args:
            login: What was typed; what is empty in it stays as it was.
            hosts: For these hosts only; for all where none is named.
        """
        self.half_typed = Login()
        kept = self.secrets
        own = {name: login.over(kept.hosts.get(name, Login())) for name in hosts}
        if own:
            self.secrets = replace(kept, hosts={**kept.hosts, **own})
        else:
            self.secrets = replace(kept, everywhere=login.over(kept.everywhere))

    def keep_registry(self, login: RegistryLogin) -> None:
        """Keep the login to the site's registry in memory, until the screens are closed."""
        self.half_typed_registry = NO_REGISTRY_LOGIN
        self.secrets = replace(self.secrets, registry=login)

    @property
    def reader(self) -> JournalReader:
        """The journal."""
        return JournalReader(self.config.state_dir)

    def look(self, run: int) -> RunSnapshot | None:
        """Read how a run fares; None if there is no such run. Blocks for milliseconds."""
        reader = self.reader
        row = reader.run(run)
        if row is None:
            return None
        state = self.launcher.true_state(row, self.config.state_dir)
        tasks = reader.tasks(run)
        if state is State.INTERRUPTED:
            tasks = [_left_behind(task) for task in tasks]
        return RunSnapshot(row, state, tuple(tasks))


def _left_behind(task: TaskRow) -> TaskRow:
    """Return a task of an engine that died: what it says of being at work is no longer so."""
    if task.state not in (State.RUNNING, State.WAITING):
        return task
    return replace(task, state=State.INTERRUPTED, ended=task.started, rate=0.0)


@lru_cache(maxsize=4)
def parsed(text: str, path: Path) -> tuple[Config, list[Problem]]:
    """Parse a config; of hundreds of hosts that takes half a second, so it is done once."""
    return parse_config(text, path)


def problems_of(text: str, path: Path) -> tuple[Config, list[Problem]]:
    """Return a config with everything that is wrong with it, missing files included.

    But for the default of imagesDir: the first bundles that are taken from a stick make it.
    """
    config, problems = parsed(text, path)
    if any(not problem.key for problem in problems):
        return config, problems  # not even YAML: what it names is not known
    known = {problem.key for problem in problems}
    if "imagesDir" not in config.lines:
        known.add("imagesDir")
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

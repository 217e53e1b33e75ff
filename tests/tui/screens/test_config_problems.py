"""Everything that can be wrong in a config is told on the screens, with its line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import core.config
from core.config import missing_files, parse_config
from tests.tui.driving import Driver, opened
from tests.tui.fake_engine import FakeEngine

GOOD = "imagesDir: imgs\nstateDir: state\n"
HOSTS = f"{GOOD}hosts:\n"
# The text, the line that is at fault, the key, and what is said of it.
CASES: dict[str, tuple[str, int, str, str]] = {
    "tab": (f"{GOOD}ssh:\n\tuser: root\n", 4, "", "a tab in the indentation"),
    "no YAML": (f"{GOOD}hosts: [a, b\n", 4, "", "not YAML: expected ',' or ']'"),
    "control character": (f"{GOOD}warm: \x07\n", 3, "", "not YAML: unacceptable character"),
    "nested": (f"{GOOD}a: {'[' * 1000}", 1, "", "nested too deeply"),
    "no mapping": ("just words\n", 1, "", "not a mapping"),
    "twice": (f"{GOOD}imagesDir: imgs\n", 3, "imagesDir", "stands twice (first on line 1)"),
    "unknown in ssh": (f"{GOOD}ssh:\n  usr: x\n", 4, "ssh.usr", "is not known here"),
    "list": (f"{GOOD}registryDir: [a]\n", 3, "registryDir", "is a list or a mapping"),
    "no host": (f"{HOSTS}- []\n", 4, "hosts[0]", "is not a host"),
    "word": (f"{GOOD}privateRegistryType: both\n", 3, "privateRegistryType", "is 'both'"),
    "item": (f"{GOOD}dockerRepo: [[a]]\n", 3, "dockerRepo", "has an item that is no text"),
    "home": (
        f"{GOOD}registryDir: ~nobody-of-that-name/x\n",
        3,
        "registryDir",
        "names a home directory that is not known",
    ),
    "number": (f"{GOOD}registryPort: 99999\n", 3, "registryPort", "is '99999'"),
    "flag": (f"{GOOD}verifyRun: perhaps\n", 3, "verifyRun", "is 'perhaps'"),
    "section": (f"{GOOD}ssh: root\n", 3, "ssh", "is not a mapping"),
    "no list": (f"{GOOD}hosts: a\n", 3, "hosts", "is not a list"),
    "no base": (
        f"{GOOD}privateRegistryType: custom\n",
        1,
        "privateRegistryBase",
        "is needed in mode custom",
    ),
    "scheme": (
        f"{GOOD}privateRegistryBase: https://registry\n",
        3,
        "privateRegistryBase",
        "has a scheme",
    ),
    "login in the base": (
        f"{GOOD}privateRegistryBase: me:hunter2@registry\n",
        3,
        "privateRegistryBase",
        "has a login in it",
    ),
    "password": (
        f"{GOOD}privateRegistryPassword: secret\n",
        3,
        "privateRegistryPassword",
        "a password never stands in the config: take it out, and change it",
    ),
    "named du": (f"{HOSTS}- du\n", 4, "hosts[0]", "is named 'du', which means this machine"),
    "same name": (f"{HOSTS}- a\n- a\n", 5, "hosts[1]", "has the name of hosts[0]: a"),
    "no address": (f"{HOSTS}- name: a\n", 4, "hosts[0].address", "is missing"),
    "jump": (f"{GOOD}ssh:\n  jump: a b\n", 4, "ssh.jump", "is 'a b'"),
    "host key": (f"{GOOD}ssh:\n  hostKeys: MD5:1\n", 4, "ssh.hostKeys", "has 'MD5:1'"),
    "release": (f"{GOOD}release: five\n", 3, "release", "is 'five'"),
    "no images": ("stateDir: state\nimagesDir: away\n", 2, "imagesDir", "no such file: "),
    "no key of a host": (
        f"{HOSTS}- address: a\n  key: away\n",
        5,
        "hosts[0].key",
        "no such file: ",
    ),
}


def flat(text: str) -> str:
    """Return what a box says as one line, without its frame."""
    return " ".join(re.sub(r"^ *[|+]|[|+] *$", " ", text, flags=re.MULTILINE).split())


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return where the config of a site goes that has the files which it names."""
    (tmp_path / "imgs").mkdir()
    return tmp_path / "airctl-config.yaml"


async def go_to_config(driver: Driver) -> None:
    """Go to the form, by the way that Start offers."""
    await driver.press("enter")
    await driver.until(lambda: "[Mode]" in driver.text or "[Config]" in driver.text)
    if "[Mode]" in driver.text:
        await driver.press("enter")
        await driver.sees("[Config]")


@pytest.mark.parametrize("name", CASES)
async def test_it_is_told_with_its_line(site: Path, engine: FakeEngine, name: str) -> None:
    text, line, key, what = CASES[name]
    site.write_text(text)
    problems = parse_config(text, site)[1] or missing_files(parse_config(text, site)[0])
    told = [problem for problem in problems if what in problem.what]
    assert [(line, key)] == [(problem.line, problem.key) for problem in told]
    async with opened(site, engine) as driver:
        await go_to_config(driver)
        await driver.press("n")
        await driver.sees("Mend this first")
        subject = f"{key}: " if key else ""
        said = flat(driver.text)
        assert f"Line {line}, {subject}{what}".strip() in said
        assert flat(f"(allowed: {told[0].allowed}"[:40]) in said
        await driver.press("escape", "t")
        await driver.sees(f"x {len(problems)} problem", f"Line {problems[0].line}, ")
    assert not engine.requests


def test_every_problem_has_its_case() -> None:
    """Whatever words the config's readers have for a problem, a case brings them to the screen."""
    said = []
    for text, *_ in CASES.values():
        config, problems = parse_config(text, Path("/nowhere/airctl-config.yaml"))
        said += [problem.what for problem in (*problems, *missing_files(config))]
    lacking = [words for words in _words_of_problems() if not any(words in what for what in said)]
    assert [] == lacking


def _words_of_problems() -> set[str]:
    """Return the longest constant piece of what each problem in the source says."""
    found = set()
    directory = Path(core.config.__file__).parent
    for name in ("compose.py", "reader.py", "load.py"):
        for node in ast.walk(ast.parse((directory / name).read_text())):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                place = {"report": 1, "Problem": 2}.get(called)
                if place is not None and len(node.args) > place:
                    pieces = [
                        str(piece.value)
                        for piece in ast.walk(node.args[place])
                        if isinstance(piece, ast.Constant)
                    ]
                    found.add(max(pieces, key=len, default=""))
    return found

"""What a login's shell is told, and what comes back: run by real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from core.hosts.ssh import shell
from core.hosts.ssh.shell import Ended

# csh, tcsh and rbash are in the lab's hosts; fish 3.6, zsh 5.9, mksh 59 and busybox 1.35 were asked
# by hand. They read the line alike because of what is not in it.
SHELLS = [found for name in ("dash", "bash") if (found := shutil.which(name))]
HOSTILE = {
    "PATH": "/nowhere",
    "LC_ALL": "tr_TR.ISO-8859-9",
    "HOME": "/nowhere",
    "DOCKER_HOST": "tcp://192.0.2.1:2375",
    "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22",
    "BASH_FUNC_printf%%": "() { echo shadowed; }",
}


def run(
    how: list[str], script: str, *arguments: str, environment: dict[str, str] | None = None
) -> tuple[subprocess.CompletedProcess[str], Ended | None]:
    text = shell.whole(script, arguments, "root")
    done = subprocess.run(
        how,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return done, shell.ended(done.stdout, done.stderr)


def test_shells_exist() -> None:
    assert SHELLS


@pytest.mark.parametrize("line", shell.LINES)
def test_no_shell_reads_anything_in_the_line_for_itself(line: str) -> None:
    assert not set("\\!\n`").intersection(line)
    assert line.count("'") in (0, 2)


@pytest.mark.parametrize("line", shell.LINES)
@pytest.mark.parametrize("program", SHELLS)
def test_arguments_status_and_both_streams(program: str, line: str) -> None:
    odd = ["a b", "it's", '"$HOME" `id` \\ !x', "", "new\nline"]
    script = "printf '[%s]' \"$@\"; echo oops >&2; cat; exit 7"
    _, ended = run([program, "-c", line], script, *odd)
    assert Ended(7, "".join(f"[{each}]" for each in odd), "oops\n", "") == ended


@pytest.mark.parametrize("program", SHELLS)
def test_the_environment_is_ours(program: str) -> None:
    script = 'echo "$PATH $LC_ALL ${DOCKER_HOST-none} $SSH_CONNECTION $(umask) $PWD"; echo "$HOME"'
    _, ended = run([program, "-c", shell.LINE], script, environment=HOSTILE)
    assert ended
    first, home = ended.out.splitlines()
    assert f"{shell.PATH} C none 192.0.2.1 50000 192.0.2.2 22 0022 /" == first
    assert str(Path("~root").expanduser()) == home


def test_what_the_login_prints_before_and_after_is_not_ours() -> None:
    wrapped = f"printf 'no newline'; echo warned >&2; {shell.LINE.removeprefix('exec ')}; echo bye"
    done, ended = run(["sh", "-c", wrapped], "printf ours; exit 3")
    assert 0 == done.returncode
    assert Ended(3, "ours", "", "no newline") == ended


def test_binary_noise_and_marks_that_are_only_echoed() -> None:
    done, ended = run(["sh", "-c", f"set -vx; echo \"$0\" '{shell.BEGINS.strip()[:-1]}'"], "true")
    assert None is ended, done
    _, ended = run(["sh", "-xvc", shell.LINE], "echo ours")
    assert ended
    assert ("ours\n", "") == (ended.out, ended.err)


@pytest.mark.parametrize("program", SHELLS)
def test_another_shell_in_our_place_runs_nothing(program: str, tmp_path: Path) -> None:
    """As after `exec zsh` in .bashrc: it reads the script, in an environment that is not ours."""
    trace = tmp_path / "trace"
    _, ended = run([program], f"touch {trace}")
    assert None is ended
    assert not trace.exists()


def test_a_script_that_is_cut_off_does_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    text = shell.whole(f"touch {trace}\necho the rest", (), "root")
    subprocess.run(
        ["sh", "-c", shell.LINE], input=text[: text.index("the rest")], text=True, check=False
    )
    assert not trace.exists()


def test_a_script_that_is_killed_has_no_status() -> None:
    assert Ended(None, "half", "", "") == shell.ended(f"{shell.BEGINS}half", shell.BEGINS)


def started(way: str, command: str, data: bytes) -> tuple[bytes, bytes]:
    """Start a command as root, and give it what it reads once it has begun; dash reads ahead."""
    with subprocess.Popen(
        ["sh", "-c", f"printf noise; {shell.LINE}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(shell.as_root(way, command, "root").encode())
        process.stdin.flush()
        while process.stdout.readline() != shell.STARTS.encode():
            pass
        out, err = process.communicate(shell.GO.encode() + data)
    return out, err.partition(shell.STARTS.encode())[2]


def test_a_command_as_root_gets_its_input_from_the_first_byte_on() -> None:
    data = b"\x00data\n\x00"
    assert (data, b"end\n") == started("", "cat; echo end >&2", data)


def test_variables_that_the_way_to_root_brings_are_gone() -> None:
    out, _ = started("/usr/bin/env DOCKER_HOST=x LC_ALL=de_DE", "env", b"")
    assert b"LC_ALL=C" in out.splitlines()
    assert b"DOCKER_HOST" not in out


@pytest.mark.parametrize("said", ["rbash: line 1: exec: restricted\n", "sh: exec: not found\n"])
def test_lines_that_were_misread(said: str) -> None:
    assert shell.was_misread(said)
    assert not shell.was_misread("This account is currently not available.\n")

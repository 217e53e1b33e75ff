"""The talk with what makes a login root, which `sh` plays with the words of the real ones.

sudo-rs and modules of PAM that ask for more are in no host of the lab. What real sudo says, its
tests show.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import asyncssh
import pytest

from core.hosts.ssh.root_shell import become_root
from core.hosts.ssh.shell import BEGINS, STARTS
from core.hosts.ssh.sudo import Refused, refusal

SECRET = "sudo-4Kf9zT"  # noqa: S105 - of a sudo that is played
BEGIN = f"printf %s '{BEGINS}'; printf 'Welcome: '; printf %s '{BEGINS}' >&2;"
START = f"printf %s '{STARTS}'; printf %s '{STARTS}' >&2; read -r go; echo ran;"
ASK = 'ask() { printf %s "$1" >&2; read -r answer || { echo end >>heard; return 1; };'
ASK += ' echo "$answer" >>heard; };'
OURS = "<airferry asks tech>"
RS = "[sudo: authenticate] Password: "
WRONG = "echo 'Sorry, try again.' >&2;"


async def talk(
    directory: Path, script: str, password: str = SECRET, only_of: str = ""
) -> tuple[Refused | None, list[str]]:
    """Return how it ended, and what was answered."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"cd '{directory}'; {BEGIN} {ASK} {script}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    refused = await become_root(
        cast("asyncssh.SSHClientProcess[bytes]", process), password, only_of
    )
    if refused is None:
        assert process.stdout
        assert b"ran\n" == await process.stdout.read()
    await process.communicate()
    heard = directory / "heard"
    return refused, heard.read_text().split() if heard.exists() else []


@pytest.mark.parametrize("question", [OURS, RS, "tech's LDAP Password: ", "First Factor: "])
async def test_a_password_is_answered_once(tmp_path: Path, question: str) -> None:
    lecture = "printf '\\nWe trust you have received the usual lecture:\\n\\n #1) Respect\\n' >&2;"
    script = f'{lecture} ask "{question}"; [ "$answer" = {SECRET} ] && {{ {START} }}'
    assert (None, [SECRET]) == await talk(tmp_path, script)


async def test_nothing_is_asked(tmp_path: Path) -> None:
    assert (None, []) == await talk(tmp_path, START, password="")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            f"ask '{OURS}'; {WRONG} ask '{OURS}'; echo 'sudo: no password was provided' >&2;"
            "echo 'sudo: 1 incorrect password attempt' >&2",
            "sudo refuses the password of tech",
        ),
        (
            f"ask '{RS}'; echo 'sudo: Authentication failed, try again.' >&2; ask '{RS}';"
            "echo 'sudo: Maximum 3 incorrect authentication attempts' >&2",
            "sudo refuses the password of tech",
        ),
        (
            f"ask '{OURS}'; echo 'My pet ferret can type better than you!' >&2; ask '{OURS}'",
            "sudo refuses the password of tech",
        ),
        (
            f"ask '{OURS}'; ask '{OURS}'; echo 'sudo: no password was provided' >&2",
            "sudo asks for more than a password there: the password a second time",
        ),
        (
            "ask 'First Factor: '; ask 'Second Factor: '",
            "sudo asks for more than a password there: Second Factor:",
        ),
        (
            f"ask '{OURS}'; echo 'The account is locked due to 3 failed logins.' >&2; ask '{OURS}'",
            "the account tech is locked for sudo: The account is locked due to 3 failed logins.",
        ),
    ],
)
async def test_a_password_is_never_sent_twice(tmp_path: Path, script: str, words: str) -> None:
    refused, answers = await talk(tmp_path, script)
    assert [SECRET, "end"] == answers
    assert refused
    assert f"a: {words}" in refusal("a", "tech", refused).what


async def test_a_code_is_not_answered_with_a_password(tmp_path: Path) -> None:
    refused, answers = await talk(tmp_path, "ask 'Verification code: '; echo 'sudo: no' >&2")
    assert ["end"] == answers
    assert refused
    words = "sudo asks for something else there: Verification code:"
    assert words in refusal("a", "tech", refused).what


async def test_the_login_s_password_is_not_sent_for_root_s(tmp_path: Path) -> None:
    script = "ask '<airferry asks root>'; echo 'sudo: a password is required' >&2"
    refused, answers = await talk(tmp_path, script, only_of="tech")
    assert ["end"] == answers
    assert refused
    assert "sudo wants the password of root there" in refusal("a", "tech", refused).what


async def test_one_that_was_typed_for_sudo_is(tmp_path: Path) -> None:
    script = f"ask '<airferry asks root>'; {START}"
    assert (None, [SECRET]) == await talk(tmp_path, script)


async def test_words_before_our_own_are_the_login_s(tmp_path: Path) -> None:
    refused, _ = await talk(tmp_path, "echo 'sudo: a password is required' >&2", password="")
    assert refused
    assert refused.wants_password
    assert "sudo: a password is required\n" == refused.said

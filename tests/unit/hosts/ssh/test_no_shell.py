"""What a host that runs nothing is told as. The words are recorded, but for the lab's own cases."""

from __future__ import annotations

import pytest

from core.errors import HostGoesDown, HostLoginRefused, HostShellRefused
from core.hosts.ssh.no_shell import no_account, no_end, no_shell, words_of

EXPIRED = "WARNING: Your password has expired.\nPassword change required but no TTY available.\n"


@pytest.mark.parametrize(
    ("status", "said", "words", "remedy"),
    [
        (1, "This account is currently not available.\n", "gives it no shell: This", "usermod"),
        (1, "", "runs nothing for tech, and ends without a word (status 1)", "usermod"),
        (0, "", "ends the shell of tech before it runs anything", ".bashrc"),
        (1, "This service allows sftp connections only.\n", "SFTP only: This service", "ForceCom"),
        (
            0,
            "1) backup\n2) restore\n3) quit\n4) more\n",
            "1) backup; 2) restore; 3) quit",
            "command=",
        ),
        (1, "rbash: env: restricted\n", "gives tech a restricted shell: rbash: env", "usermod"),
        (1, "'exec' is not recognized as an internal command\n", "not recognized", "ForceCommand"),
    ],
)
def test_in_its_own_words(status: int, said: str, words: str, remedy: str) -> None:
    error = no_shell("a (10.0.0.1)", "tech", status, said, "")
    assert isinstance(error, HostShellRefused)
    assert error.what.startswith("a (10.0.0.1) ")
    assert words in error.what
    assert remedy in error.remedy


def test_a_password_that_has_expired_is_a_matter_of_the_login() -> None:
    error = no_shell("a", "tech", 1, "", EXPIRED)
    assert isinstance(error, HostLoginRefused)
    assert "password of tech has expired" in error.what
    assert "passwd tech" in error.remedy


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Your account has expired; please contact your system administrator.", HostLoginRefused),
        ("This account has been disabled.", HostLoginRefused),
        ("The account is locked due to 3 failed logins.", HostLoginRefused),
        ("System is going down. For technical details, see pam_nologin(8).", HostGoesDown),
        ("System is booting up. Unprivileged users are not permitted to log in yet.", HostGoesDown),
        ("Accounts are locked after three wrong passwords. Passwords expire.", None),
        ("", None),
    ],
)
def test_accounts_that_are_not_open(said: str, kind: type[Exception] | None) -> None:
    assert (kind or type(None)) is type(no_account("a", "tech", said))


def test_a_shell_that_waits_for_an_answer() -> None:
    error = no_end("a", "tech", 60.0, "\nWhich project? ")
    assert "did not begin what it was told within 60 s; it said: Which project?" in error.what
    assert ".bashrc" in error.remedy
    assert no_end("a", "tech", 60.0, "").what.endswith("within 60 s")


def test_words_are_few_and_can_be_shown() -> None:
    assert "?[1mred; b; c" == words_of("\x1b[1mred\n\n  b \nc\nd\n")
    assert 300 == len(words_of("x" * 10_000))

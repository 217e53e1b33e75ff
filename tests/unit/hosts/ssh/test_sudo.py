"""What sudo and doas say where a login does not become root, and what it is told as.

The words are recorded: those of sudo 1.9.13 in the lab, of sudo 1.8 (RHEL 8) and of sudo-rs from
their sources.
"""

from __future__ import annotations

import pytest

from core.hosts.ssh.sudo import Refused, no_way, refusal, rules_without_password

LISTING = """\
Matching Defaults entries for tech on worker-01:
    env_reset, mail_badpass, use_pty

User tech may run the following commands on worker-01:
    (ALL) NOPASSWD: /usr/bin/docker, /usr/bin/systemctl
    (root) /usr/bin/passwd
"""


@pytest.mark.parametrize(
    ("said", "words", "remedy"),
    [
        (
            "sudo: a password is required",
            "tech is not root, and sudo wants a password",
            "sudo-pass",
        ),
        ("sudo: interactive authentication is required", "sudo wants a password", "NOPASSWD"),
        ("sudo: sorry, you must have a tty to run sudo", "wants a terminal", "!requiretty"),
        (
            "Sorry, user tech is not allowed to execute '/bin/sh -c true' as root on web1.",
            "tech may not run sh as root there: Sorry, user tech is not allowed",
            "NOPASSWD: ALL",
        ),
        ("doas: Operation not permitted", "may not run sh as root", "log in as root"),
        ("tech is not in the sudoers file.", "may not use sudo there", "NOPASSWD: ALL"),
        ("sudo: I'm sorry tech. I'm afraid I can't do that", "may not use sudo there", "NOPASSWD"),
        ("sh: 1: exec: /usr/bin/env: Permission denied", "noexec in sudoers", "EXEC"),
        ("/bin/sh: line 1: /usr/bin/env: Permission denied", "noexec in sudoers", "EXEC"),
        (
            "sudo: Account or password is expired, reset your password and try again",
            "password or account has expired",
            "passwd tech",
        ),
        (
            'sudo: Account expired or PAM config lacks an "account" section for sudo, contact '
            "your system administrator",
            "password or account has expired",
            "chage -E -1 tech",
        ),
        (
            "sudo: account validation failure, is your account locked?",
            "is locked",
            "passwd -u tech",
        ),
        (
            "/etc/sudoers:29:30: syntax error\nsudo: error initializing audit plugin sudoers_audit",
            "sudo itself is broken there: /etc/sudoers:29:30: syntax error",
            "visudo",
        ),
        (
            "sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set",
            "sudo itself is broken",
            "nosuid",
        ),
        ("sudo: unable to fork", "tech does not become root there: sudo: unable to fork", "root"),
        ("", "does not become root there and does not say why", "root"),
    ],
)
def test_what_is_said_is_told_as_what_it_is(said: str, words: str, remedy: str) -> None:
    error = refusal("a", "tech", Refused(said))
    assert "E-SUDO" == error.code
    assert words in error.what
    assert remedy in error.remedy


def test_root_s_password_that_is_wrong() -> None:
    refused = Refused("Sorry, try again.", sent=True, whose="root")
    assert (
        "refuses the password of root, which it asks tech for" in refusal("a", "tech", refused).what
    )


def test_some_commands_only() -> None:
    rules = rules_without_password(LISTING)
    assert "(ALL) NOPASSWD: /usr/bin/docker, /usr/bin/systemctl" == rules
    error = refusal("a", "tech", Refused("sudo: a password is required", rules=rules))
    assert rules in error.what
    assert "NOPASSWD: ALL" in error.remedy


def test_a_module_that_waits() -> None:
    refused = Refused("Push sent to your phone.\n", waited_s=60.0)
    assert "within 60 s; it said: Push sent to your phone." in refusal("a", "tech", refused).what


def test_hosts_with_su_only() -> None:
    assert "only su, which wants a terminal" in no_way("a", "tech", has_su=True).what
    assert "no sudo and no doas" in no_way("a", "tech", has_su=False).what

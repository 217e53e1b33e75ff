"""Ways to root, and what sudo has against them."""

from tests.lab.host_cases.case import HostCase
from tests.lab.host_cases.user import ASKS, NO_PASSWORD, PASSWORD, TECH, WRONG, sudo, user
from tests.lab.hostkinds import Has

RULE = "tech ALL=(ALL) NOPASSWD: ALL"
ROOT = "root-9Tz4vB"
# A module of PAM that has something to say.
TALKS = (
    "echo 'Your visit is noted:' >/etc/pam-words; "
    "sed -i '1i auth optional pam_echo.so file=/etc/pam-words' /etc/pam.d/sudo"
)
ONCE_TRIED = """
tried=$(journalctl -q _COMM=sudo | grep -c 'authentication failure')
echo "tried: $tried"; [ "$tried" = {times} ]
"""

CASES: tuple[HostCase, ...] = (
    HostCase(
        "log-output-and-use-pty",
        user(sudo(RULE, "use_pty", "log_output", "log_input", "lecture=always")),
        entry=TECH,
    ),
    HostCase(
        "a-password-every-time",
        user(
            sudo(
                *(ASKS, "timestamp_timeout=0", "lecture=always", "insults", "use_pty"),
                *(
                    "log_output",
                    'secure_path="/nowhere:/bin"',
                    'env_keep+="LC_ALL PATH DOCKER_HOST"',
                ),
            ),
            TALKS,
        ),
        entry=TECH,
        login={"sudo": PASSWORD},
        ended=ONCE_TRIED.format(times=0),
    ),
    HostCase(
        "doas",
        user(
            "rm /usr/bin/sudo",
            "echo 'permit nopass tech' >/etc/doas.conf",
        ),
        entry=TECH,
    ),
    HostCase(
        "password-of-root",
        user(sudo(ASKS, "targetpw"), f"echo 'root:{ROOT}' | chpasswd"),
        entry=TECH,
        login={"sudo": ROOT},
    ),
    HostCase("sh-only", user(sudo("tech ALL=(root) NOPASSWD: /bin/sh")), entry=TECH),
    HostCase(
        "another-name-of-root",
        "set -eu; useradd -o -u 0 -M -d /root -s /bin/sh toor",
        entry={"user": "toor"},
    ),
    HostCase(
        "some-commands",
        user(sudo("tech ALL=(ALL) NOPASSWD: /usr/bin/docker, /usr/bin/systemctl, /usr/bin/true")),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-HOST-UNFIT", "/usr/bin/docker, /usr/bin/systemctl", "NOPASSWD: ALL"),
    ),
    HostCase(
        "no-sh",
        user(sudo("tech ALL=(ALL) NOPASSWD: ALL, !/bin/sh, !/bin/dash")),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-HOST-UNFIT", "may not run sh as root", "NOPASSWD: ALL"),
    ),
    HostCase(
        "noexec",
        user(sudo(RULE, "noexec")),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-HOST-UNFIT", "noexec"),
    ),
    HostCase(
        "requiretty",
        user(sudo(RULE, "requiretty")),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-HOST-UNFIT", "wants a terminal", "!requiretty"),
    ),
    HostCase(
        "wrong-password",
        user(sudo(ASKS)),
        entry=TECH,
        has=Has.NOTHING,
        login={"sudo": WRONG},
        refused=("E-HOST-UNFIT", "sudo refuses the password of tech"),
        ended=ONCE_TRIED.format(times=2),  # check has sent it, and the job
    ),
    HostCase(
        "account-closed-for-sudo",
        user(NO_PASSWORD, "sed -i '1i account requisite pam_deny.so' /etc/pam.d/sudo"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-HOST-UNFIT", "is locked for sudo: sudo: account validation failure"),
    ),
    HostCase(
        "not-in-sudoers",
        user(),
        entry=TECH,
        has=Has.NOTHING,
        login={"sudo": PASSWORD},
        refused=("E-HOST-UNFIT", "may not use sudo", "NOPASSWD"),
    ),
    HostCase(
        "su-only",
        user("rm -f /usr/bin/sudo /usr/bin/doas"),
        entry=TECH,
        has=Has.NOTHING,
        login={"sudo": PASSWORD},
        refused=("E-HOST-UNFIT", "no sudo and no doas", "su, which wants a terminal"),
    ),
    HostCase(
        "password-of-root-unknown",
        user(sudo(ASKS, "rootpw")),
        entry=TECH,
        has=Has.NOTHING,
        login={"password": PASSWORD},
        refused=("E-HOST-UNFIT", "wants the password of root", "--ask-sudo-pass"),
    ),
    HostCase(
        "broken-sudoers",
        user("echo 'tech ALL=(ALL NOPASSWD: ALL' >/etc/sudoers"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-HOST-UNFIT", "sudo", "visudo"),
    ),
    HostCase(
        "sudo-without-setuid",
        user(NO_PASSWORD, "chmod u-s /usr/bin/sudo"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-HOST-UNFIT", "setuid"),
    ),
)

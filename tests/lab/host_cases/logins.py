"""What a login's shell, its files and its account may do before anything of ours runs."""

from tests.lab.host_cases.case import HostCase
from tests.lab.host_cases.user import ASKS, NO_PASSWORD, PASSWORD, TECH, sudo, user
from tests.lab.hostkinds import Has

FOR_TECH = "printf 'Match User tech\\n%s\\n' >>/etc/ssh/sshd_config; systemctl reload ssh"
HOSTILE = r"""
cat >/home/tech/.bashrc <<'END'
umask 077
export LANG=de_DE.UTF-8 LC_ALL=tr_TR.ISO-8859-9 LANGUAGE=de TMOUT=1 ENV=/no BASH_ENV=/no CDPATH=/etc
export DOCKER_HOST=tcp://192.0.2.1:2375 GREP_OPTIONS=-v TAR_OPTIONS=--wildcards IFS=/ HOME=/nowhere
export PATH=/nowhere
readonly PATH LC_ALL HOME TMOUT
for each in ls cat docker sh env sudo printf id cut stat; do
    eval "$each() { echo shadowed; return 3; }; export -f $each; alias $each=false"
done
ulimit -S -n 64
trap 'echo goodbye; exit 0' EXIT
trap 'echo next' DEBUG
set -u
printf %s 'no newline after this'
END
"""

CASES: tuple[HostCase, ...] = (
    HostCase(
        "noise",
        "cat >/root/.bashrc <<'END'\n"
        "printf 'Authorized use only\\n\\033[1mThis is %s' \"$HOSTNAME\"\nEND\n"
        "echo 'echo from sshrc' >/etc/ssh/sshrc; echo 'echo motd-like' >>/etc/bash.bashrc\n"
        "usermod -s /bin/bash root",
        warned=("prints 'from sshrc'", "/etc/ssh/sshrc"),
    ),
    HostCase("rc-files-against-us", user(NO_PASSWORD, HOSTILE), entry=TECH),
    HostCase(
        "csh",
        user(
            NO_PASSWORD,
            "printf 'echo Hello from csh\\nalias sh false\\nset path=(/nowhere)\\n'"
            " >/home/tech/.cshrc",
            in_shell="/bin/csh",
        ),
        entry=TECH,
        warned=("prints 'Hello from csh'", "/home/tech/.cshrc"),
    ),
    HostCase(
        "tcsh-and-a-sudo-password",
        user(sudo(ASKS), "echo 'echo What now?' >/home/tech/.tcshrc", in_shell="/bin/tcsh"),
        entry=TECH,
        login={"sudo": PASSWORD},
    ),
    HostCase("rbash", user(NO_PASSWORD, in_shell="/bin/rbash"), entry=TECH),
    HostCase(
        "no-home-and-tmp-noexec",
        user(
            NO_PASSWORD,
            "mkdir /etc/ssh/keys; mv /home/tech/.ssh/authorized_keys /etc/ssh/keys/tech",
            "rm -r /home/tech; mount -o remount,noexec /tmp",
            "echo 'AuthorizedKeysFile /etc/ssh/keys/%u .ssh/authorized_keys'"
            " >/etc/ssh/sshd_config.d/00-keys.conf; systemctl reload ssh",
        ),
        entry=TECH,
    ),
    HostCase(
        "nologin",
        user(in_shell="/usr/sbin/nologin"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-SHELL", "This account is currently not available", "usermod -s"),
    ),
    HostCase(
        "false",
        user(in_shell="/bin/false"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-SHELL", "without a word (status 1)"),
    ),
    HostCase(
        "force-command",
        user(FOR_TECH.replace("%s", "ForceCommand /bin/echo only a menu here")),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-SHELL", "only a menu here", "ForceCommand"),
    ),
    HostCase(
        "sftp-only",
        user(FOR_TECH.replace("%s", "ForceCommand internal-sftp")),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-SHELL", "SFTP only", "This service allows sftp connections only"),
    ),
    HostCase(
        "command-of-the-key",
        user("sed -i 's/^/command=\"uptime -V\" /' /home/tech/.ssh/authorized_keys"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-SHELL", "command="),
    ),
    HostCase(
        "exit-in-rc-file",
        user("echo exit >/home/tech/.bashrc"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-SHELL", "before it runs anything", ".bashrc"),
    ),
    HostCase(
        "exec-in-rc-file",
        user("echo 'exec tcsh' >/home/tech/.bashrc"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-SHELL", ".bashrc"),
    ),
    HostCase(
        "set-e-in-rc-file",
        user("printf 'set -e\\ncat /nothing/there\\n' >/home/tech/.bashrc"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-SHELL", "/nothing/there: No such file", ".bashrc"),
    ),
    HostCase(
        "password-to-be-changed",
        user("chage -d 0 tech"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-LOGIN", "password of tech has expired", "passwd tech"),
    ),
    HostCase(
        "account-expired",
        user("chage -E 0 tech"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-LOGIN", "Your account has expired", "chage"),
    ),
    HostCase(
        "no-such-shell",
        user("sed -i '/^tech:/s,/bin/bash,/bin/nosuch,' /etc/passwd"),
        entry=TECH,
        has=Has.NOTHING,
        refused=("E-SSH-LOGIN", "refuses the login of tech"),
    ),
    HostCase(
        "home-that-takes-no-key",
        user(
            NO_PASSWORD, "mount --bind /home/tech /home/tech; mount -o remount,bind,ro /home/tech"
        ),
        entry=TECH,
        has=Has.NOTHING,
        login={"password": PASSWORD},
        refused=("E-HOST-UNFIT", "takes no key for tech", "/home/tech/.ssh cannot be written"),
    ),
)

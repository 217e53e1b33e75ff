"""sshd's settings and a key's options, as they meet the sessions and forwards of a run."""

from tests.lab.host_cases.case import HostCase

ALONE = "test 127.0.0.1:5001 = \"$(ss -Hltn 'sport = :5001' | awk '{ print $4 }')\""
CLOSED = "! ss -Hltn 'sport = :5001' | grep ."
USER = """
useradd -m -s /bin/sh tech
echo 'tech ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tech
cp -r /root/.ssh /home/tech/ && chown -R tech: /home/tech/.ssh
"""


def sshd(*settings: str) -> str:
    """Return what sets something before all else that sshd_config says."""
    lines = "\\n".join(settings)
    return f"printf '{lines}\\n' >/etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh\n"


def key(options: str) -> str:
    """Return what gives the key that we use some options."""
    return f"sed -i 's|^ssh|{options} ssh|' /root/.ssh/authorized_keys\n"


CASES: tuple[HostCase, ...] = (
    *(HostCase(f"max-sessions-{n}", sshd(f"MaxSessions {n}"), ended=ALONE) for n in (1, 2, 3, 4)),
    HostCase(
        "max-sessions-0",
        sshd("MaxSessions 0"),
        refused=("E-SSH-SESSIONS", "sshd opens no session", "MaxSessions"),
    ),
    HostCase(
        "max-sessions-1-no-root",
        USER + sshd("MaxSessions 1"),
        entry={"user": "tech"},
        ended=ALONE,
    ),
    HostCase(
        "forwarding-forbidden",
        sshd("AllowTcpForwarding no"),
        refused=("E-HOST-UNFIT", "AllowTcpForwarding no"),
    ),
    HostCase(
        "forwarding-local",
        sshd("AllowTcpForwarding local"),
        refused=("E-HOST-UNFIT", "AllowTcpForwarding local"),
    ),
    HostCase("forwarding-remote", sshd("AllowTcpForwarding remote"), ended=ALONE),
    HostCase(
        "forwarding-disabled",
        sshd("DisableForwarding yes"),
        refused=("E-HOST-UNFIT", "DisableForwarding yes"),
    ),
    HostCase(
        "forwarding-forbidden-to-user",
        USER + sshd("Match User tech", "AllowTcpForwarding no"),
        entry={"user": "tech"},
        refused=("E-HOST-UNFIT", "AllowTcpForwarding no"),
    ),
    HostCase(
        "forwarding-forbidden-to-others",
        USER + sshd("Match User tech", "AllowTcpForwarding no"),
        ended=ALONE,
    ),
    HostCase(
        "permit-listen-none",
        sshd("PermitListen none"),
        refused=("E-HOST-UNFIT", "PermitListen none", "PermitListen 127.0.0.1:5001"),
    ),
    HostCase(
        "permit-listen-other",
        sshd("PermitListen *:6000 localhost:6001"),
        refused=("E-HOST-UNFIT", "PermitListen *:6000 localhost:6001"),
    ),
    HostCase("permit-listen-ours", sshd("PermitListen 127.0.0.1:5001"), ended=ALONE),
    HostCase("permit-open-none", sshd("PermitOpen none"), ended=ALONE),
    HostCase(
        "gateway-ports",
        sshd("GatewayPorts yes"),
        refused=("E-HOST-UNFIT", "to the whole network (GatewayPorts yes)", "GatewayPorts no"),
        ended=CLOSED,
    ),
    HostCase(
        "gateway-ports-for-user",
        USER + sshd("Match User tech", "GatewayPorts yes"),
        entry={"user": "tech"},
        refused=("E-HOST-UNFIT", "to the whole network (GatewayPorts yes)"),
        ended=CLOSED,
    ),
    HostCase("gateway-ports-as-asked", sshd("GatewayPorts clientspecified"), ended=ALONE),
    HostCase("no-other-forwards", sshd("AllowStreamLocalForwarding no", "PermitTTY no")),
    HostCase("one-at-a-time", sshd("MaxStartups 1:100:1"), ended=ALONE),
    HostCase(
        "key-no-forwarding",
        key("no-port-forwarding"),
        refused=("E-HOST-UNFIT", "/root/.ssh/authorized_keys:1", "no-port-forwarding"),
    ),
    HostCase(
        "key-restricted",
        key("restrict"),
        refused=("E-HOST-UNFIT", "/root/.ssh/authorized_keys:1", "restrict"),
    ),
    HostCase("key-restricted-but-for-forwards", key("restrict,port-forwarding"), ended=ALONE),
    HostCase(
        "key-for-another-port",
        key('permitlisten="127.0.0.1:6000"'),
        refused=("E-HOST-UNFIT", "/root/.ssh/authorized_keys:1", "permitlisten"),
    ),
    HostCase("key-opens-nothing", key('permitopen="127.0.0.1:1"'), ended=ALONE),
    HostCase(
        "key-with-command",
        key('command="/bin/true"'),
        refused=("E-HOST-CMD", "/root/.ssh/authorized_keys:1: command="),
    ),
    HostCase(
        "key-from-elsewhere",
        key('from="192.0.2.1"'),
        refused=("E-SSH-LOGIN", "from="),
    ),
)

"""sshd's settings, and what else stands in a tunnel's way."""

from tests.lab.host_cases.case import HostCase

CASES: tuple[HostCase, ...] = (
    HostCase(
        "forwarding-forbidden",
        "echo 'AllowTcpForwarding no' >/etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh",
        refused=("E-HOST-UNFIT", "AllowTcpForwarding no"),
    ),
)

"""What may stand in a known_hosts file, and what hosts prove themselves with."""

from tests.lab.host_cases.case import HostCase

# A signer of the host's own makes: its public half is /etc/ssh/ca.pub.
SIGNED = """
cd /etc/ssh && ssh-keygen -q -t ed25519 -N '' -f ca
ssh-keygen -q -s ca -I host -h {options} ssh_host_ed25519_key.pub
echo 'HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub' >sshd_config.d/00-test.conf
systemctl reload ssh
"""
NEW = ("E-SSH-KEY-NEW", "never seen before: ssh-ed25519 SHA256:")

CASES: tuple[HostCase, ...] = (
    HostCase(
        "authority-without-certificate",
        "true",
        known="@cert-authority * {other}\n{address} {key}\n",
    ),
    HostCase(
        "certificate", SIGNED.format(options=""), known="# all\r\n@cert-authority *.* {ca}\r\n"
    ),
    HostCase(
        "certificate-expired",
        SIGNED.format(options="-V 20200101:20200102"),
        known="@cert-authority * {ca}\n",
        refused=NEW,
    ),
    HostCase(
        "certificate-for-another-and-key",
        SIGNED.format(options="-n elsewhere"),
        known="@cert-authority * {ca}\n{address} {key}\n",
    ),
    HostCase(
        "revoked",
        "true",
        known="{address} {key}\n@revoked * {key}\n",
        refused=("E-SSH-KEY-REVOKED", "line 2 revokes it", "Do not log in"),
        unsaid=("accept", "E-INTERNAL"),
    ),
    HostCase(
        "odd-lines",
        "true",
        known="Schl\xfcssel der Hosts\n\0\0\n@trusted * {key}\n{address} {key} caf\xe9\r\n",
        warned=("line 1 has no key", "line 2 holds NUL", "line 3 begins with a marker"),
    ),
    HostCase("port-22-in-brackets", "true", known="[{address}]:22 {key}\n", refused=NEW),
    HostCase("alias", "true", known="rack-7 {key}\n", openssh="HostKeyAlias Rack-7\n"),
    HostCase("wildcards", "true", known="*.*.*,!{address}0 {key}\n"),
    HostCase(
        "changed",
        "true",
        known="\n{address} {other}\n",
        refused=("E-SSH-KEY-CHANGED", "shows another host key", "line 2)", "ssh-keygen -R"),
    ),
    HostCase(
        "no-file-at-all",
        "true",
        openssh="UserKnownHostsFile none\n",
        known="",
        refused=NEW,
    ),
    HostCase(
        "two-files",
        "true",
        known="{address} {key}\n",
        openssh="GlobalKnownHostsFile /etc/ssh /nowhere/known_hosts\n",
        warned=("/etc/ssh cannot be read: it is a directory",),
    ),
)

"""Why sshd forbids the tunnel, and who has its port: told as what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.hosts.facts import Facts
from core.hosts.ssh.key_options import forced_by_key, key_options
from core.hosts.ssh.listening import is_exposed
from core.hosts.tunnel.answers import MIRROR, kind_of
from core.hosts.tunnel.forbidden import why_forbidden
from core.hosts.tunnel.port_holder import address_of, what_holds
from core.hosts.tunnel.reach import reason
from tests.unit.hosts.test_facts import FIT

# As OpenSSH 9.2 sends them after the login.
FREE = "/root/.ssh/authorized_keys:1: key options: agent-forwarding port-forwarding pty user-rc"
RESTRICTED = "/root/.ssh/authorized_keys:7: key options:"
COMMAND = "/root/.ssh/authorized_keys:1: key options: command port-forwarding pty"


def sshd(**settings: str) -> Facts:
    return replace(FIT, sshd=settings, forwarding=settings.get("allowtcpforwarding", "yes"))


@pytest.mark.parametrize(
    ("facts", "told", "words", "remedy"),
    [
        (
            sshd(allowtcpforwarding="no"),
            [FREE],
            "(AllowTcpForwarding no)",
            "AllowTcpForwarding yes",
        ),
        (sshd(disableforwarding="yes"), [FREE], "(DisableForwarding yes)", "DisableForwarding no"),
        (sshd(permitlisten="*:6000"), [], "(PermitListen *:6000)", "PermitListen 127.0.0.1:5001"),
        (
            sshd(),
            [RESTRICTED],
            "authorized_keys:7: no-port-forwarding or restrict",
            "permitlisten=",
        ),
        (sshd(permitlisten="any"), [FREE], "authorized_keys:1: permitlisten", "permitlisten"),
        (replace(FIT, forwarding=""), [], "for 127.0.0.1:5001", "AllowTcpForwarding, PermitListen"),
    ],
)
def test_why_a_forward_is_refused(facts: Facts, told: list[str], words: str, remedy: str) -> None:
    found = why_forbidden(facts, told, 5001)
    assert (True, True, True) == (found.fatal, words in found.what, remedy in found.remedy)


def test_a_key_that_runs_one_command() -> None:
    assert None is forced_by_key("h", [FREE])
    assert None is forced_by_key("h", [])
    error = forced_by_key("h", ["debug", COMMAND])
    assert error
    assert "(/root/.ssh/authorized_keys:1: command=)" in error.what
    options = key_options([RESTRICTED])
    assert options
    assert frozenset() == options.names


LOOPBACK = "   1: 0100007F:1389 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 77 1 0\n"
WILDCARD = LOOPBACK.replace("0100007F", "00000000")
WILDCARD_6 = LOOPBACK.replace("0100007F", "0" * 32)
OTHER = LOOPBACK.replace("0100007F", "070200C0")
OVERRIDDEN = 'Forwarding listen address "127.0.0.1" overridden by server GatewayPorts'


@pytest.mark.parametrize(
    ("lines", "told", "exposed"),
    [
        (LOOPBACK, [], False),
        (LOOPBACK + OTHER, [], False),
        (LOOPBACK + WILDCARD_6, [], False),
        (WILDCARD, [], True),
        (WILDCARD + WILDCARD_6, [], True),
        (WILDCARD_6, [], True),
        ("", [], False),
        ("", [OVERRIDDEN], True),
    ],
)
def test_a_port_that_is_open_to_the_network(lines: str, told: list[str], exposed: bool) -> None:
    assert exposed == is_exposed(lines, told)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, ""),
        (b"", "it takes connections and says nothing"),
        (b"\x13/multistream/1.0.0\n", MIRROR),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH server"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "a server that speaks TLS"),
        (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            "a server that speaks TLS",
        ),
        (b"220 smtp\r\n", "it speaks no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-Airferry-Site: 1\r\n\r\n", "the tunnel of another Airferry site"),
        (
            b"HTTP/1.1 401 No\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n",
            "another registry",
        ),
        (b"HTTP/1.1 404 No\r\nServer: nginx/1.22\x1b[2J\r\n\r\n", "a web server (nginx/1.22"),
    ],
)
def test_what_answers(answer: bytes | None, kind: str) -> None:
    assert kind_of(answer).startswith(kind)
    assert "\x1b" not in kind_of(answer)


SSHD = {"comm": "sshd", "title": "sshd: root@notty", "peer": "0900000A:B4F2"}


@pytest.mark.parametrize(
    ("known", "answer", "what"),
    [
        (
            SSHD,
            b"HTTP/1.1 200 OK\r\nX-Airferry-Site: 1\r\n\r\n",
            "the tunnel of another Airferry site (an SSH session of root from 10.0.0.9)",
        ),
        (SSHD, None, "a forwarding over SSH (an SSH session of root from 10.0.0.9)"),
        ({"comm": "k3s-server"}, b"", f"k3s-server: {MIRROR}"),
        ({"comm": "docker-proxy", "container": "mirror"}, None, "the container mirror"),
        ({"comm": "nginx", "unit": "nginx.service"}, None, "nginx (nginx.service)"),
        ({}, None, "another program"),
    ],
)
def test_who_has_the_port(known: dict[str, str], answer: bytes | None, what: str) -> None:
    found = what_holds(5001, known, answer)
    assert f"has port 5001 taken by {what}" == found.what
    assert "sshd" not in found.remedy
    assert "hostRegistryPort" in found.remedy


def test_addresses_of_the_kernel() -> None:
    assert "10.0.0.9" == address_of("0900000A:B4F2")
    assert "::1" == address_of("00000000000000000000000001000000:0016")
    assert "10.0.0.9" == address_of("0000000000000000FFFF00000900000A:0016")
    assert "" == address_of("nonsense")


LOCALHOST = ("hosts", "127.0.0.1")


@pytest.mark.parametrize(
    ("said", "found", "what", "remedy"),
    [
        ("lookup localhost: no such host", [], "is not in its /etc/hosts", "/etc/hosts"),
        ("dial tcp [::1]:5001", [("hosts", "::1")], "is only ::1 there", "127.0.0.1 localhost"),
        # By hand: no Docker at hand asks a proxy for localhost (Go leaves it out).
        (
            "proxyconnect tcp: refused",
            [LOCALHOST, ("proxy", "HTTP_PROXY"), ("proxy", "NO_PROXY")],
            "asks a proxy for localhost:5001 (HTTP_PROXY; ",
            "NO_PROXY=localhost",
        ),
        ("refused", [LOCALHOST, ("network", "other")], "a network of its own", "PrivateNetwork"),
        ("refused", [LOCALHOST], "does not get through to localhost:5001", "nft list ruleset"),
    ],
)
def test_why_docker_does_not_get_through(
    said: str, found: list[tuple[str, str]], what: str, remedy: str
) -> None:
    finding = reason(5001, said, found, by_docker=True)
    assert (True, True) == (what in finding.what, remedy in finding.remedy)

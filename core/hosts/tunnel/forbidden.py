"""Why a host's sshd does not forward a port, as far as it can be known, and what helps."""

from __future__ import annotations

from collections.abc import Iterable

from core.hosts.facts import Facts
from core.hosts.preflight import Finding
from core.hosts.ssh.key_options import key_options


def why_forbidden(facts: Facts, told: Iterable[str], port: int, *, asking: bool = False) -> Finding:
    """Return why sshd refuses what the tunnel needs.

    Args:
        facts: The host; what `sshd -T` says is in them where root could be asked.
        told: What sshd has said for debugging: the key's options, and where they stand.
        port: The port on the host; 0 for any.
        asking: It forwards the tunnel, but does not let the port be asked, nor can the host ask.
    """
    place = f"127.0.0.1:{port}"
    key = key_options(told)
    if key and "port-forwarding" not in key.names:
        return Finding(
            True,
            "has an authorized_keys that forbids the forwarding which the tunnel needs "
            f"({key.place}: no-port-forwarding or restrict)",
            f'Allow it in that line: port-forwarding,permitlisten="{place}",permitopen="{place}"; '
            "or log in with another key (ssh.key).",
        )
    setting = _setting(facts, place, asking=asking)
    if setting:
        name, _, _ = setting.partition(" ")
        value = _REMEDIES.get(name, "").format(place=place)
        return Finding(
            True,
            f"has an sshd that forbids the forwarding which the tunnel needs ({setting})",
            f"Set '{value}' in the host's sshd_config and reload sshd; or take mode none with "
            "'warm: load'.",
        )
    named = f" ({key.place}: permitlisten, permitopen)" if key else ""
    return Finding(
        True,
        f"has an sshd that forbids the forwarding which the tunnel needs, for {place}{named}",
        f"Allow {place} where it is forbidden: permitlisten and permitopen of the key in "
        "authorized_keys; AllowTcpForwarding, PermitListen and PermitOpen in sshd_config.",
    )


_REMEDIES = {
    "DisableForwarding": "DisableForwarding no",
    "AllowTcpForwarding": "AllowTcpForwarding yes",
    "PermitListen": "PermitListen {place}",
    "PermitOpen": "PermitOpen {place}",
}


def _setting(facts: Facts, place: str, *, asking: bool) -> str:
    """Return the setting that forbids it, as sshd_config has it; empty if none is known to."""
    if facts.sshd.get("disableforwarding") == "yes":
        return "DisableForwarding yes"
    if facts.forwarding in (("no", "remote") if asking else ("no", "local")):
        return f"AllowTcpForwarding {facts.forwarding}"
    name = "PermitOpen" if asking else "PermitListen"
    allowed = facts.sshd.get(name.lower(), "any")
    port = place.rpartition(":")[2]
    fitting = {"any", port, place, f"localhost:{port}", f"*:{port}", "127.0.0.1:*", "localhost:*"}
    return "" if fitting.intersection(allowed.split()) else f"{name} {allowed}"

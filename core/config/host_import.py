"""Hosts from text that somebody pasted, or from a file: what is understood, and what is not.

Taken are addresses (one or many a line, ranges as `10.0.0.[11-40]`), lines with a name and an
address in either order (as in /etc/hosts), CSV with or without a heading, and inventories of
Ansible (INI and YAML, with the variables of hosts and groups that say how to log in).
"""

from __future__ import annotations

import csv
import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import yaml

from core.config.edit_hosts import HostEntry
from core.errors import LocalFilesError, UsageError

MOST_HOSTS = 1000
MOST_BYTES = 4 << 20
_RANGE = re.compile(r"\[(\d+)[-:](\d+)\]")
_LAST_OCTET = re.compile(r"^(\d{1,3}\.\d{1,3}\.\d{1,3})\.(\d{1,3})-(\d{1,3})$")
_HEADINGS = {
    "name": "name",
    "hostname": "name",
    "host": "name",
    "address": "address",
    "ip": "address",
    "ip address": "address",
    "ipaddress": "address",
    "port": "port",
    "user": "user",
    "login": "user",
    "username": "user",
    "key": "key",
    "jump": "jump",
}
_ANSIBLE = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_ssh_private_key_file": "key",
    "ansible_private_key_file": "key",
}
_ADDRESS = re.compile(r"[A-Za-z0-9_.:%-]+")


@dataclass(frozen=True)
class Understood:
    """What a text says.

    Args:
        hosts: The hosts, each once.
        problems: What could not be taken, in words, with the line.
    """

    hosts: tuple[HostEntry, ...]
    problems: tuple[str, ...]


class _NotUnderstood(Exception):
    """A line that names no host."""


def read_hosts(text: str) -> Understood:
    """Return the hosts that a text names, whichever of the ways it is written in."""
    hosts: dict[str, HostEntry] = {}
    problems: list[str] = []
    for where, found in _entries(text):
        if isinstance(found, str):
            problems.append(f"{where}{found}")
            continue
        try:
            for host in _expanded(found):
                hosts.setdefault(host.name or host.address, host)
        except _NotUnderstood as error:
            problems.append(f"{where}{error}")
    if len(hosts) > MOST_HOSTS:
        problems.append(f"{len(hosts)} hosts: more than {MOST_HOSTS} are not taken at once")
        hosts = dict(list(hosts.items())[:MOST_HOSTS])
    return Understood(tuple(hosts.values()), tuple(problems))


def expanded(entry: HostEntry) -> tuple[HostEntry, ...]:
    """Return the hosts that one entry with ranges stands for: `10.0.0.[11-40]`.

    Raises:
        UsageError: its ranges make no sense.
    """
    try:
        return tuple(_expanded(entry))
    except _NotUnderstood as error:
        raise UsageError(str(error), remedy="Write a range as 10.0.0.[11-40].") from error


def host_file(name: str) -> str:
    """Return the text of a file with hosts; `~` is the home directory.

    Raises:
        LocalFilesError: it cannot be read, or is no text.
    """
    try:
        path = Path(name.strip()).expanduser()
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) <= MOST_BYTES:
            return data.decode("utf-8-sig")
        reason = f"has more than {MOST_BYTES >> 20} MiB"
    except OSError as error:
        reason = str(error.strerror)
    except (RuntimeError, ValueError):
        reason = "is no text in UTF-8"
    raise LocalFilesError(f"{name.strip()}: {reason}", remedy="Name a file with a list of hosts.")


def _entries(text: str) -> Iterator[tuple[str, HostEntry | str]]:
    """Yield where something stands, and the host (or why it is none)."""
    lines = [
        (f"line {number}: ", line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and line.strip()[0] not in "#;"
    ]
    first = lines[0][1] if lines else ""
    if re.fullmatch(r"---|[\w.-]+:", first):
        yield from _from_yaml(text)
    elif re.fullmatch(r"\[[A-Za-z_][\w.:-]*\]", first) or any(
        "ansible_" in line for _, line in lines
    ):
        yield from _from_ini(lines)
    elif _heading(first):
        yield from _from_table(lines)
    else:
        for where, line in lines:
            yield from ((where, entry) for entry in _from_line(line))


def _from_line(line: str) -> Iterator[HostEntry]:
    words = [word for word in re.split(r"[,;\s]+", line.removeprefix("- ")) if word]
    addresses = [_is_address(word) for word in words]
    if len(words) == 2 and addresses.count(True) == 1:
        address, name = words if addresses[0] else reversed(words)
        yield HostEntry(name, address)
        return
    for word in words:
        yield _login(word)


def _login(word: str) -> HostEntry:
    """Read `[user@]address[:port]`."""
    user, _, rest = word.rpartition("@")
    address, colon, port = rest.rpartition(":")
    if colon and port.isdigit() and ":" not in address:
        return HostEntry("", address, port, user)
    return HostEntry("", rest, "", user)


def _heading(line: str) -> list[str]:
    """Return the field of each column if a line is a heading of a table; else nothing."""
    names = [cell.strip().strip('"').lower() for cell in re.split(r"[,;\t]", line)]
    fields = [_HEADINGS.get(name, "") for name in names]
    known = {field for field in fields if field}
    if len(names) < 2 or not known & {"address", "name"} or len(known) < 2:
        return []
    return fields


def _from_table(lines: list[tuple[str, str]]) -> Iterator[tuple[str, HostEntry | str]]:
    heading = lines[0][1]
    delimiter = next(mark for mark in ",;\t" if mark in heading)
    fields = _heading(heading)
    for where, line in lines[1:]:
        cells = next(csv.reader([line], delimiter=delimiter))
        values = {f: cell.strip() for f, cell in zip(fields, cells, strict=False) if f}
        values["address"] = values.get("address") or values.get("name", "")
        yield where, HostEntry(**values)


def _from_ini(lines: list[tuple[str, str]]) -> Iterator[tuple[str, HostEntry | str]]:
    """Read Ansible's INI: hosts of all groups, with the variables of `all` and of their group."""
    group, found = "", list[tuple[str, str, HostEntry]]()
    shared: dict[str, dict[str, str]] = {}
    for where, line in lines:
        section = re.fullmatch(r"\[([^\]]+)\]", line)
        if section:
            group = section[1]
        elif group.endswith(":vars"):
            name, _, value = line.partition("=")
            _note(shared.setdefault(group.removesuffix(":vars"), {}), name, value)
        elif not group.endswith(":children"):
            name, *pairs = _ini_words(line)
            values: dict[str, str] = {}
            for pair in pairs:
                _note(values, *pair.partition("=")[::2])
            found.append((where, group, _named(name, values)))
    for where, group, entry in found:
        yield where, _filled(entry, shared.get(group, {}), shared.get("all", {}))


def _ini_words(line: str) -> list[str]:
    return [word.strip("\"'") for word in re.findall(r"(?:[^\s\"']|\"[^\"]*\"|'[^']*')+", line)]


def _note(values: dict[str, str], name: str, value: str) -> None:
    field = _ANSIBLE.get(name.strip())
    if field:
        values[field] = value.strip().strip("\"'")


def _named(name: str, values: dict[str, str]) -> HostEntry:
    return HostEntry(**{"name": name, "address": name, **values})


def _filled(entry: HostEntry, *shared: dict[str, str]) -> HostEntry:
    """Return the entry with what its groups say where it says nothing itself."""
    for values in shared:
        lacking = {f: v for f, v in values.items() if f != "address" and not getattr(entry, f)}
        entry = replace(entry, **lacking)
    return entry


def _from_yaml(text: str) -> Iterator[tuple[str, HostEntry | str]]:
    """Read Ansible's YAML: groups with hosts, children and vars; or `hosts:` as in our config."""
    try:
        root = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        yield "", f"not YAML: {' '.join(str(error).split())[:100]}"
        return
    if isinstance(root, dict) and isinstance(root.get("hosts"), list):
        for item in root["hosts"]:
            yield from _from_item(item)
        return
    groups = root if isinstance(root, dict) else {}
    found = list(_of_groups(groups.values(), {}))
    if not found:
        yield "", "this YAML names no hosts"
    yield from (("", entry) for entry in found)


def _from_item(item: object) -> Iterator[tuple[str, HostEntry | str]]:
    if isinstance(item, dict):
        values = {
            f: str(item[f]) for f in ("name", "address", "port", "user", "key", "jump") if f in item
        }
        yield "", HostEntry(**values)
    else:
        yield "", _login(str(item))


def _of_groups(groups: Iterable[object], outer: dict[str, str]) -> Iterator[HostEntry]:
    for group in groups:
        if not isinstance(group, dict):
            continue
        shared = {**outer, **_login_values(group.get("vars"))}
        hosts = group.get("hosts")
        for name, values in (hosts if isinstance(hosts, dict) else {}).items():
            yield _filled(_named(str(name), _login_values(values)), shared)
        children = group.get("children")
        if isinstance(children, dict):
            yield from _of_groups(children.values(), shared)


def _login_values(values: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in (values if isinstance(values, dict) else {}).items():
        _note(found, str(name), str(value))
    return found


def _expanded(entry: HostEntry) -> Iterator[HostEntry]:
    """Yield an entry for each number of the ranges in it; names and addresses go side by side."""
    addresses = list(_numbered(entry.address))
    names = list(_numbered(entry.name)) if entry.name else [""] * len(addresses)
    if len(names) != len(addresses):
        raise _NotUnderstood(f"{len(names)} names for {len(addresses)} addresses")
    for name, address in zip(names, addresses, strict=True):
        if not _ADDRESS.fullmatch(address):
            raise _NotUnderstood(f"{address[:60]!r} is no address")
        if entry.port and not (entry.port.isdigit() and 0 < int(entry.port) < 65536):
            raise _NotUnderstood(f"{entry.port[:20]!r} is no port")
        yield replace(entry, name=name, address=address)


def _numbered(text: str) -> Iterator[str]:
    octets = _LAST_OCTET.match(text)
    if octets:
        text = f"{octets[1]}.[{octets[2]}-{octets[3]}]"
    parts = _RANGE.split(text)
    ranges = []
    for low, high in zip(parts[1::3], parts[2::3], strict=True):
        numbers = range(int(low), int(high) + 1)
        if not 0 < len(numbers) <= MOST_HOSTS:
            raise _NotUnderstood(f"[{low}-{high}] is no range of 1 to {MOST_HOSTS} hosts")
        width = len(low) if low.startswith("0") else 0
        ranges.append([f"{number:0{width}}" for number in numbers])
    for count, chosen in enumerate(product(*ranges)):
        if count >= MOST_HOSTS:
            raise _NotUnderstood(f"{text[:60]} is more than {MOST_HOSTS} hosts")
        pieces = list(parts[0::3])
        yield "".join(piece + number for piece, number in zip(pieces, [*chosen, ""], strict=True))


def _is_address(word: str) -> bool:
    """Whether a word is an address, or a range of them."""
    try:
        ipaddress.ip_address(_RANGE.sub(lambda found: found[1], word))
    except ValueError:
        return False
    return True

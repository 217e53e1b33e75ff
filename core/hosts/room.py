"""Whether a host has room for what is to come: bytes, inodes, and places that can be written.

Each place that a job writes to is looked at with the file system that it lies on, so that two
things that go to one file system are added up, and a part of a host that is mounted by itself
(/usr, /etc/docker) is judged by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from core.hosts.facts import Facts
from core.hosts.finding import Finding
from core.hosts.places import Place
from core.warnings import DATA_ROOT, DRIVER, INODES, ROOM, RUN_FULL, SELINUX
from core.words import some_of

INSTALLED_RATIO = 5  # of a compressed package, unpacked and beside the package itself
INSTALL_INODES = 1_000  # files of an engine's packages and what they need, and as many again
SMALL_BYTES = 1 << 20  # settings, notes, sockets
DPKG_BYTES = 16 << 20  # its database is written anew
LAYER_INODES = 20  # of a layer, whatever is in it
BYTES_PER_FILE = 32 << 10  # as images of whole systems have it
_PRUNE = "(docker system prune removes what is unused)"
_KNOWN_LABELS = ("container_", "docker_", "svirt_sandbox_file_t")
_DRIVERS = {
    "vfs": (
        "every layer is a whole copy of all below it, and images take many times their size",
        "Let the host's Docker use overlay2 (storage-driver in daemon.json), where its file system "
        "can do that; images that are there must then be pulled again.",
    ),
    "btrfs": (
        "what df calls free is not all that can be used",
        "Look on the host: btrfs filesystem usage {place}",
    ),
    "zfs": (
        "room is that of its dataset, quotas included",
        "Look on the host: zfs list -o space {place}",
    ),
    "devicemapper": (
        "room is that of its pool, not of a directory, and Docker 25 and later cannot read it",
        "Look on the host: docker info (Data Space Available).",
    ),
}


@dataclass(frozen=True)
class Asked:
    """What a job is going to write on a host.

    Args:
        docker_bytes: Size of the packages by which Docker is to be installed; 0 if it is there.
        family: What they are installed by: deb, rpm, static.
        store_bytes: Room that the missing images take where Docker stores.
        sure: Whether that is known; else it is estimated.
        layers: So many layers are missing at least.
        settings: daemon.json, or what lies beside it, is to be changed.
        keys: A key is put into the login's authorized_keys.
    """

    docker_bytes: int = 0
    family: str = ""
    store_bytes: int = 0
    sure: bool = True
    layers: int = 0
    settings: bool = False
    keys: bool = False

    @property
    def notes(self) -> bool:
        """Whether it is noted on the host what was brought."""
        return bool(self.store_bytes) or self.settings


def room_findings(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Yield what a job would find too small, full or protected, and what counts differently.

    Args:
        facts: The host.
        asked: What is to be written there.
    """
    yield from _protected(facts, asked)
    yield from _bytes(facts, asked)
    yield from _small_places(facts, asked)
    yield from _inodes(facts, asked)
    yield from _about_the_store(facts, asked)


@dataclass(frozen=True)
class _Use:
    """What a job writes to a place.

    Args:
        place: Its name in the facts.
        what: What it is for, in a sentence's words.
    """

    place: str
    what: str


_INSTALLING, _SETTING = "installing Docker", "changing Docker's settings"
_INSTALLS = ("usr", "etc", "var_tmp", "var_lib", "run", "units", "docker_etc")
_BY_FAMILY = {"deb": ("dpkg",), "rpm": ("rpm",), "static": ("opt",)}


def _uses(asked: Asked) -> Iterator[_Use]:
    if asked.docker_bytes:
        for name in (*_INSTALLS, *_BY_FAMILY.get(asked.family, ())):
            yield _Use(name, _INSTALLING)
    if asked.settings:
        for name in ("docker_etc", "daemon_json"):
            yield _Use(name, _SETTING)
    if asked.notes:
        yield _Use("state", "noting what was brought")
    if asked.store_bytes:
        yield _Use("store", "storing images")
    if asked.keys:
        for name in ("ssh", "keys"):
            yield _Use(name, "letting the tunnel's key in")


def _protected(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Yield what cannot be written at all; a file system once, for all that lies on it."""
    read_only: dict[str, dict[str, None]] = defaultdict(dict)
    fixed: dict[str, dict[str, None]] = defaultdict(dict)
    for use in _uses(asked):
        place = facts.places.get(use.place)
        if place is None:
            continue
        if place.is_read_only:
            read_only[place.mount][use.what] = None
        elif not place.writable:
            fixed[place.path][use.what] = None
        elif use.place in ("daemon_json", "keys") and place.mount == place.path:
            yield Finding(
                True,
                f"has {place.path} mounted by itself, so that it cannot be replaced ({use.what})",
                f"Unmount it (umount {place.path}), or change it where it comes from.",
            )
    for mount, purposes in read_only.items():
        yield Finding(
            True,
            f"has {mount} mounted read-only, where {' and '.join(purposes)} has to write",
            f"Mount it so that it can be written, if it may be: mount -o remount,rw {mount}. After "
            "an error of the disk it is read-only as well: see dmesg.",
        )
    for path, purposes in fixed.items():
        yield Finding(
            True,
            f"has {path} protected, so that not even root may write it ({' and '.join(purposes)})",
            f"Take the protection off: chattr -i -a {path} (lsattr -d {path} shows it).",
        )
    program_place = {"deb": "dpkg", "static": "opt"}.get(asked.family, "")
    place = facts.places.get(program_place)
    if asked.docker_bytes and place and place.runs_no_programs:
        yield Finding(
            True,
            f"has {place.path} where no program may run (noexec on {place.mount}), which "
            f"{_INSTALLING} has to do",
            f"Mount it without noexec for the time of it: mount -o remount,exec {place.mount}",
        )


@dataclass(frozen=True)
class _Load:
    """Bytes that come to a place."""

    name: str
    free_bytes: int
    needed_bytes: int
    where: str
    what: str


def _bytes(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Yield where bytes are lacking: in a place by itself, or in one file system for several."""
    store = _Load(
        "store",
        facts.store_free_bytes,
        asked.store_bytes,
        f"where Docker stores images ({facts.store})",
        "",
    )
    installing = list(_installing(facts, asked)) if asked.docker_bytes else []
    short = [load for load in installing if load.needed_bytes > load.free_bytes]
    for load in short:
        yield Finding(
            True,
            f"has {_mib(load.free_bytes)} free {load.where}; installing Docker needs "
            f"{_mib(load.needed_bytes)}",
            f"Make room {load.where} on the host.",
        )
    if store.needed_bytes > store.free_bytes:
        yield _store_finding(facts, asked.store_bytes, store.where, sure=asked.sure)
    elif not short:
        together = asked.store_bytes + sum(
            (INSTALLED_RATIO - 1) * asked.docker_bytes
            for load in installing
            if load.needed_bytes > asked.docker_bytes and _share(facts, load.name, "store")
        )
        if together > store.free_bytes:
            where = f"where Docker is installed and stores images ({facts.store})"
            yield _store_finding(facts, together, where, sure=asked.sure)


def _store_finding(facts: Facts, needed: int, where: str, *, sure: bool) -> Finding:
    free, words = _mib(facts.store_free_bytes), _mib(needed)
    if not sure:
        return Finding.warned(ROOM.of(free=free, where=where, needed=words, place=facts.store))
    return Finding(
        True,
        f"has {free} free {where}; {words} are needed",
        f"Make room in {facts.store} on the host {_PRUNE}.",
    )


def _installing(facts: Facts, asked: Asked) -> Iterator[_Load]:
    """Yield what installing needs: the packages beside what is unpacked of them, or each alone."""
    packed, unpacked = asked.docker_bytes, (INSTALLED_RATIO - 1) * asked.docker_bytes
    name = "opt" if asked.family == "static" else "usr"
    place = facts.places.get(name)
    if place is None or place.free_bytes is None or _share(facts, name, "var_tmp"):
        free = facts.unpack_free_bytes
        yield _Load("var_tmp", free, packed + unpacked, "in /var/tmp", _INSTALLING)
        return
    yield _Load("var_tmp", facts.unpack_free_bytes, packed, "in /var/tmp", _INSTALLING)
    yield _Load(name, place.free_bytes, unpacked, f"in {place.mount}", _INSTALLING)


def _share(facts: Facts, one: str, other: str) -> bool:
    """Whether two places lie on one file system, as far as that is known."""
    mounts = [place.mount for name in (one, other) if (place := facts.places.get(name))]
    return len(mounts) == 2 and mounts[0] == mounts[1] != ""


def _small_places(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Yield what is full though little is needed there."""
    needs = {"run": SMALL_BYTES, "etc": SMALL_BYTES, "var_lib": SMALL_BYTES}
    if asked.family == "deb":
        needs["dpkg"] = DPKG_BYTES
    wanted = needs if asked.docker_bytes else {"docker_etc": SMALL_BYTES} if asked.settings else {}
    if asked.keys:
        wanted = {**wanted, "ssh": SMALL_BYTES}
    if asked.notes:
        wanted = {**wanted, "state": SMALL_BYTES}
    told: set[str] = set()
    for name, needed in wanted.items():
        place = facts.places.get(name)
        if place is None or place.free_bytes is None or place.mount in told:
            continue
        if place.free_bytes < needed and not place.is_read_only:
            told.add(place.mount)
            yield Finding(
                True,
                f"has {place.free_bytes >> 10} KiB free in {place.path} (of {place.mount}); "
                f"{needed >> 10} KiB are needed",
                f"Make room in {place.mount} on the host.",
            )
    run = facts.places.get("run")
    if run and run.free_bytes is not None and run.free_bytes < SMALL_BYTES and "run" not in wanted:
        yield Finding.warned(RUN_FULL.of(free=f"{run.free_bytes >> 10} KiB"))


def _inodes(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Yield where files cannot be made any more, whatever room there is."""
    needed: dict[str, int] = {}
    if asked.docker_bytes:
        program_place = "opt" if asked.family == "static" else "usr"
        needed = {
            "var_tmp": 100,
            "run": 20,
            "etc": 50,
            "var_lib": 50,
            program_place: INSTALL_INODES,
        }
        if asked.family == "deb":
            needed["dpkg"] = 100
    if asked.settings:
        needed.setdefault("docker_etc", 5)
    if asked.notes:
        needed.setdefault("state", 5)
    if asked.keys:
        needed.setdefault("ssh", 5)
    if asked.store_bytes:
        needed["store"] = max(1, LAYER_INODES * asked.layers)
    by_mount: dict[str, list[tuple[Place, int]]] = defaultdict(list)
    for name, number in needed.items():
        place = facts.places.get(name)
        if place is not None and place.free_inodes is not None:
            by_mount[place.mount].append((place, number))
    for mount, found in by_mount.items():
        number = sum(each for _, each in found)
        left = found[0][0].free_inodes or 0
        if left < number:
            paths = some_of(list(dict.fromkeys(place.path for place, _ in found)), 2)
            yield Finding(
                True,
                f"has {left} inodes free in {paths} (df -i {mount}); about {number} are needed",
                f"Delete many small files in {mount} on the host {_PRUNE}, or give it a file "
                "system with more inodes.",
            )
            return
    yield from _inodes_for_files(facts, asked)


def _inodes_for_files(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Yield a warning where the files in the images may be too many: nobody has counted them."""
    store = facts.places.get("store")
    if store is None or store.free_inodes is None:
        return
    number = asked.store_bytes // BYTES_PER_FILE
    if store.free_inodes < number:
        where = f"where Docker stores images ({facts.store})"
        yield Finding.warned(
            INODES.of(free=store.free_inodes, where=where, needed=number, place=facts.store)
        )


def _about_the_store(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Yield what is unusual about how and where Docker stores."""
    driver = facts.docker.driver
    if driver in _DRIVERS:
        why, remedy = _DRIVERS[driver]
        text = remedy.format(place=facts.store)
        yield Finding.warned(DRIVER.of(driver=driver, why=why, remedy=text))
    missing = facts.store_wanted not in ("", facts.store, "/var/lib/docker", "/var/lib/containerd")
    if missing and asked.store_bytes:
        yield Finding.warned(DATA_ROOT.of(place=facts.store_wanted, parent=facts.store))
    label = _type_of(facts.store_label)
    elsewhere = not facts.store_wanted.startswith(("/var/lib/docker", "/var/lib/containerd"))
    if (
        facts.security == "SELinux enforcing"
        and facts.store_wanted
        and elsewhere
        and label
        and not label.startswith(_KNOWN_LABELS)
    ):
        yield Finding.warned(SELINUX.of(place=facts.store_wanted, label=label))


def _type_of(label: str) -> str:
    """Return the type in a label such as `system_u:object_r:default_t:s0`."""
    parts = label.split(":")
    return parts[2] if len(parts) > 2 else ""


def _mib(size_bytes: int) -> str:
    return f"{size_bytes >> 20} MiB"


def settings_are_free(facts: Facts) -> bool:
    """Whether Docker's settings can be changed, as far as protection goes."""
    return not any(True for _ in _protected(facts, Asked(settings=True)))


def is_tight(facts: Facts, store_bytes: int, layers: int) -> bool:
    """Whether it matters how much of this many bytes the host has already.

    Args:
        facts: The host.
        store_bytes: All that it is to have.
        layers: The layers of all that.
    """
    asked = Asked(store_bytes=store_bytes, layers=layers)
    if store_bytes > facts.store_free_bytes:
        return True
    return any(True for _ in (*_inodes(facts, asked), *_protected(facts, asked)))

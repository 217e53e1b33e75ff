"""Room, inodes and protection by file system: what of it stops a job, and what is only told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from core.hosts.driver_room import driver_free_bytes
from core.hosts.facts import DockerFacts, Facts, parse_facts
from core.hosts.places import Place, number_in, places_in
from core.hosts.preflight import Needs, preflight
from core.hosts.room import Asked, is_tight, room_findings, settings_are_free
from tests.unit.hosts.test_facts import ANSWER, FIT, MIB

PACKED = 60 * MIB
INSTALL = Asked(docker_bytes=PACKED, family="deb")
IMAGES = Asked(store_bytes=500 * MIB, layers=10)
PATHS = {
    "store": "/var/lib/docker",
    "tmp": "/tmp",
    "var_tmp": "/var/tmp",
    "run": "/run",
    "usr": "/usr/bin",
    "opt": "/opt",
    "etc": "/etc",
    "units": "/etc/systemd/system",
    "docker_etc": "/etc/docker",
    "daemon_json": "/etc/docker/daemon.json",
    "var_lib": "/var/lib",
    "state": "/var/lib",
    "dpkg": "/var/lib/dpkg",
    "rpm": "/var/lib/rpm",
    "ssh": "/root/.ssh",
    "keys": "/root/.ssh/authorized_keys",
}
ROOT = Place("/", "/", 3 << 30, 1_000_000, "ext4", frozenset({"rw", "relatime"}))
ONE_DISK = {name: replace(ROOT, path=path) for name, path in PATHS.items()}


def with_places(places: Mapping[str, Place], **changes: object) -> Facts:
    """Return a host with all of it on one disk, but for some places."""
    return replace(FIT, places={**ONE_DISK, **places}, store_wanted=FIT.store, **changes)  # type: ignore[arg-type]


def place(name: str, **changes: object) -> dict[str, Place]:
    return {name: replace(ONE_DISK[name], **changes)}  # type: ignore[arg-type]


def on(mount: str, **changes: object) -> dict[str, Place]:
    """Return all places below a mount point as they are when it is mounted by itself."""
    return {
        name: replace(ONE_DISK[name], mount=mount, **changes)  # type: ignore[arg-type]
        for name, path in PATHS.items()
        if path == mount or path.startswith(f"{mount}/")
    }


READ_ONLY = frozenset({"ro"})
FATAL = [
    (on("/usr", options=READ_ONLY), INSTALL, "has /usr mounted read-only"),
    (on("/etc", options=READ_ONLY), INSTALL, "has /etc mounted read-only"),
    (on("/var", options=READ_ONLY), INSTALL, "has /var mounted read-only"),
    (on("/var", options=READ_ONLY), IMAGES, "noting what was brought and storing images has to"),
    (place("docker_etc", writable=False), INSTALL, "has /etc/docker protected"),
    (place("docker_etc", writable=False), Asked(settings=True), "chattr"),
    (place("daemon_json", writable=False), Asked(settings=True), "/etc/docker/daemon.json prot"),
    (
        place("daemon_json", mount="/etc/docker/daemon.json"),
        Asked(settings=True),
        "has /etc/docker/daemon.json mounted by itself",
    ),
    (place("keys", writable=False), Asked(keys=True), "has /root/.ssh/authorized_keys protected"),
    (
        on("/var/lib/dpkg", options=frozenset({"rw", "noexec"})),
        INSTALL,
        "where no program may run (noexec on /var/lib/dpkg)",
    ),
    (
        on("/opt", options=frozenset({"rw", "noexec"})),
        Asked(docker_bytes=PACKED, family="static"),
        "noexec on /opt",
    ),
    (on("/usr", free_bytes=239 * MIB), INSTALL, "has 239 MiB free in /usr; installing Docker nee"),
    (on("/run", free_bytes=900 << 10), INSTALL, "has 900 KiB free in /run (of /run)"),
    (on("/etc", free_bytes=0), INSTALL, "has 0 KiB free in /etc"),
    (on("/etc/docker", free_bytes=0), Asked(settings=True), "has 0 KiB free in /etc/docker"),
    (on("/var/lib/dpkg", free_bytes=MIB), INSTALL, "has 1024 KiB free in /var/lib/dpkg"),
    (on("/usr", free_inodes=999), INSTALL, "has 999 inodes free in /usr/bin (df -i /usr)"),
    (on("/var/tmp", free_inodes=0), INSTALL, "has 0 inodes free in /var/tmp"),
    (on("/var/lib/dpkg", free_inodes=9), INSTALL, "has 9 inodes free in /var/lib/dpkg"),
    (on("/var/lib/docker", free_inodes=199), IMAGES, "has 199 inodes free in /var/lib/docker"),
]


@pytest.mark.parametrize(("places", "asked", "words"), FATAL)
def test_what_stops_a_job(places: dict[str, Place], asked: Asked, words: str) -> None:
    found = list(room_findings(with_places(places), asked))
    assert [True] == [finding.fatal for finding in found], found
    assert words in f"{found[0].what} {found[0].remedy}"


@pytest.mark.parametrize(("places", "asked", "words"), FATAL)
def test_it_stops_nothing_where_nothing_is_written(
    places: dict[str, Place], asked: Asked, words: str
) -> None:
    del asked, words
    assert not [f for f in room_findings(with_places(places), Asked()) if f.fatal]


WARNED = [
    (on("/run", free_bytes=0), {}, IMAGES, "W-RUN-FULL"),
    (on("/var/lib/docker", free_inodes=9_000), {}, IMAGES, "W-INODES"),
    ({}, {"store_free_bytes": MIB}, replace(IMAGES, sure=False), "W-ROOM"),
    ({}, {"docker": DockerFacts(driver="vfs")}, Asked(), "W-DRIVER"),
    ({}, {"docker": DockerFacts(driver="btrfs")}, Asked(), "W-DRIVER"),
    ({}, {"docker": DockerFacts(driver="zfs")}, Asked(), "W-DRIVER"),
    ({}, {"docker": DockerFacts(driver="devicemapper")}, Asked(), "W-DRIVER"),
]


@pytest.mark.parametrize(("places", "changes", "asked", "code"), WARNED)
def test_what_is_only_told(
    places: dict[str, Place], changes: dict[str, object], asked: Asked, code: str
) -> None:
    found = list(room_findings(with_places(places, **changes), asked))
    assert [(False, code)] == [(finding.fatal, finding.warning.code) for finding in found]


@pytest.mark.parametrize("asked", [INSTALL, IMAGES, replace(INSTALL, settings=True, keys=True)])
def test_a_host_with_room_for_all(asked: Asked) -> None:
    assert [] == list(room_findings(with_places({}), asked))
    assert not is_tight(with_places({}), 1, 1)


def test_what_lies_on_one_file_system_is_added_up() -> None:
    """Docker and the images fit each for itself, and not together."""
    both = Asked(docker_bytes=PACKED, family="deb", store_bytes=300 * MIB, layers=1)
    facts = with_places({}, store_free_bytes=500 * MIB, unpack_free_bytes=500 * MIB)
    (found,) = room_findings(facts, both)
    assert (
        "has 500 MiB free where Docker is installed and stores images (/var/lib/docker); "
        "540 MiB are needed"
    ) == found.what
    apart = with_places(
        on("/var/lib/docker"), store_free_bytes=500 * MIB, unpack_free_bytes=500 * MIB
    )
    assert [] == list(room_findings(apart, both))


def test_a_file_system_that_is_read_only_is_told_once() -> None:
    facts = with_places({n: replace(p, options=READ_ONLY) for n, p in ONE_DISK.items()})
    whole = Asked(PACKED, "deb", 1, True, 1, True, True)
    found = [finding for finding in room_findings(facts, whole) if finding.fatal]
    assert 1 == len(found)
    assert "has / mounted read-only" in found[0].what
    assert "mount -o remount,rw /" in found[0].remedy


def test_where_it_is_tight_it_matters_what_is_there_already() -> None:
    full = with_places(on("/var/lib/docker", free_inodes=5))
    assert is_tight(full, 1, 1)
    assert is_tight(with_places({}), FIT.store_free_bytes + 1, 1)
    assert is_tight(with_places(on("/var/lib/docker", options=READ_ONLY)), 1, 1)


def test_settings_that_cannot_be_changed() -> None:
    assert settings_are_free(with_places({}))
    assert not settings_are_free(with_places(place("daemon_json", writable=False)))


# As RHEL 9 answers, from its documentation: `getenforce`, and `stat -c %C` of a directory that
# was made by hand. No such system can be had in the lab.
@pytest.mark.parametrize(
    ("security", "store", "label", "told"),
    [
        ("SELinux enforcing", "/data/docker", "unconfined_u:object_r:default_t:s0", True),
        ("SELinux enforcing", "/data/docker", "system_u:object_r:container_var_lib_t:s0", False),
        ("SELinux enforcing", "/var/lib/docker", "system_u:object_r:var_lib_t:s0", False),
        ("SELinux permissive", "/data/docker", "unconfined_u:object_r:default_t:s0", False),
        ("SELinux enforcing", "/data/docker", "?", False),
    ],
)
def test_selinux_and_a_data_root_elsewhere(
    security: str, store: str, label: str, told: bool
) -> None:
    facts = replace(
        FIT, security=security, store=store, store_wanted=store, store_label=label, places=ONE_DISK
    )
    found = list(room_findings(facts, IMAGES))
    assert (["W-SELINUX"] if told else []) == [finding.warning.code for finding in found]
    assert all("restorecon -R /data/docker" in finding.remedy for finding in found)


def test_a_data_root_that_is_not_mounted() -> None:
    facts = replace(FIT, store="/srv", store_wanted="/srv/docker/deep", places=ONE_DISK)
    (found,) = room_findings(facts, IMAGES)
    assert ("W-DATA-ROOT", True) == (found.warning.code, "/srv/docker/deep" in found.what)


PLACES = """\
places_asked_by=0
place_store=1024 100 7 xfs rw,noexec,relatime no /data /data/docker
place_usr=2048 0 0 btrfs ro,subvol=/@ yes / /usr/bin
place_run=- - - - - yes - /run
place_etc=99999999999999999999 x 1 ext4 rw yes / /etc
place_bad=1 2
"""


def test_places_are_read() -> None:
    values = dict(line.split("=", 1) for line in PLACES.splitlines())
    options = frozenset({"rw", "noexec", "relatime"})
    assert {
        "store": Place("/data/docker", "/data", MIB, 7, "xfs", options, False),
        "usr": Place("/usr/bin", "/", 2 * MIB, None, "btrfs", frozenset({"ro", "subvol=/@"})),
        "run": Place("/run"),
        "etc": Place("/etc", "/", None, None, "ext4", frozenset({"rw"})),
    } == places_in(values)


def test_what_another_than_root_may_not_write_is_not_told() -> None:
    values = {"places_asked_by": "1000", "place_usr": "1 2 2 ext4 rw no / /usr"}
    assert places_in(values)["usr"].writable


@pytest.mark.parametrize("text", ["", "-", "-1", "1.5", "٣", "9" * 5000])
def test_no_numbers(text: str) -> None:
    assert None is number_in(text)


# As `docker info` of 20.10 answered for these drivers, from Docker's documentation.
DEVICEMAPPER = [["Pool Name", "docker-pool"], ["Data Space Available", "101.6 GB"]]
ZFS = [["Zpool", "tank"], ["Space Available", "15728640"]]
BTRFS = [["Build Version", "Btrfs v4.7.3"], ["Library Version", "101"]]


@pytest.mark.parametrize(
    ("driver", "status", "free"),
    [
        ("devicemapper", DEVICEMAPPER, 101_600_000_000),
        ("devicemapper", [["Data Space Available", "much"]], None),
        ("zfs", ZFS, 15 * MIB),
        ("btrfs", BTRFS, None),
        ("overlay2", DEVICEMAPPER, None),
        ("zfs", ["odd", [1], None], None),
    ],
)
def test_room_as_a_driver_tells_it(driver: str, status: list[object], free: int | None) -> None:
    assert free == driver_free_bytes(driver, status)


def test_the_driver_s_room_counts() -> None:
    answer = (
        'docker_driver=zfs\ndocker_store=[["Space Available","4096"]]\n'
        "place_store=999 9 9 zfs rw yes /data /data/docker\n"
    )
    facts = parse_facts("a", ANSWER.replace("facts=", f"{answer}facts="), 1000.0)
    assert 4096 == facts.store_free_bytes


def test_what_is_asked_of_a_host_reaches_the_room() -> None:
    facts = with_places(on("/usr", options=READ_ONLY))
    assert [] == list(preflight(facts, Needs(store_bytes=1, layers=1)))

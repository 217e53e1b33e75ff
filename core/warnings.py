"""Everything that Airferry warns of, each with a stable code, what it is and a remedy.

An error ends a step; a warning stands beside a step that goes on. The words are made here, once,
where the warning arises; whoever shows it later has code, words and parameters from the journal,
also those of a version that knows other kinds. `KINDS` is the table of all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

NOTHING_TO_DO = "Nothing is to be done."
RUN_AGAIN = "Then run: airferry check"


@dataclass(frozen=True)
class Warned:
    """Something that a person should know of, though the step goes on.

    Args:
        code: Which kind of warning it is.
        what: What is so, to be read behind the target's name; it does not name the target itself.
        remedy: What to do about it.
        parameters: The numbers and names in it, for programs.
    """

    code: str
    what: str
    remedy: str
    parameters: Mapping[str, str | int | float] = field(default_factory=dict, hash=False)

    @property
    def text(self) -> str:
        """All of it in a line, for the log."""
        return f"{self.what.rstrip('.')}. {self.remedy} [{self.code}]"

    def record(self) -> dict[str, str]:
        """Return it as data of the report."""
        return {"code": self.code, "what": self.what, "remedy": self.remedy}


@dataclass(frozen=True)
class WarningKind:
    """One kind of warning.

    Args:
        code: Stable, for programs.
        title: What is so where it is said of many targets at once: `the clock is wrong`.
        what: What is so of one target, with places for parameters in braces.
        remedy: What to do, with such places as well.
    """

    code: str
    title: str
    what: str
    remedy: str

    def of(self, **parameters: str | int | float) -> Warned:
        """Return a warning of this kind.

        Args:
            parameters: What stands in the places; more of them are kept for programs.
        """
        what, remedy = (text.format(**parameters) for text in (self.what, self.remedy))
        return Warned(self.code, what, remedy, parameters)


HOST = WarningKind("W-HOST", "something is to be known", "{what}", "{remedy}")
KNOWN_HOSTS = WarningKind(
    "W-KNOWN-HOSTS",
    "a line of a known_hosts file is passed over",
    "was compared with known_hosts past what cannot be read there: {line}",
    "Mend that line or take it out; the other lines count.",
)
CLOCK = WarningKind(
    "W-CLOCK",
    "the clock is wrong",
    "has a clock that is {off}",
    "Set the host's clock (chrony, NTP).",
)
AGENT = WarningKind(
    "W-AGENT",
    "a node agent may rewrite daemon.json",
    "has a node agent ({agent}), which may rewrite daemon.json",
    "Check daemon.json again after the agent was updated.",
)
RELEASE = WarningKind(
    "W-RELEASE",
    "a registry may not work with the release",
    "{what} {release}; the vendor says both that a registry works with it and that it does not",
    "Try it with one cluster first; clusters made before do not use the registry.",
)
PLATFORM = WarningKind(
    "W-PLATFORM",
    "some images are for other platforms only",
    "is {platform}, and gets no copy of what is for other platforms only: {images}",
    "If it is to run that, get bundles with images for its platform.",
)
LOOPBACK = WarningKind(
    "W-LOOPBACK",
    "Docker's settings are extended",
    "has a Docker that does not take loopback registries without TLS; daemon.json will be "
    "extended and Docker reloaded",
    NOTHING_TO_DO,
)
ROOM = WarningKind(
    "W-ROOM",
    "room may be too little",
    "has {free} free {where}; about {needed} are needed",
    "Make room in {place} on the host (docker system prune removes what is unused).",
)
ROOM_TIGHT = WarningKind(
    "W-ROOM-TIGHT",
    "room is tight where Docker stores images",
    "has little room where Docker stores images ({free} free, {needed} to come, packed)",
    "Make room there (docker system prune removes what is unused), or watch whether it fits.",
)
INODES = WarningKind(
    "W-INODES",
    "inodes may be too few",
    "has {free} inodes free {where}; about {needed} are needed",
    "Delete many small files in {place} on the host (docker system prune removes what is "
    "unused), or give it a file system with more inodes.",
)
DRIVER = WarningKind(
    "W-DRIVER",
    "Docker's storage driver counts room differently",
    "has a Docker that stores by {driver}: {why}",
    "{remedy}",
)
DATA_ROOT = WarningKind(
    "W-DATA-ROOT",
    "Docker's data-root is not there yet",
    "has a Docker that is to store in {place}, which is not there: is a disk not mounted?",
    "Mount it, if it is a disk of its own; otherwise it is made where {parent} is.",
)
SELINUX = WarningKind(
    "W-SELINUX",
    "SELinux does not know Docker's data-root",
    "has SELinux enforcing, and {place}, where Docker stores, is labelled {label}: images are "
    "pulled, containers may not start",
    "Run on the host: semanage fcontext -a -e /var/lib/docker {place}; restorecon -R {place}",
)
RUN_FULL = WarningKind(
    "W-RUN-FULL",
    "/run is full",
    "has {free} free in /run: containers may not start",
    "Find out what fills /run on the host (du -x /run), and delete it.",
)
PACKAGES_BROKEN = WarningKind(
    "W-PKG-BROKEN",
    "packages are not wholly installed",
    "has packages that are not wholly installed: {packages}",
    "Mend them on the host: dpkg --configure -a, then apt-get --fix-broken install.",
)
PACKAGES_LOCKED = WarningKind(
    "W-PKG-LOCKED",
    "the package manager is at work",
    "has its package manager at work ({holder}); installing Docker waits for it for a while, "
    "then fails",
    "Let it come to its end, or stop unattended upgrades for the time of the job.",
)
PACKAGES_HELD = WarningKind(
    "W-PKG-HELD",
    "packages are held back",
    "has packages of Docker's held back: {packages}",
    "If they are to be replaced: apt-mark unhold {packages}",
)
DOCKER_OLD = WarningKind(
    "W-DOCKER-OLD",
    "Docker is too old and is replaced",
    "has Docker {version}, which is too old and is replaced: {what}",
    "Choose a time at which that may be.",
)
LOGIN_KEPT = WarningKind(
    "W-LOGIN-KEPT",
    "the registry's login is kept on the host",
    "gets the registry's login into {path}: whoever is root there can read it",
    "Unset privateRegistryHostLogin if that is not wanted.",
)
REGISTRY_UNASKED = WarningKind(
    "W-REG-UNASKED",
    "the registry could not be asked from the host",
    "{what}, so whether the host reaches {registry} shows only when it pulls",
    "Set 'AllowTcpForwarding yes' in the host's sshd_config to have it asked.",
)
KEYS_LEFT = WarningKind(
    "W-KEYS-LEFT",
    "keys may stay on a host that left the config",
    "{host} has left the config and does not let us in: lines that end with airferry-tunnel may "
    "stay in its authorized_keys ({what})",
    "Delete these lines there.",
)
NAMELESS = WarningKind(
    "W-NAMELESS",
    "images of a bundle have no name",
    "{bundle}: {what}",
    "Give them one: airferry import --name NAME FILE",
)
COMES_BACK = WarningKind(
    "W-COMES-BACK",
    "bundles would bring back what goes",
    "{bundles} in imagesDir would bring names back with the next import",
    "Move such files away first.",
)
NO_SOURCE = WarningKind(
    "W-NO-SOURCE",
    "not all that is damaged can be mended",
    "nothing at hand has the parts of {names}",
    "{remedy}",
)
NOT_MENDED = WarningKind(
    "W-NOT-MENDED",
    "something could not be mended",
    "{what}",
    "Look at the log of this run: airferry report --log",
)
BACKUP_PART = WarningKind(
    "W-BACKUP-PART",
    "the backup does not hold all",
    "{what}",
    "What is named is not in the backup; keep the bundle that brought it.",
)
ONLY_COPY = WarningKind(
    "W-ONLY-COPY",
    "names are in this machine's registry only",
    "{names} in this machine's registry and in no bundle of imagesDir: {some}. {who}",
    "{remedy}",
)
LEFT_OVER = WarningKind(
    "W-LEFT-OVER",
    "the site differs from its config",
    "the site differs from its config ({differences})",
    "airferry reconfigure makes the site what the config says.",
)

KINDS: Mapping[str, WarningKind] = {
    kind.code: kind for kind in list(globals().values()) if isinstance(kind, WarningKind)
}
"""Every kind by its code."""


def title_of(code: str) -> str:
    """Return what a kind of warning is called; empty for one of another version."""
    return KINDS[code].title if code in KINDS else ""


def warnings_text(warnings: Iterable[Warned]) -> str:
    """Return warnings as the journal keeps them; empty for none."""
    found = [asdict(each) for each in warnings]
    return json.dumps(found) if found else ""


def warnings_in(text: str | None) -> tuple[Warned, ...]:
    """Read back what the journal keeps; nothing is what earlier versions wrote."""
    return tuple(
        Warned(each["code"], each["what"], each["remedy"], each.get("parameters", {}))
        for each in json.loads(text or "[]")
    )

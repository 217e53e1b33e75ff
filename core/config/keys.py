"""All keys of the config: from this table come loader, form, help, README and the JSON schema.

To add a key: a line here, and a field of `Config` or `SshConfig` with its default.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.config.model import Config, Mode, Warm

YES_NO = ("false", "true")
SECTION = "ssh"
HOSTS = "hosts"
HOST_KEYS = ("name", "address", "port", "user", "key", "jump")
Wrong = Callable[[str], tuple[str, str] | None]
"""Returns what is wrong with a value and what is allowed; None where it will do."""

_JUMP = re.compile(r"(?:[^@\s]+@)?(?:[^@:\s\[\]]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_RELEASE = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(?:\.[0-9]{1,4})?")
_MAX_SHOWN = 80


class Kind(StrEnum):
    """What a value is."""

    TEXT = "text"
    TEXTS = "texts"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    PATH = "path"
    FILE = "file"
    """A path at which something must be already."""
    FILES = "files"


@dataclass(frozen=True)
class Key:
    """One key of the config.

    Args:
        path: Its key path in the file.
        field: The field of `Config`, or of `SshConfig`, that holds its value, and has its default.
        kind: What its value is.
        help: One sentence: what it is for, and what is allowed.
        label: What the form calls it, if not by its own name.
        modes: The modes in which it means something; empty for all.
        choices: What it can be, where that is one of a few.
        low: The smallest number.
        high: The largest number.
        unset: What holds where nothing is set, in words, if it is not the default.
        hint: What only the form says after the help: where else to look on the screens.
        more: What only README and editors say after it.
        clean: Brings a text into the form that it is kept in.
        wrong: Looks at such a text, or at each text of a list.
    """

    path: str
    field: str
    kind: Kind
    help: str
    label: str = ""
    modes: tuple[Mode, ...] = ()
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    unset: str = ""
    hint: str = ""
    more: str = ""
    clean: Callable[[str], str] = str
    wrong: Wrong | None = None

    @property
    def name(self) -> str:
        """What the form calls it."""
        return self.label or self.path

    @property
    def form_help(self) -> str:
        """What the form says of it."""
        return f"{self.help} {self.hint}".rstrip()

    @property
    def own_name(self) -> str:
        """The key as it stands in its mapping."""
        return self.path.rpartition(".")[2]

    @property
    def in_section(self) -> bool:
        """Whether it stands in the section for SSH."""
        return self.path != self.own_name

    def value(self, config: Config) -> Any:  # noqa: ANN401 - what the field of the model has
        """Return what holds for this key in a config."""
        return getattr(config.ssh if self.in_section else config, self.field)

    def shown(self, config: Config) -> str:
        """Return in words what holds for this key in a config."""
        value = self.value(config)
        if value is None or value in ("", ()):
            return self.unset
        if isinstance(value, bool):
            return YES_NO[value]
        if isinstance(value, tuple):
            return ", ".join(map(str, value))
        return str(value)

    def picked(self, value: str) -> str:
        """Return which of the choices a value is; empty for none of them."""
        word = value.strip().lower()
        if self.kind is Kind.FLAG:
            word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(word, word)
        return word if word in self.choices else ""

    def typed(self, value: str) -> str | int | bool:
        """Return what was typed with the type by which it is written without quotes."""
        if self.kind is Kind.NUMBER and value.isascii() and value.isdigit():
            return int(value)
        if self.kind is Kind.FLAG and value.lower() in YES_NO:
            return value.lower() == "true"
        return value


def clean_jump(text: str) -> str:
    """Return a jump host; `none` takes away the one that would hold otherwise."""
    return "" if text.lower() == "none" else text


def wrong_jump(text: str) -> tuple[str, str] | None:
    """Return what is wrong with a jump host."""
    if text and not _JUMP.fullmatch(text):
        return f"is {text!r}", "[user@]host[:port]"
    return None


def _wrong_fingerprint(text: str) -> tuple[str, str] | None:
    if not _FINGERPRINT.fullmatch(text):
        return f"has {text[:_MAX_SHOWN]!r}", "SHA256: and 43 characters"
    return None


def _wrong_release(text: str) -> tuple[str, str] | None:
    if text and not _RELEASE.fullmatch(text):
        return f"is {text[:_MAX_SHOWN]!r}", "a release such as 5.6 or 5.6.0"
    return None


def _wrong_base(base: str) -> tuple[str, str] | None:
    """Return what is wrong with an address that no Docker would pull from."""
    allowed = "host[:port][/path]"
    host, _, path = base.partition("/")
    if "://" in base:
        return "has a scheme", f"{allowed}, no http://"
    if "@" in host:
        return (
            "has a login in it: take it out, and change the password if there is one",
            f"{allowed}; the login is typed, in the environment, or docker login's",
        )
    if re.search(r"[\s?#@]|//|^/", base):
        return "is no address", allowed
    if path != path.lower():
        return "has capital letters in its path, which Docker does not take", allowed
    port = re.search(r":(\d+)$", host)
    if port and not 0 < int(port[1]) < 1 << 16:
        return "has no port from 1 to 65535", allowed
    return None


_OF_CUSTOM = (Mode.CUSTOM,)
_OF_OUR_REGISTRY = (Mode.NONE, Mode.DU)
KEYS = (
    Key(
        "privateRegistryType",
        "mode",
        Kind.CHOICE,
        "How hosts get their images.",
        "mode",
        choices=(Mode.NONE.value, Mode.DU.value, Mode.CUSTOM.value),
        hint="Mode says more of each.",
        more="`du`: a registry on this machine, hosts reach it through tunnels. `none`: each host "
        "keeps its own copies. `custom`: the site's own registry.",
    ),
    Key(
        "dockerRepo",
        "docker_repo",
        Kind.FILES,
        "The offline Docker bundle, or a directory of them.",
        unset="none",
        more="Or a list; packed (tar, .gz, .xz, .bz2, .zst) or unpacked: each host gets the one "
        "that fits its system, told by content (apt or yum repository, bare `.deb` or `.rpm` "
        "files, static binaries).",
    ),
    Key("imagesDir", "images_dir", Kind.FILE, "The directory that the bundles are in."),
    Key(
        "privateRegistryBase",
        "registry_base",
        Kind.TEXT,
        "The site's own registry: host[:port][/path], without http://.",
        "registry",
        _OF_CUSTOM,
        clean=lambda base: base.removesuffix("/"),
        wrong=_wrong_base,
    ),
    Key(
        "privateRegistryCA",
        "registry_ca",
        Kind.FILE,
        "The file with the CA that signed the registry's certificate.",
        "registry CA",
        _OF_CUSTOM,
    ),
    Key(
        "privateRegistryInsecure",
        "registry_insecure",
        Kind.FLAG,
        "true: without TLS; only inside a trusted network.",
        "plain HTTP",
        _OF_CUSTOM,
        YES_NO,
    ),
    Key(
        "privateRegistryUser",
        "registry_user",
        Kind.TEXT,
        "The name to log in with.",
        "registry user",
        _OF_CUSTOM,
        hint="The password is asked for at Review.",
        more="A password never stands in the config.",
    ),
    Key(
        "privateRegistryHostLogin",
        "registry_host_login",
        Kind.FLAG,
        "true: hosts keep it in /root/.docker; root can read it.",
        "login on hosts",
        _OF_CUSTOM,
        YES_NO,
        more="`false`: hosts get the login with each pull only.",
    ),
    Key(
        "registryDir",
        "registry_dir",
        Kind.PATH,
        "Where this machine's registry stores its content.",
        modes=_OF_OUR_REGISTRY,
    ),
    Key(
        "registryPort",
        "registry_port",
        Kind.NUMBER,
        "Its port here, on 127.0.0.1 only.",
        "registry port",
        _OF_OUR_REGISTRY,
        low=1,
        high=65535,
    ),
    Key(
        "hostRegistryPort",
        "host_registry_port",
        Kind.NUMBER,
        "The end of the tunnel on each host, on its 127.0.0.1 only.",
        "port on hosts",
        (Mode.DU,),
        low=1,
        high=65535,
    ),
    Key(
        "ssh.user",
        "user",
        Kind.TEXT,
        "Who logs in to the hosts: root or one with sudo.",
        "ssh user",
        hint="w on Hosts: its password.",
    ),
    Key(
        "ssh.key",
        "key",
        Kind.FILE,
        "The private key file to log in with; empty: the agent's keys.",
        "ssh key",
        unset="the agent's keys",
    ),
    Key(
        "ssh.port",
        "port",
        Kind.NUMBER,
        "The port of sshd on the hosts.",
        "ssh port",
        low=1,
        high=65535,
    ),
    Key(
        "ssh.jump",
        "jump",
        Kind.TEXT,
        "Through which the hosts are reached: [user@]host[:port].",
        "jump host",
        unset="none",
        clean=clean_jump,
        wrong=wrong_jump,
    ),
    Key(
        "ssh.concurrency",
        "concurrency",
        Kind.NUMBER,
        "How many hosts are at work at a time, 1 to 512.",
        "at once",
        low=1,
        high=512,
    ),
    Key(
        "ssh.connectTimeout",
        "connect_timeout_s",
        Kind.NUMBER,
        "Seconds until a host counts as silent, 1 to 600.",
        "connect limit",
        low=1,
        high=600,
    ),
    Key(
        "ssh.config",
        "config_file",
        Kind.FILE,
        "An OpenSSH config to honour; else the user's own.",
        "ssh config",
        unset="the user's own file",
    ),
    Key(
        "ssh.knownHosts",
        "known_hosts",
        Kind.FILE,
        "A known_hosts file of the site's own; may be empty.",
        "known hosts",
        unset="the user's own file",
    ),
    Key(
        "ssh.hostKeys",
        "host_keys",
        Kind.TEXTS,
        "A host key that you compared: SHA256:.. as ssh-keygen -lf shows it.",
        "compared keys",
        unset="none: they are accepted one by one",
        more="Or a list of them.",
        wrong=_wrong_fingerprint,
    ),
    Key(
        "warm",
        "warm",
        Kind.CHOICE,
        "pull: from a registry; load: streamed from the bundles.",
        "warm by",
        choices=(Warm.PULL.value, Warm.LOAD.value),
        more="In mode `none` the registry is there for the time of the run.",
    ),
    Key(
        "verifyRun",
        "verify_run",
        Kind.FLAG,
        "true: each host runs one small image at the end.",
        "try one",
        choices=YES_NO,
    ),
    Key(
        "laterBundleWins",
        "later_bundle_wins",
        Kind.FLAG,
        "true: of bundles with one name the later file counts.",
        "later wins",
        choices=YES_NO,
        more="`false`: different images under one name are an error.",
    ),
    Key(
        "keepSourceRegistry",
        "keep_source_registry",
        Kind.FLAG,
        "true: names here begin with the source registry.",
        "keep source",
        choices=YES_NO,
        unset="false",
        more="Such as `localhost:5001/quay.io/calico/node:v3`, so two registries may have one "
        "path. Bundles that were imported before get these names with the next import; where the "
        "key does not stand, names stay as each bundle was imported.",
    ),
    Key(
        "carryArtifacts",
        "carry_artifacts",
        Kind.FLAG,
        "false: signatures, SBOMs and charts stay out.",
        "artifacts",
        choices=YES_NO,
        more="`true`: what bundles hold beside images goes along to the byte. Without it the "
        "digests of indexes that name such things change.",
    ),
    Key(
        "release",
        "release",
        Kind.TEXT,
        "The site's release, where the bundles' names do not tell it.",
        unset="from the names of the bundles",
        more="The registry needs 5.2 or later.",
        wrong=_wrong_release,
    ),
    Key(
        "compressionLevel",
        "compression_level",
        Kind.NUMBER,
        "How hard images are packed: 0 (fast) to 3 (small).",
        "compression",
        choices=("0", "1", "2", "3"),
        low=0,
        high=3,
    ),
    Key("stateDir", "state_dir", Kind.PATH, "Where Airferry keeps its journal and logs."),
)
KEY_AT = {key.path: key for key in KEYS}
TOP_LEVEL = frozenset({HOSTS, SECTION, *(key.path for key in KEYS if not key.in_section)})


def keys_for(mode: Mode) -> list[Key]:
    """Return the keys that mean something in a mode."""
    return [key for key in KEYS if not key.modes or mode in key.modes]


def paths_that_must_exist(config: Config) -> list[tuple[Key, Path]]:
    """Return the files and directories that a config names and that are to be there already."""
    found: list[tuple[Key, Path]] = []
    for key in KEYS:
        if key.kind in (Kind.FILE, Kind.FILES):
            value = key.value(config)
            paths = value if isinstance(value, tuple) else (value,)
            found += [(key, path) for path in paths if isinstance(path, Path)]
    return found

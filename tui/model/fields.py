"""The keys of the config that the form shows, with the help for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.config import Config, Mode, Warm

YES_NO = ("false", "true")


@dataclass(frozen=True)
class Field:
    """One key of the form.

    Args:
        key: Its key path in the file.
        label: What the form calls it.
        help: One sentence: what it is for, and what is allowed.
        modes: The modes in which it means something; empty for all.
        choices: What it can be, where that is one of a few.
    """

    key: str
    label: str
    help: str
    modes: tuple[Mode, ...] = ()
    choices: tuple[str, ...] = ()


FIELDS = (
    Field(
        "privateRegistryType",
        "mode",
        "How hosts get their images; Mode says more of each.",
        choices=(Mode.NONE.value, Mode.DU.value, Mode.CUSTOM.value),
    ),
    Field("dockerRepo", "dockerRepo", "The offline Docker bundle, or a directory of them."),
    Field("imagesDir", "imagesDir", "The directory that the bundles are in."),
    Field(
        "privateRegistryBase",
        "registry",
        "The site's own registry: host[:port][/path], without http://.",
        (Mode.CUSTOM,),
    ),
    Field(
        "privateRegistryCA",
        "registry CA",
        "The file with the CA that signed the registry's certificate.",
        (Mode.CUSTOM,),
    ),
    Field(
        "privateRegistryInsecure",
        "plain HTTP",
        "true: without TLS; only inside a trusted network.",
        (Mode.CUSTOM,),
        YES_NO,
    ),
    Field(
        "privateRegistryUser",
        "registry user",
        "The name to log in with; the password is asked for at Review.",
        (Mode.CUSTOM,),
    ),
    Field(
        "privateRegistryHostLogin",
        "login on hosts",
        "true: hosts keep it in /root/.docker; root can read it.",
        (Mode.CUSTOM,),
        YES_NO,
    ),
    Field(
        "registryDir",
        "registryDir",
        "Where this machine's registry stores its content.",
        (Mode.NONE, Mode.DU),
    ),
    Field(
        "registryPort",
        "registry port",
        "Its port here, on 127.0.0.1 only.",
        (Mode.NONE, Mode.DU),
    ),
    Field(
        "hostRegistryPort",
        "port on hosts",
        "The end of the tunnel on each host, on its 127.0.0.1 only.",
        (Mode.DU,),
    ),
    Field(
        "ssh.user",
        "ssh user",
        "Who logs in to the hosts: root or one with sudo. w on Hosts: its password.",
    ),
    Field("ssh.key", "ssh key", "The private key file to log in with; empty: the agent's keys."),
    Field("ssh.port", "ssh port", "The port of sshd on the hosts."),
    Field("ssh.jump", "jump host", "Through which the hosts are reached: [user@]host[:port]."),
    Field("ssh.concurrency", "at once", "How many hosts are at work at a time, 1 to 512."),
    Field(
        "ssh.connectTimeout", "connect limit", "Seconds until a host counts as silent, 1 to 600."
    ),
    Field("ssh.config", "ssh config", "An OpenSSH config to honour; else the user's own."),
    Field("ssh.knownHosts", "known hosts", "A known_hosts file of the site's own; may be empty."),
    Field(
        "ssh.hostKeys",
        "compared keys",
        "A host key that you compared: SHA256:.. as ssh-keygen -lf shows it.",
    ),
    Field(
        "warm",
        "warm by",
        "pull: from a registry; load: streamed from the bundles.",
        choices=(Warm.PULL.value, Warm.LOAD.value),
    ),
    Field(
        "verifyRun",
        "try one",
        "true: each host runs one small image at the end.",
        choices=YES_NO,
    ),
    Field(
        "laterBundleWins",
        "later wins",
        "true: of bundles with one name the later file counts.",
        choices=YES_NO,
    ),
    Field(
        "keepSourceRegistry",
        "keep source",
        "true: names here begin with the source registry.",
        choices=YES_NO,
    ),
    Field(
        "carryArtifacts",
        "artifacts",
        "false: signatures, SBOMs and charts stay out.",
        choices=YES_NO,
    ),
    Field("release", "release", "The site's release, where the bundles' names do not tell it."),
    Field(
        "compressionLevel",
        "compression",
        "How hard images are packed: 0 (fast) to 3 (small).",
        choices=("0", "1", "2", "3"),
    ),
    Field("stateDir", "stateDir", "Where Airferry keeps its journal and logs."),
)


def fields_for(mode: Mode) -> list[Field]:
    """Return the fields that mean something in a mode."""
    return [field for field in FIELDS if not field.modes or mode in field.modes]


def picked(field: Field, value: str) -> str:
    """Return which of a field's choices a value is; empty for none of them."""
    word = value.strip().lower()
    if field.choices == YES_NO:
        word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(word, word)
    return word if word in field.choices else ""


def default_of(key: str, config: Config) -> str:
    """Return what is in force for a key that the file does not set."""
    ssh = config.ssh
    shown: Mapping[str, object] = {
        "privateRegistryType": config.mode.value,
        "dockerRepo": ", ".join(map(str, config.docker_repo)) or "none",
        "imagesDir": config.images_dir,
        "registryDir": config.registry_dir,
        "registryPort": config.registry_port,
        "hostRegistryPort": config.host_registry_port,
        "privateRegistryInsecure": "false",
        "privateRegistryHostLogin": "false",
        "laterBundleWins": "false",
        "keepSourceRegistry": "false",
        "carryArtifacts": "true",
        "warm": config.warm.value,
        "verifyRun": "false",
        "release": "from the names of the bundles",
        "compressionLevel": config.compression_level,
        "ssh.user": ssh.user,
        "ssh.key": ssh.key or "the agent's keys",
        "ssh.port": ssh.port,
        "ssh.jump": "none",
        "ssh.config": "the user's own file",
        "ssh.knownHosts": ssh.known_hosts or "the user's own file",
        "ssh.hostKeys": "none: k on Hosts accepts them one by one",
        "ssh.concurrency": ssh.concurrency,
        "ssh.connectTimeout": ssh.connect_timeout_s,
        "stateDir": config.state_dir,
    }
    return str(shown.get(key, ""))

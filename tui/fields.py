"""The keys of the config that the form shows, with the help for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.config import Config, Mode


@dataclass(frozen=True)
class Field:
    """One key of the form.

    Args:
        key: Its key path in the file.
        label: What the form calls it.
        help: One sentence: what it is for, and what is allowed.
        modes: The modes in which it means something; empty for all.
    """

    key: str
    label: str
    help: str
    modes: tuple[Mode, ...] = ()


FIELDS = (
    Field("privateRegistryType", "mode", "How hosts get their images: du, none or custom."),
    Field("dockerRepo", "dockerRepo", "The offline Docker bundle, for hosts that have no Docker."),
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
        "true: speak with the registry without TLS. Only inside a trusted network.",
        (Mode.CUSTOM,),
    ),
    Field("privateRegistryUser", "registry user", "The name to log in with.", (Mode.CUSTOM,)),
    Field(
        "registryDir",
        "registryDir",
        "Where this machine's registry stores its content.",
        (Mode.DU,),
    ),
    Field("registryPort", "registry port", "Its port here, on 127.0.0.1 only.", (Mode.DU,)),
    Field(
        "hostRegistryPort",
        "port on hosts",
        "The end of the tunnel on each host, on its 127.0.0.1 only.",
        (Mode.DU,),
    ),
    Field(
        "laterBundleWins",
        "later wins",
        "true: of two bundles with one name, the later file name has it. Else that is an error.",
    ),
    Field("compressionLevel", "compression", "Of layers on their way: 0 (fast) to 3 (small)."),
    Field("ssh.user", "ssh user", "Who logs in to the hosts: root, or one with sudo NOPASSWD."),
    Field("ssh.key", "ssh key", "The private key file to log in with; empty: the agent's keys."),
    Field("ssh.port", "ssh port", "The port of sshd on the hosts."),
    Field("ssh.knownHosts", "known hosts", "A known_hosts file of the site's own; may be empty."),
    Field("ssh.concurrency", "at once", "How many hosts are at work at a time, 1 to 512."),
    Field("stateDir", "stateDir", "Where Airferry keeps its journal and logs."),
)


def fields_for(mode: Mode) -> list[Field]:
    """Return the fields that mean something in a mode."""
    return [field for field in FIELDS if not field.modes or mode in field.modes]


def default_of(key: str, config: Config) -> str:
    """Return what is in force for a key that the file does not set."""
    ssh = config.ssh
    shown: Mapping[str, object] = {
        "privateRegistryType": config.mode.value,
        "dockerRepo": config.docker_repo or "none",
        "imagesDir": config.images_dir,
        "registryDir": config.registry_dir,
        "registryPort": config.registry_port,
        "hostRegistryPort": config.host_registry_port,
        "privateRegistryInsecure": "false",
        "laterBundleWins": "false",
        "compressionLevel": config.compression_level,
        "ssh.user": ssh.user,
        "ssh.key": ssh.key or "the agent's keys",
        "ssh.port": ssh.port,
        "ssh.knownHosts": ssh.known_hosts or "the user's own file",
        "ssh.concurrency": ssh.concurrency,
        "stateDir": config.state_dir,
    }
    return str(shown.get(key, ""))

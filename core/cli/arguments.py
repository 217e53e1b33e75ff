"""The command line, described."""

from __future__ import annotations

import argparse
from pathlib import Path

from core import __version__

MIN_PART_BYTES = 1_000_000


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all headless commands."""
    parser = argparse.ArgumentParser(
        prog="airferry",
        description="Carries container images across the air gap. Without a command: the screens.",
        epilog="Exit codes: 0 well, 1 some target failed, 2 bad usage or config, 3 done, but for "
        "what bundles hold that is not whole (--keep-going), 130 cancelled.",
    )
    parser.add_argument("--version", action="version", version=f"airferry {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_jobs(commands)
    _add_bundles(commands)
    _add_hosts(commands)
    _add_backups(commands)
    _add_services(commands)
    _add_cluster(commands)
    _add_views(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, words: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=words, description=words)
    parser.add_argument("--config", metavar="FILE", help="the config (default: airctl-config.yaml)")
    parser.add_argument("--json", action="store_true", help="print data as JSON")
    parser.add_argument("--verbose", action="store_true", help="print the log of the run as well")
    return parser


def _add_jobs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = _command(commands, "check", "check config, hosts and bundles; change nothing")
    plan = _command(commands, "plan", "show what an install would do; change nothing")
    verify = _command(commands, "verify", "check that registry and hosts have every image")
    install = _command(commands, "install", "do the whole job: import, then every host")
    importing = _command(commands, "import", "put bundles into the registry")
    configure = _command(commands, "configure-hosts", "make the hosts ready and warm their caches")
    importing.add_argument(
        "bundles",
        nargs="*",
        type=Path,
        metavar="BUNDLE",
        help="a file, a part of a split one, an OCI layout directory, or - (default: imagesDir)",
    )
    importing.add_argument(
        "--name", default="", metavar="NAME", help="name for the one image of a bundle without any"
    )
    importing.add_argument(
        "--recompress", choices=["gzip"], help="turn zstd layers into gzip, for Docker before 23"
    )
    changing = _command(
        commands, "reconfigure", "make the site what the config says now, and leave what it was"
    )
    _add_reconfigure(changing)
    for parser in (plan, install, importing, changing):
        parser.add_argument(
            "--keep-going",
            action="store_true",
            help="import what is whole of bundles that are not, and end with 3",
        )
        parser.add_argument(
            "--keep-source-registry",
            action="store_true",
            help="names on the site begin with the registry that images came from",
        )
        parser.add_argument(
            "--without-artifacts",
            action="store_true",
            help="leave out attestations, signatures, SBOMs and charts, and digests that need them",
        )
    for parser in (plan, verify, install, importing, configure, changing):
        parser.add_argument(
            "--later-wins", action="store_true", help="same name twice: the later bundle has it"
        )
    for parser in (plan, verify, install, configure):
        parser.add_argument(
            "--skip-docker-img-import", action="store_true", help="leave the hosts' caches alone"
        )
    for parser in (check, plan, verify, install, configure, changing):
        parser.add_argument(
            "--host", action="append", default=[], metavar="NAME", help="only this host (repeat)"
        )
        _add_login(parser)
    _add_secrets_fd(importing)
    for parser in (plan, verify, install, importing, configure, changing):
        _add_registry_login(parser)
    configure.add_argument(
        "--only-failed", action="store_true", help="only hosts that are not ready since last time"
    )
    for parser in (install, importing, configure, changing):
        parser.add_argument(
            "--detach", action="store_true", help="print the run's number and return at once"
        )


def _add_reconfigure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would change and what stays; do nothing"
    )
    parser.add_argument(
        "--remove-registry",
        action="store_true",
        help="remove what the registry of this machine stores, where the site leaves mode du",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _add_hosts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    host = commands.add_parser("host", help="single hosts: facts, check, clean")
    actions = host.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in (
        ("facts", "tell what hosts are; change nothing"),
        ("check", "tell whether hosts can take part; change nothing"),
        ("clean", "take away what Airferry put on hosts; Docker stays unless asked"),
    ):
        parser = _command(actions, name, words)
        parser.add_argument(
            "hosts", nargs="+", metavar="HOST", help="name or address, as in config"
        )
        _add_login(parser)
        if name == "clean":
            parser.add_argument("--docker", action="store_true", help="take Docker away as well")
            parser.add_argument("--yes", action="store_true", help="do not ask")
            parser.add_argument(
                "--dry-run", action="store_true", help="say what would go; change nothing"
            )
            parser.add_argument(
                "--detach", action="store_true", help="print the run's number and return at once"
            )


def _add_login(parser: argparse.ArgumentParser) -> None:
    """Add what is needed to log in to hosts; no option takes a secret on the command line."""
    parser.add_argument(
        "--accept-new-host-keys", action="store_true", help="trust host keys never seen before"
    )
    parser.add_argument("--ask-pass", action="store_true", help="ask for the password of the login")
    parser.add_argument("--ask-sudo-pass", action="store_true", help="ask for sudo's password")
    parser.add_argument("--ask-key-pass", action="store_true", help="ask for the key's passphrase")
    _add_secrets_fd(parser)


def _add_secrets_fd(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--secrets-fd", type=int, metavar="N", help="read secrets as JSON from this descriptor"
    )


def _add_registry_login(parser: argparse.ArgumentParser) -> None:
    """Add what asks for the login to the site's own registry."""
    parser.add_argument(
        "--ask-registry-password",
        action="store_true",
        help="mode custom: ask for the registry's password (else the environment, docker login)",
    )


def _add_backups(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backup = _command(commands, "backup", "write the registry's whole content to a disk or stick")
    restore = _command(commands, "restore", "put a backup back into the registry")
    backup.add_argument(
        "--outdir", type=Path, required=True, metavar="DIR", help="where the backup goes"
    )
    backup.add_argument(
        "--since", type=Path, metavar="FILE", help="leave out what this earlier backup holds"
    )
    backup.add_argument(
        "--split",
        type=_byte_count,
        default=0,
        metavar="BYTES",
        help="write parts of this size (also 3900M, 4G): FAT takes no file over 4 GiB",
    )
    restore.add_argument(
        "bundles", nargs="+", type=Path, metavar="FILE", help="the backup, and those it builds on"
    )
    restore.add_argument(
        "--prune", action="store_true", help="remove tags that the backup does not have"
    )
    for parser in (backup, restore):
        _add_registry_login(parser)
        _add_secrets_fd(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done; change nothing"
        )
        parser.add_argument(
            "--detach", action="store_true", help="print the run's number and return at once"
        )


def _byte_count(text: str) -> int:
    """Return a number of bytes; k, M and G mean powers of ten, as everywhere here."""
    factors = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}
    digits = text.removesuffix("B")
    factor = factors.get(digits[-1:], 1)
    number = digits[:-1] if factor > 1 else digits
    if not number.isascii() or not number.isdigit() or int(number) * factor < MIN_PART_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no size of {MIN_PART_BYTES} bytes or more")
    return int(number) * factor


def _add_services(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    registry = commands.add_parser("registry", help="the registry on this machine")
    actions = registry.add_subparsers(dest="action", required=True, metavar="ACTION")
    _command(actions, "start", "start the registry")
    _command(actions, "stop", "stop the registry; its content stays")
    _command(actions, "status", "tell whether it runs, and where")
    listing = _command(actions, "list", "list names, sizes, platforms and where they came from")
    _add_registry_login(listing)
    _add_secrets_fd(listing)
    deleting = _command(actions, "delete", "delete names; the images on the hosts stay")
    deleting.add_argument("names", nargs="+", metavar="NAME", help="such as calico/node:v3.20")
    deleting.add_argument("--yes", action="store_true", help="do not ask")
    _add_upkeep(actions)
    tunnels = commands.add_parser("tunnels", help="the tunnels between this machine and the hosts")
    actions = tunnels.add_subparsers(dest="action", required=True, metavar="ACTION")
    _command(actions, "run", "keep the tunnels, in the foreground: what the service does")
    _command(actions, "status", "tell how each tunnel fares")
    _command(actions, "stop", "stop the service that keeps the tunnels")


def _add_cluster(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    files = _command(
        commands, "cluster-files", "write what a cluster needs to use the images: files and names"
    )
    files.add_argument(
        "--outdir",
        type=Path,
        metavar="DIR",
        help="a copy goes there as well, into a directory of its own (a stick)",
    )
    _add_registry_login(files)
    _add_secrets_fd(files)


def _add_upkeep(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = _command(actions, "verify", "read all that is stored and compare it with its digests")
    verify.add_argument(
        "--repair", action="store_true", help="mend it from bundles in imagesDir or a backup"
    )
    verify.add_argument(
        "--from",
        dest="backups",
        nargs="+",
        type=Path,
        metavar="BACKUP",
        help="backups that may have the parts",
    )
    _add_registry_login(verify)
    _add_secrets_fd(verify)
    gc = _command(actions, "gc", "give back the room of what no name needs")
    keep = _command(actions, "keep", "keep the newest generations of bundles, clear the rest")
    keep.add_argument("generations", type=int, metavar="N", help="how many stay, 1 or more")
    keep.add_argument("--yes", action="store_true", help="do not ask")
    for parser in (verify, gc, keep):
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done; change nothing"
        )
        parser.add_argument(
            "--detach", action="store_true", help="print the run's number and return at once"
        )


def _add_bundles(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bundle = commands.add_parser("bundle", help="look into bundles, take them from a stick")
    actions = bundle.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in (
        ("list", "show images, tags, platforms, layers and sizes"),
        ("verify", "check everything that an import would check"),
    ):
        parser = actions.add_parser(name, help=words, description=words)
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="- is stdin")
        parser.add_argument("--json", action="store_true", help="print data as JSON")
    taking = _command(actions, "take", "copy bundles from a stick into imagesDir, and compare them")
    taking.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file, or one part")
    taking.add_argument(
        "--detach", action="store_true", help="print the run's number and return at once"
    )


def _add_views(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _command(commands, "runs", "list the runs of this site")
    watch = _command(commands, "watch", "follow a run")
    report = _command(commands, "report", "print the report of a run")
    cancel = _command(commands, "cancel", "end the run that is at work")
    pause = _command(commands, "pause", "hold the run that is at work; nothing is lost")
    resume = _command(commands, "resume", "let the run that is paused go on")
    retry = _command(commands, "retry", "try hosts again that failed in the run at work")
    retry.add_argument("hosts", nargs="*", metavar="HOST", help="default: all that failed in it")
    for parser in (watch, report, cancel, pause, resume):
        parser.add_argument("run", nargs="?", type=int, help="number of the run (default: newest)")
    report.add_argument("--log", action="store_true", help="add the log of the run")
    places = report.add_mutually_exclusive_group()
    places.add_argument("--output", type=Path, metavar="FILE", help="write it to a file")
    places.add_argument(
        "--to",
        type=Path,
        metavar="PLACE",
        help="write it as Markdown and as JSON into a directory, or under a name (a stick)",
    )
    support = _command(commands, "support", "write all there is to say of a site, without secrets")
    support.add_argument("--run", type=int, metavar="N", help="the run whose report is in it")
    support.add_argument(
        "--to", type=Path, metavar="PLACE", help="a directory or a file (default: this directory)"
    )

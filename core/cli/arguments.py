"""The command line, described."""

from __future__ import annotations

import argparse
from pathlib import Path

from core import __version__


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all headless commands."""
    parser = argparse.ArgumentParser(
        prog="airferry",
        description="Carries container images across the air gap. Without a command: the screens.",
        epilog="Exit codes: 0 well, 1 some target failed, 2 bad usage or config, 130 cancelled.",
    )
    parser.add_argument("--version", action="version", version=f"airferry {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_jobs(commands)
    _add_bundles(commands)
    _add_services(commands)
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
    for parser in (install, importing):
        parser.add_argument(
            "--keep-going", action="store_true", help="import what is whole of a damaged bundle"
        )
    for parser in (plan, verify, install, importing, configure):
        parser.add_argument(
            "--later-wins", action="store_true", help="same name twice: the later bundle has it"
        )
    for parser in (plan, verify, install, configure):
        parser.add_argument(
            "--skip-docker-img-import", action="store_true", help="leave the hosts' caches alone"
        )
    for parser in (check, plan, verify, install, configure):
        parser.add_argument(
            "--host", action="append", default=[], metavar="NAME", help="only this host (repeat)"
        )
        parser.add_argument(
            "--accept-new-host-keys", action="store_true", help="trust host keys never seen before"
        )
    configure.add_argument(
        "--only-failed", action="store_true", help="only hosts that are not ready since last time"
    )
    for parser in (install, importing, configure):
        parser.add_argument(
            "--detach", action="store_true", help="print the run's number and return at once"
        )


def _add_services(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    registry = commands.add_parser("registry", help="the registry on this machine")
    actions = registry.add_subparsers(dest="action", required=True, metavar="ACTION")
    _command(actions, "start", "start the registry")
    _command(actions, "stop", "stop the registry; its content stays")
    _command(actions, "status", "tell whether it runs, and where")
    _command(actions, "list", "list repositories, tags and sizes")
    tunnels = commands.add_parser("tunnels", help="the tunnels between this machine and the hosts")
    actions = tunnels.add_subparsers(dest="action", required=True, metavar="ACTION")
    _command(actions, "status", "tell how each tunnel fares")
    _command(actions, "stop", "stop the service that keeps the tunnels")


def _add_bundles(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bundle = commands.add_parser("bundle", help="look into bundles; needs no config")
    actions = bundle.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in (
        ("list", "show images, tags, platforms, layers and sizes"),
        ("verify", "check everything that an import would check"),
    ):
        parser = actions.add_parser(name, help=words, description=words)
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="- is stdin")
        parser.add_argument("--json", action="store_true", help="print data as JSON")


def _add_views(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _command(commands, "runs", "list the runs of this site")
    watch = _command(commands, "watch", "follow a run")
    report = _command(commands, "report", "print the report of a run")
    cancel = _command(commands, "cancel", "end the run that is at work")
    for parser in (watch, report, cancel):
        parser.add_argument("run", nargs="?", type=int, help="number of the run (default: newest)")
    report.add_argument("--log", action="store_true", help="add the log of the run")
    report.add_argument("--output", type=Path, metavar="FILE", help="write it to a file")

"""Dispatch, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import TextIO, cast

from core.cli.arguments import build_parser
from core.config import Config, find_config, load_config
from core.errors import AirferryError, InternalError
from core.printable import PrintableStream

Command = Callable[[Namespace, Config], int]
COMMANDS: Mapping[str, str] = {
    "check": "jobs.check",
    "plan": "jobs.plan",
    "verify": "jobs.verify",
    "install": "jobs.install",
    "import": "jobs.import_bundles",
    "bundle": "jobs.take",
    "configure-hosts": "jobs.configure_hosts",
    "reconfigure": "reconfigure.reconfigure",
    "backup": "backup.backup",
    "restore": "backup.restore",
    "cluster-files": "cluster.cluster_files",
    "host": "hosts.host",
    "registry": "services.registry",
    "tunnels": "services.tunnels",
    "runs": "views.runs",
    "watch": "views.watch",
    "report": "views.report",
    "cancel": "controls.cancel",
    "pause": "controls.pause",
    "resume": "controls.resume",
    "retry": "controls.retry",
}
"""Where each command is: its module is loaded only when it is asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one headless command.

    Args:
        arguments: The command line; that of the process if None.

    Returns:
        The exit code: 0 all well, 1 some target failed, 2 bad usage or config, 3 done but for parts
        of bundles, 130 cancelled.
    """
    with redirect_stdout(_shown(sys.stdout)), redirect_stderr(_shown(sys.stderr)):
        return _main(arguments)


def _shown(stream: TextIO) -> TextIO:
    return cast(TextIO, PrintableStream(stream))


def _main(arguments: Sequence[str] | None) -> int:
    options = build_parser().parse_args(arguments)
    if options.command is None:
        build_parser().print_usage(sys.stderr)
        return 2
    try:
        if options.command == "bundle" and options.action != "take":
            from core.cli import bundles

            return bundles.bundle(options)
        if options.command == "support":
            from core.cli import support

            return support.support(options)
        config = load_config(find_config(options.config))
        return _command(options.command)(options, config)
    except AirferryError as error:
        print_error(error, as_json=options.json)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the boundary where the process ends
        fault = InternalError(f"{type(error).__name__}: {error}", remedy=_keep_traceback())
        print_error(fault, as_json=options.json)
        return fault.exit_code


def _command(name: str) -> Command:
    module, _, function = COMMANDS[name].partition(".")
    return cast(Command, getattr(import_module(f"core.cli.{module}"), function))


def _keep_traceback() -> str:
    """Write the traceback to a file, for whoever mends Airferry, and say where it is."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="airferry-fault-", suffix=".txt", delete=False
    ) as file:
        traceback.print_exc(file=file)
    return f"Run it again; if it stays, report it with {file.name}."


def print_error(error: AirferryError, *, as_json: bool) -> None:
    """Tell what happened and what to do about it."""
    if as_json:
        record = {"code": error.code, "what": error.what, "remedy": error.remedy}
        print(json.dumps({"error": record}))
    print(f"airferry: {error.what} [{error.code}]", file=sys.stderr)
    print(f"  {error.remedy}", file=sys.stderr)

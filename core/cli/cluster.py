"""The command that writes what the cluster side needs."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from core.cli.secrets import asked_secrets
from core.config import Config
from core.engine.cluster import (
    about,
    export_cluster_files,
    read_files,
    unread_bundles,
    write_cluster_files,
)


def cluster_files(options: Namespace, config: Config) -> int:
    """Write the files for the cluster anew, and say where they are and what each is for."""
    directory = write_cluster_files(config, asked_secrets(options, config).registry)
    if options.outdir:
        directory = export_cluster_files(config, options.outdir.absolute())
    paths, unread = list(read_files(directory)), unread_bundles(config)
    if options.json:
        record = {"directory": str(directory), "files": paths, "unread": unread}
        print(json.dumps(record))
        return 0
    for path in paths:
        print(f"{path:<46}  {about(path)}")
    print(f"in {directory}")
    for name in unread:
        print(
            f"airferry: {name} was never read, so its images are not in these files; "
            "run: airferry install",
            file=sys.stderr,
        )
    return 0

"""Makes the recordings that the screens' tests play: `python -m tests.lab.recordings`.

Four sites on the running lab, each with hosts that have no Docker at first: one for each mode, and
one with a host that is switched off until its retry. What they are called is in NAMES.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.lab.network import DU_ADDRESS, SUBNET
from tests.lab.program import Program
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT
from tests.support.registry import fresh_registry
from tests.tui.record import neutral, parse, record_run
from tests.tui.recording import RECORDED, RecordedRun, Recording

ALL = ("check", "plan", "install", "verify")
NAMES = ("du", "none", "custom", "failed")


@contextmanager
def changes_of(name: str, directory: Path) -> Iterator[dict[str, object]]:
    """Give what a recording's config says otherwise than the lab's."""
    if name == "none":
        yield {"privateRegistryType": "none"}
    elif name == "custom":
        with fresh_registry(directory, DU_ADDRESS) as address:
            yield {
                "privateRegistryType": "custom",
                "privateRegistryBase": f"{address}/site",
                "privateRegistryInsecure": True,
            }
    else:
        yield {}


def record(site: Site, name: str, directory: Path) -> str:
    """Make the runs of one recording and return it as text."""
    site.reset_hosts()
    with changes_of(name, directory) as changes:
        program = Program(site, directory, **changes)
        try:
            runs = list(_runs(site, program, name))
        finally:
            program.clean_up()
        replaced = {
            f"{directory}/": "",
            f"{site.directory}/": "",
            str(directory): ".",
            str(SUBNET[0]).removesuffix(".0"): "10.20.0",
            str(REGISTRY_PORT): "5100",
        }
        base = changes.get("privateRegistryBase")
        if base:
            replaced[str(base).partition("/")[0]] = "registry.site:5000"
        config = yaml.safe_dump(program.config, sort_keys=False)
    return neutral(Recording(config, tuple(runs)), replaced)


def _runs(site: Site, program: Program, name: str) -> Iterator[RecordedRun]:
    """Yield the runs of one recording as they are made."""
    if name != "failed":
        yield from (record_run(parse(kind, program.config_path)) for kind in ALL)
        return
    away = site.hosts[-1]
    away.stop()
    for kind in ("check", "plan", "install"):
        yield record_run(parse(kind, program.config_path))
    away.start()
    for kind in ("plan", "configure-hosts"):
        yield record_run(parse(f"{kind}:{away.name}", program.config_path))
    yield record_run(parse("check", program.config_path))


def main(names: list[str]) -> int:
    """Make the recordings that are named, or all of them."""
    site = Site.load()
    for name in names or NAMES:
        with tempfile.TemporaryDirectory(prefix="airferry-record-") as directory:
            path = RECORDED / f"{name}.json"
            RECORDED.mkdir(exist_ok=True)
            path.write_text(record(site, name, Path(directory)), encoding="utf-8")
            print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What a run is asked to do: handed from a command or a screen to the engine's process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path


class RunKind(StrEnum):
    """The runs there are."""

    INSTALL = "install"
    IMPORT = "import"
    CONFIGURE_HOSTS = "configure-hosts"
    PLAN = "plan"
    CHECK = "check"
    VERIFY = "verify"
    CLEAN = "clean"
    TAKE = "take"
    BACKUP = "backup"
    RESTORE = "restore"
    PLAN_BACKUP = "plan-backup"
    PLAN_RESTORE = "plan-restore"
    PLAN_CLEAN = "plan-clean"
    REGISTRY_VERIFY = "registry-verify"
    REPAIR = "registry-repair"
    GC = "registry-gc"
    KEEP = "registry-keep"
    PLAN_REPAIR = "plan-repair"
    PLAN_GC = "plan-gc"
    PLAN_KEEP = "plan-keep"
    RECONFIGURE = "reconfigure"
    PLAN_RECONFIGURE = "plan-reconfigure"

    @property
    def changes_things(self) -> bool:
        """Whether it changes the site; such runs are made one at a time."""
        return self in CHANGING


CHANGING = (
    RunKind.INSTALL,
    RunKind.IMPORT,
    RunKind.CONFIGURE_HOSTS,
    RunKind.CLEAN,
    RunKind.TAKE,
    RunKind.BACKUP,
    RunKind.RESTORE,
    RunKind.REPAIR,
    RunKind.GC,
    RunKind.KEEP,
    RunKind.RECONFIGURE,
)
BACKUPS = (RunKind.BACKUP, RunKind.PLAN_BACKUP)
RESTORES = (RunKind.RESTORE, RunKind.PLAN_RESTORE)
REPAIRS = (RunKind.REPAIR, RunKind.PLAN_REPAIR)
GCS = (RunKind.GC, RunKind.PLAN_GC)
KEEPS = (RunKind.KEEP, RunKind.PLAN_KEEP)
UPKEEP = (RunKind.REGISTRY_VERIFY, *REPAIRS, *GCS, *KEEPS)
PLANS = (
    RunKind.PLAN,
    RunKind.PLAN_BACKUP,
    RunKind.PLAN_RESTORE,
    RunKind.PLAN_CLEAN,
    RunKind.PLAN_REPAIR,
    RunKind.PLAN_GC,
    RunKind.PLAN_KEEP,
    RunKind.PLAN_RECONFIGURE,
)
RECONFIGURES = (RunKind.RECONFIGURE, RunKind.PLAN_RECONFIGURE)
HOST_JOBS = (RunKind.INSTALL, RunKind.CONFIGURE_HOSTS, RunKind.RECONFIGURE)
"""The runs that make hosts ready: what the newest of them says is how a host fares."""
CLEANS = (RunKind.CLEAN, RunKind.PLAN_CLEAN)
_PLANS = {
    RunKind.BACKUP: RunKind.PLAN_BACKUP,
    RunKind.RESTORE: RunKind.PLAN_RESTORE,
    RunKind.CLEAN: RunKind.PLAN_CLEAN,
    RunKind.REPAIR: RunKind.PLAN_REPAIR,
    RunKind.GC: RunKind.PLAN_GC,
    RunKind.KEEP: RunKind.PLAN_KEEP,
    RunKind.RECONFIGURE: RunKind.PLAN_RECONFIGURE,
}


@dataclass(frozen=True)
class RunRequest:
    """One run.

    Args:
        kind: What is to be done.
        config: The config file, absolute.
        bundles: Bundle files to import, empty for all of imagesDir; or those to take from a stick;
            or the backups to restore, or to take parts from.
        hosts: Names of the hosts to include; empty for all.
        skip_images: Do not warm the hosts' caches (`--skip-docker-img-import`).
        accept_new_host_keys: Accept and note host keys never seen before.
        compared_keys: Fingerprints that a person has compared: only such new keys are noted.
        keep_going: Import the images that are whole where others of a bundle are not.
        later_wins: Where two bundles have different images under one name, take the later's.
        keep_source_registry: Their names on the site begin with the registry they came from.
        recompress: Turn layers of zstd into gzip.
        without_artifacts: Leave out what travels with images: attestations, signatures, charts.
        name: The name for the one image of the one bundle.
        remove_docker: Take Docker away as well where Airferry installed it (clean).
        here_only: Only this machine's part (the dry run of an import).
        hosts_only: Only what the hosts need (the dry run of configure-hosts): no bundle is imported
            for a registry's sake.
        outdir: Where a backup goes.
        since: An earlier backup whose blobs are left out of it.
        split_bytes: The most that one file of it may hold; 0 for one file.
        remove_registry: Remove what the registry of this machine stores, where the site leaves it.
        prune: Remove what the backup that is restored does not have.
        generations: How many generations of bundles stay in the registry.
    """

    kind: RunKind
    config: Path
    bundles: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    skip_images: bool = False
    accept_new_host_keys: bool = False
    keep_going: bool = False
    later_wins: bool = False
    keep_source_registry: bool = False
    recompress: bool = False
    without_artifacts: bool = False
    name: str = ""
    remove_docker: bool = False
    here_only: bool = False
    hosts_only: bool = False
    outdir: Path | None = None
    since: Path | None = None
    split_bytes: int = 0
    prune: bool = False
    compared_keys: tuple[str, ...] = ()
    generations: int = 0
    remove_registry: bool = False

    def as_plan(self) -> RunRequest:
        """Return the request for the dry run of this one: what it would do, changing nothing."""
        kind = _PLANS.get(self.kind, RunKind.PLAN)
        return replace(
            self,
            kind=kind,
            here_only=self.kind is RunKind.IMPORT,
            hosts_only=self.kind is RunKind.CONFIGURE_HOSTS,
        )

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> RunRequest:
        """Read it back."""
        values = json.loads(text)
        return cls(
            **{
                **values,
                "kind": RunKind(values["kind"]),
                "config": Path(values["config"]),
                "bundles": tuple(Path(path) for path in values["bundles"]),
                "hosts": tuple(values["hosts"]),
                "compared_keys": tuple(values.get("compared_keys", ())),
                **{key: Path(values[key]) for key in ("outdir", "since") if values.get(key)},
            }
        )

"""Which job a run is of. A job is loaded when it is asked for: most need neither SSH nor Docker."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from core.engine.jobs.base import Job
from core.engine.request import RunKind, RunRequest

JOBS: Mapping[RunKind, str] = {
    RunKind.INSTALL: "install.Install",
    RunKind.IMPORT: "importing.Import",
    RunKind.CONFIGURE_HOSTS: "configure_hosts.ConfigureHosts",
    RunKind.RECONFIGURE: "reconfigure.Reconfigure",
    RunKind.PLAN_RECONFIGURE: "reconfigure.Reconfigure",
    RunKind.CHECK: "looking.Check",
    RunKind.VERIFY: "looking.Verify",
    RunKind.CLEAN: "clean.Clean",
    RunKind.PLAN_CLEAN: "clean.Clean",
    RunKind.TAKE: "take.Take",
    RunKind.BACKUP: "saving.Backup",
    RunKind.PLAN_BACKUP: "saving.Backup",
    RunKind.RESTORE: "saving.Restore",
    RunKind.PLAN_RESTORE: "saving.Restore",
    RunKind.REGISTRY_VERIFY: "upkeep.RegistryVerify",
    RunKind.REPAIR: "upkeep.Repair",
    RunKind.PLAN_REPAIR: "upkeep.Repair",
    RunKind.GC: "upkeep.Gc",
    RunKind.PLAN_GC: "upkeep.Gc",
    RunKind.KEEP: "upkeep.Keep",
    RunKind.PLAN_KEEP: "upkeep.Keep",
}


def job_of(request: RunRequest) -> Job:
    """Return the job that a request is for."""
    module, _, name = JOBS[_kind_of(request)].partition(".")
    kind = cast("type[Job]", getattr(import_module(f"core.engine.jobs.{module}"), name))
    return kind(request)


def _kind_of(request: RunRequest) -> RunKind:
    """Return the kind of the job; `plan` is the dry run of three, told apart by what it leaves."""
    if request.kind is not RunKind.PLAN:
        return request.kind
    if request.here_only:
        return RunKind.IMPORT
    return RunKind.CONFIGURE_HOSTS if request.hosts_only else RunKind.INSTALL

"""From a request to the steps of its run, in the order in which they are shown."""

from __future__ import annotations

from core.config import HostConfig
from core.engine.jobs.table import job_of
from core.engine.request import RunRequest
from core.steps.base import DU, Need, Step
from core.steps.cluster import ClusterFiles
from core.steps.work import Work


def build_plan(request: RunRequest, work: Work) -> list[Step]:
    """Return the steps of a run: those of this machine, those of each host, what ends here.

    Args:
        request: What is asked.
        work: The site; only its config and list of bundle files are read here, and, for a change of
            the site, to which hosts tunnels are kept.
    """
    job = job_of(request)
    steps = list(job.du_steps(work))
    needs = [Need(DU, steps[-1].id)] if steps else []
    if steps and job.writes_cluster_files:
        steps.append(ClusterFiles(work))
    hosts: list[HostConfig] = []
    if job.has_hosts:
        hosts = [h for h in work.config.hosts if not request.hosts or h.name in request.hosts]
    for host in hosts:
        steps += job.host_steps(work, host, needs)
    last = {step.target: step.id for step in steps if step.target != DU}
    return [*steps, *job.last_steps(work, hosts, (Need(*place) for place in last.items()))]

"""Dockers as sites have them, and what may stand in their daemon.json."""

from tests.lab.host_cases.case import HostCase

CASES: tuple[HostCase, ...] = (HostCase("as-it-is", "true"),)

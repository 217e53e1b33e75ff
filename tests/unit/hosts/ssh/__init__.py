"""Tests of core.hosts.ssh."""

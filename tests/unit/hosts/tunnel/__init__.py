"""Tests of core.hosts.tunnel."""

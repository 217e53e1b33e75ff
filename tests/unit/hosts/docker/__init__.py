"""Tests of core.hosts.docker."""

"""Tests of core.hosts.docker_install."""

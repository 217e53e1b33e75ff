"""Tests of core.registry.integrity."""

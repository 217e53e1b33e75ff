"""Tests of core.registry.imports."""

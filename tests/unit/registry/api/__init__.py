"""Tests of core.registry.api."""

"""Tests of core.registry.local."""

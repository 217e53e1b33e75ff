"""Tests of core.registry: what goes into a registry and out of it, and what lies on its disk."""

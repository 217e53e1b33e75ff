"""Tests of core.registry.backup."""

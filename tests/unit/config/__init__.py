"""Tests of core.config: the config read, edited in place, and shown to others."""

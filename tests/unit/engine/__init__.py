"""Tests of core.engine: plan, runner, journal, report, and the engine's process."""

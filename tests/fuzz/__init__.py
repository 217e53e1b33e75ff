"""Fuzzing: bundles damaged at random, compared with another reader; registries that answer so."""

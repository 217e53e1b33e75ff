"""Fuzzing of the readers: bundles damaged at random, compared with another reader."""

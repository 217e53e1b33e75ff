"""Tests of core.steps: what each step of a run does, and what is left when it is cut off."""

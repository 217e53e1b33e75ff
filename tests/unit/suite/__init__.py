"""Tests of the suite itself: the environment of tests, what is counted, and what is left behind."""

"""Tests of the lists of hosts that screens take in and write back, without any screen."""

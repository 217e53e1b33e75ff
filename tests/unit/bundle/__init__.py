"""Tests of core.bundle: readers of every kind of archive, and what is found in them."""

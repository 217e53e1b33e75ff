"""Tests of core.cluster: the files that are written for the cluster."""

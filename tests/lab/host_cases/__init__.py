"""Hosts as sites have them: each a recipe of a line or two, run by `test_host_cases.py`.

A file is a room of cases. A new case needs nothing but its lines there.
"""

"""The tests: unit, tui, lab (real hosts) and bench."""

"""All tests by one command, `python -m tests.suite`, with one summary."""

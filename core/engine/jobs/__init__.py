"""The jobs: each a file that says what it may be asked, what it needs, and its steps in order."""

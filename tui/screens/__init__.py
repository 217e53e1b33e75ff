"""A screen each, with its .tcss beside it where it has styles of its own."""

from pathlib import Path

STYLES = sorted(Path(__file__).parent.glob("*.tcss"))
"""The styles of all screens, for the App."""

"""What several screens share; each widget has its .tcss beside it."""

from pathlib import Path

STYLES = sorted(Path(__file__).parent.glob("*.tcss"))
"""The styles of all widgets, for the App."""
